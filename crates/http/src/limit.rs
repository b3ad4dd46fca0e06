//! How often somebody may do something: counted in this process alone.

use std::hash::Hash;
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
    /// Of so many seconds at once, whoever has changed nothing for as long.
    const BURST_S: u32 = 10;

    /// `None`: as much as they like.
    pub fn per_second(most: Option<NonZeroU32>) -> Self {
        let quota = |most: NonZeroU32| {
            let burst = most.saturating_mul(NonZeroU32::MIN.saturating_add(Self::BURST_S - 1));
            Quota::per_second(most).allow_burst(burst)
        };
        Self(most.map(|most| Arc::new(Limit::new(quota(most)))))
    }

    pub fn admit(&self, person: &UserId) -> Result<(), Problem> {
        let Some(limit) = &self.0 else { return Ok(()) };
        limit.admit(person).map_err(|wait| {
            Problem::new(&TOO_MANY_REQUESTS, "you change too much at once").retry_after(whole_seconds(wait))
        })
    }
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

    #[test]
    fn waits_are_told_in_whole_seconds() {
        assert_eq!([0, 1, 1_000, 1_001].map(|ms| whole_seconds(Duration::from_millis(ms))), [1, 1, 1, 2]);
    }
}
