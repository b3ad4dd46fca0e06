//! How often somebody may do something: counted in this process alone.

use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cardwire_domain::UserId;
use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use tokio::time::Instant;

use crate::address::network;
use crate::problem::{Problem, TOO_MANY_REQUESTS};

/// Who has done nothing for as long as their whole quota takes is forgotten after so much that others did: the memory stays in
/// proportion to that.
const FORGET_EVERY: u32 = 1_000;

/// So much for each key.
pub struct Limit<K: Hash + Eq + Clone> {
    limiter: RateLimiter<K, HashMapStateStore<K>, Timer, NoOpMiddleware<Nanos>>,
    timer: Timer,
    admitted: AtomicU32,
}

impl<K: Hash + Eq + Clone> Limit<K> {
    pub fn new(quota: Quota) -> Self {
        let timer = Timer(Instant::now());
        let limiter = RateLimiter::new(quota, HashMapStateStore::default(), timer);
        Self { limiter, timer, admitted: AtomicU32::new(0) }
    }

    /// Counts it; `Err` is how long to wait before the next.
    pub fn admit(&self, key: &K) -> Result<(), Duration> {
        if self.admitted.fetch_add(1, Ordering::Relaxed) % FORGET_EVERY == FORGET_EVERY - 1 {
            self.limiter.retain_recent();
        }
        self.limiter.check_key(key).map_err(|until| until.wait_time_from(self.timer.now()))
    }

    #[cfg(test)]
    pub fn remembered(&self) -> usize {
        self.limiter.len()
    }
}

/// For `Retry-After`: at least 1.
pub fn whole_seconds(wait: Duration) -> u32 {
    u32::try_from(wait.as_millis().div_ceil(1_000)).unwrap_or(u32::MAX).max(1)
}

/// What one person may change by commands. Clones count together.
#[derive(Clone, Default)]
pub struct Writes(Option<Arc<Limit<UserId>>>);

impl Writes {
    /// `None`: as much as they like.
    pub fn per_second(most: Option<NonZeroU32>) -> Self {
        Self(most.map(|most| Arc::new(Limit::new(with_burst(most)))))
    }

    pub fn admit(&self, person: &UserId) -> Result<(), Problem> {
        let Some(limit) = &self.0 else { return Ok(()) };
        limit.admit(person).map_err(|wait| {
            Problem::new(&TOO_MANY_REQUESTS, "You are making too many changes at once.")
                .retry_after(whole_seconds(wait))
        })
    }
}

/// What people who are not signed in may read from one address. Clones count together.
#[derive(Clone, Default)]
pub struct Reads(Option<Arc<Limit<IpAddr>>>);

impl Reads {
    /// `None`: as much as they like.
    pub fn per_second(most: Option<NonZeroU32>) -> Self {
        Self(most.map(|most| Arc::new(Limit::new(with_burst(most)))))
    }

    /// Readers without an address share one. This machine's own do not count: behind a proxy here everybody has them.
    pub fn admit(&self, address: Option<IpAddr>) -> Result<(), Problem> {
        let Some(limit) = &self.0 else { return Ok(()) };
        let address = address.unwrap_or(Ipv4Addr::UNSPECIFIED.into());
        if address.to_canonical().is_loopback() {
            return Ok(());
        }
        limit.admit(&network(address)).map_err(|wait| {
            let detail = "Too many requests came from your address. Wait a moment, or sign in.";
            Problem::new(&TOO_MANY_REQUESTS, detail).retry_after(whole_seconds(wait))
        })
    }
}

/// Ten seconds' worth at once, after as long without any.
fn with_burst(most: NonZeroU32) -> Quota {
    const BURST_S: u32 = 10;
    Quota::per_second(most).allow_burst(most.saturating_mul(NonZeroU32::MIN.saturating_add(BURST_S - 1)))
}

/// Time since the start, by tokio's clock, which tests turn.
#[derive(Clone, Copy)]
struct Timer(Instant);

impl Clock for Timer {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.elapsed().into()
    }
}

#[cfg(test)]
mod tests {
    use actix_web::ResponseError;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn whoever_is_long_gone_is_forgotten() {
        let limit = Limit::new(Quota::per_minute(NonZeroU32::new(10).unwrap()));
        for key in 0..FORGET_EVERY - 1 {
            limit.admit(&key).unwrap();
        }
        assert_eq!(limit.remembered(), 999);
        tokio::time::advance(Duration::from_secs(61)).await;
        limit.admit(&0).unwrap();
        assert_eq!(limit.remembered(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn readers_of_one_address_share_a_limit_and_those_of_this_machine_have_none() {
        let reads = Reads::per_second(NonZeroU32::new(2));
        let address = |text: &str| Some(text.parse().unwrap());
        for last in 0..20 {
            reads.admit(address(&format!("2001:db8::{last}"))).unwrap();
        }
        let refused = reads.admit(address("2001:db8::ffff")).unwrap_err();
        assert_eq!((refused.status_code().as_u16(), refused.retry_after_s()), (429, Some(1)));
        reads.admit(address("10.0.0.1")).unwrap();
        for _ in 0..100 {
            reads.admit(address("127.0.0.1")).unwrap();
            reads.admit(address("::1")).unwrap();
            Reads::default().admit(address("10.0.0.1")).unwrap();
        }
        tokio::time::advance(Duration::from_secs(1)).await;
        reads.admit(address("2001:db8::1")).unwrap();
    }

    #[test]
    fn waits_are_told_in_whole_seconds() {
        assert_eq!([0, 1, 1_000, 1_001].map(|ms| whole_seconds(Duration::from_millis(ms))), [1, 1, 1, 2]);
    }
}
