//! How often somebody may try to sign in: counted for each address and for each handle, in this process.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cardwire_domain::accounts::Handle;
use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use tokio::time::Instant;

/// Who has not tried for a minute is forgotten after this many attempts of others; so the memory stays in proportion to them.
const FORGET_EVERY: u32 = 1_000;

type Limiter<K> = RateLimiter<K, HashMapStateStore<K>, Timer, NoOpMiddleware<Nanos>>;

pub(super) struct Attempts {
    by_address: Limiter<IpAddr>,
    by_handle: Limiter<String>,
    timer: Timer,
    admitted: AtomicU32,
}

impl Attempts {
    pub(super) fn new(per_minute: NonZeroU32) -> Self {
        let timer = Timer(Instant::now());
        let quota = Quota::per_minute(per_minute);
        Self {
            by_address: RateLimiter::new(quota, HashMapStateStore::default(), timer),
            by_handle: RateLimiter::new(quota, HashMapStateStore::default(), timer),
            timer,
            admitted: AtomicU32::new(0),
        }
    }

    /// Counts an attempt; `Err` is how long to wait before the next. Whoever has no address shares one.
    pub(super) fn admit(&self, address: Option<IpAddr>, handle: Option<&Handle>) -> Result<(), Duration> {
        if self.admitted.fetch_add(1, Ordering::Relaxed) % FORGET_EVERY == FORGET_EVERY - 1 {
            self.by_address.retain_recent();
            self.by_handle.retain_recent();
        }
        let address = address.map_or(Ipv4Addr::UNSPECIFIED.into(), network);
        self.by_address.check_key(&address).map_err(|until| until.wait_time_from(self.timer.now()))?;
        if let Some(handle) = handle {
            let handle = handle.as_str().to_owned();
            self.by_handle.check_key(&handle).map_err(|until| until.wait_time_from(self.timer.now()))?;
        }
        Ok(())
    }
}

/// One IPv6 customer has a whole /64.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address => address,
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

    fn attempts(per_minute: u32) -> Attempts {
        Attempts::new(NonZeroU32::new(per_minute).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn each_address_and_each_handle_has_so_many_a_minute() {
        let attempts = attempts(3);
        let address = |last| Some(IpAddr::from([10, 0, 0, last]));
        let [alice, bob] = ["alice", "bob"].map(|handle| Handle::parse(handle).unwrap());
        for last in 1..=3 {
            assert_eq!(attempts.admit(address(last), Some(&alice)), Ok(()));
        }
        assert_eq!(attempts.admit(address(4), Some(&alice)), Err(Duration::from_secs(20)), "from anywhere");
        assert_eq!(attempts.admit(address(4), Some(&bob)), Ok(()), "others are not hindered");
        assert_eq!(attempts.admit(address(4), None), Ok(()));
        assert_eq!(attempts.admit(address(4), None), Err(Duration::from_secs(20)), "for any handle");
        tokio::time::advance(Duration::from_secs(21)).await;
        assert_eq!(attempts.admit(address(5), Some(&alice)), Ok(()));
        assert!(attempts.admit(address(5), Some(&alice)).is_err(), "evenly over the minute");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_is_long_gone_is_forgotten() {
        let attempts = attempts(10);
        for last in 0..FORGET_EVERY - 1 {
            let handle = Handle::parse(&format!("handle{last}")).unwrap();
            attempts.admit(Some(Ipv4Addr::from_bits(last).into()), Some(&handle)).unwrap();
        }
        assert_eq!(attempts.by_handle.len(), 999);
        tokio::time::advance(Duration::from_secs(61)).await;
        attempts.admit(None, None).unwrap();
        assert_eq!((attempts.by_address.len(), attempts.by_handle.len()), (1, 0));
    }

    #[test]
    fn addresses_of_one_customer_count_as_one() {
        let same = |one: &str, other: &str| network(one.parse().unwrap()) == network(other.parse().unwrap());
        assert!(same("2001:db8:1:2::1", "2001:db8:1:2:ffff::9"));
        assert!(!same("2001:db8:1:2::1", "2001:db8:1:3::1"));
        assert!(same("::ffff:10.0.0.1", "10.0.0.1"));
        assert!(!same("10.0.0.1", "10.0.0.2"));
    }
}
