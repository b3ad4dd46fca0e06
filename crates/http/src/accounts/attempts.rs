//! How often somebody may try to sign in. Failures count, successes do not; see
//! [decision 18](../../../../docs/decisions/0018-failed-sign-ins-are-counted.md).

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use cardwire_domain::accounts::Handle;
use governor::Quota;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::address::network;
use crate::limit::Limit;

/// What is counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    /// Failures with any handle, from a network that the handle's owner has not signed in from.
    Network(IpAddr),
    /// Failures with this handle from this network.
    Pair(String, IpAddr),
    /// Failures with this handle, from all networks that its owner has not signed in from.
    Handle(String),
    /// Successes, as hashing is expensive; only the owner has any.
    Owner(String),
}

impl Key {
    /// So many at once, then one in each interval.
    fn allows(&self) -> (u32, Duration) {
        let seconds = Duration::from_secs;
        match self {
            Self::Network(_) => (20, seconds(20)),
            Self::Pair(..) => (10, seconds(600)),
            // Faster than one pair, so that one network alone cannot use it up.
            Self::Handle(_) => (50, seconds(120)),
            Self::Owner(_) => (60, seconds(1)),
        }
    }
}

/// How many networks of owners are remembered in all, and for how long after the last sign-in.
const MOST_KNOWN: usize = 100_000;
const KNOWN_FOR: Duration = Duration::from_secs(90 * 86_400);
/// Between two sweeps of what no longer matters, in attempts.
const SWEEP_EVERY: u32 = 1_000;

/// Counted in this process alone.
#[derive(Default)]
pub(super) struct Attempts(Mutex<State>);

#[derive(Default)]
struct State {
    /// When each is as if nothing had been counted.
    clear_at: HashMap<Key, Instant>,
    /// When each owner last signed in from each network.
    known: HashMap<(String, IpAddr), Instant>,
    begun: u32,
}

/// An attempt that is being checked. It counts as a failure until the check says otherwise, so neither sending many at once nor hanging up
/// early gets past the limit.
#[must_use]
pub(super) struct Attempt<'a> {
    attempts: &'a Attempts,
    failures: Vec<Key>,
    success: Option<Key>,
    origin: Option<(String, IpAddr)>,
}

impl Attempts {
    /// `Err` is how long to wait. Loopback addresses are those of a proxy that does not name its clients: they tell nobody apart, and only
    /// the handle counts, if there is one.
    pub(super) fn begin(&self, address: Option<IpAddr>, handle: Option<&Handle>) -> Result<Attempt<'_>, Duration> {
        let is_local = address.is_some_and(|address| address.to_canonical().is_loopback());
        let network = address.map_or(Ipv4Addr::UNSPECIFIED.into(), network);
        let now = Instant::now();
        let mut state = self.0.lock();
        let (failures, success, origin) = match handle.map(|handle| handle.as_str().to_owned()) {
            None => (vec![Key::Network(network)], None, None),
            Some(handle) if is_local => (vec![Key::Handle(handle.clone())], Some(Key::Owner(handle)), None),
            Some(handle) => {
                let origin = (handle.clone(), network);
                let mut failures = vec![Key::Pair(handle.clone(), network)];
                if !state.is_known(&origin, now) {
                    failures.extend([Key::Network(network), Key::Handle(handle.clone())]);
                }
                (failures, Some(Key::Owner(handle)), Some(origin))
            }
        };
        state.sweep(now);
        let keys = || failures.iter().chain(&success);
        if let Some(wait) = keys().filter_map(|key| state.wait(key, now)).max() {
            return Err(wait);
        }
        keys().for_each(|key| state.count(key, now));
        drop(state);
        Ok(Attempt { attempts: self, failures, success, origin })
    }

    /// The owner has an account that was made from this network.
    pub(super) fn remember(&self, address: Option<IpAddr>, handle: &Handle) {
        let network = address.map_or(Ipv4Addr::UNSPECIFIED.into(), network);
        self.0.lock().remember((handle.as_str().to_owned(), network), Instant::now());
    }
}

impl Attempt<'_> {
    /// From now on, attempts from this network are taken to be the owner's.
    pub(super) fn succeeded(self) {
        let mut state = self.attempts.0.lock();
        self.failures.iter().for_each(|key| state.take_back(key));
        if let Some(origin) = self.origin {
            state.remember(origin, Instant::now());
        }
    }

    pub(super) fn failed(self) {
        let mut state = self.attempts.0.lock();
        self.success.iter().for_each(|key| state.take_back(key));
    }

    /// The password could not be checked.
    pub(super) fn unchecked(self) {
        let mut state = self.attempts.0.lock();
        self.failures.iter().chain(&self.success).for_each(|key| state.take_back(key));
    }
}

impl State {
    fn is_known(&self, origin: &(String, IpAddr), now: Instant) -> bool {
        self.known.get(origin).is_some_and(|last| now.duration_since(*last) < KNOWN_FOR)
    }

    /// `None`: one more is allowed.
    fn wait(&self, key: &Key, now: Instant) -> Option<Duration> {
        let (at_once, interval) = key.allows();
        let clear_in = self.clear_at.get(key)?.saturating_duration_since(now);
        clear_in.checked_sub(interval * (at_once - 1)).filter(|wait| !wait.is_zero())
    }

    fn count(&mut self, key: &Key, now: Instant) {
        let clear_at = self.clear_at.entry(key.clone()).or_insert(now);
        *clear_at = now.max(*clear_at) + key.allows().1;
    }

    fn take_back(&mut self, key: &Key) {
        if let Some(clear_at) = self.clear_at.get_mut(key) {
            *clear_at -= key.allows().1;
        }
    }

    fn remember(&mut self, origin: (String, IpAddr), now: Instant) {
        if self.known.len() >= MOST_KNOWN && !self.known.contains_key(&origin) {
            let oldest = self.known.iter().min_by_key(|(_, last)| **last).map(|(oldest, _)| oldest.clone());
            oldest.and_then(|oldest| self.known.remove(&oldest));
        }
        self.known.insert(origin, now);
    }

    fn sweep(&mut self, now: Instant) {
        self.begun += 1;
        if self.begun == SWEEP_EVERY {
            self.begun = 0;
            self.clear_at.retain(|_, clear_at| *clear_at > now);
        }
    }
}

/// How many accounts may be made from each network.
pub(super) struct SignUps(Limit<IpAddr>);

impl SignUps {
    pub(super) fn new(per_minute: NonZeroU32) -> Self {
        Self(Limit::new(Quota::per_minute(per_minute)))
    }

    /// Counts one; `Err` is how long to wait before the next. Requests without an address share one.
    pub(super) fn admit(&self, address: Option<IpAddr>) -> Result<(), Duration> {
        self.0.admit(&address.map_or(Ipv4Addr::UNSPECIFIED.into(), network))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn address(number: u32) -> Option<IpAddr> {
        Some(Ipv4Addr::from_bits(0x0a00_0000 + number).into())
    }

    fn handle(name: &str) -> Handle {
        Handle::parse(name).unwrap()
    }

    /// How many wrong passwords are checked in a day, tried every second from one of so many networks after the other.
    async fn guesses_in_a_day(attempts: &Attempts, networks: u32) -> u32 {
        let mut checked = 0;
        for second in 0..86_400 {
            if let Ok(attempt) = attempts.begin(address(1 + second % networks), Some(&handle("alice"))) {
                attempt.failed();
                checked += 1;
            }
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        checked
    }

    #[tokio::test(start_paused = true)]
    async fn a_day_allows_few_guesses_from_one_network_and_from_all_of_them() {
        assert_eq!(guesses_in_a_day(&Attempts::default(), 1).await, 10 + 143);
        assert_eq!(guesses_in_a_day(&Attempts::default(), 1_000).await, 50 + 719);
    }

    #[tokio::test(start_paused = true)]
    async fn guesses_from_everywhere_do_not_keep_the_owner_out_of_a_known_network() {
        let attempts = Attempts::default();
        let (owner, alice) = (address(0), handle("alice"));
        attempts.begin(owner, Some(&alice)).unwrap().succeeded();
        guesses_in_a_day(&attempts, 1_000).await;
        attempts.begin(address(4_999), Some(&alice)).unwrap().failed();
        assert!(attempts.begin(address(5_000), Some(&alice)).is_err(), "a new network waits");
        for _ in 0..60 {
            attempts.begin(owner, Some(&alice)).unwrap().succeeded();
        }
        assert_eq!(attempts.begin(owner, Some(&alice)).err(), Some(Duration::from_secs(1)), "hashing is bounded, too");
        attempts.begin(address(5_000), Some(&handle("bob"))).unwrap().failed();
    }

    #[tokio::test(start_paused = true)]
    async fn one_network_alone_does_not_keep_the_owner_out_of_a_new_one() {
        let attempts = Attempts::default();
        guesses_in_a_day(&attempts, 1).await;
        attempts.begin(address(2), Some(&handle("alice"))).unwrap().succeeded();
    }

    #[tokio::test(start_paused = true)]
    async fn a_neighbour_with_other_handles_does_not_keep_the_owner_out() {
        let attempts = Attempts::default();
        attempts.remember(address(1), &handle("alice"));
        for number in 0..20 {
            attempts.begin(address(1), Some(&handle(&format!("other{number}")))).unwrap().failed();
        }
        assert_eq!(attempts.begin(address(1), Some(&handle("other20"))).err(), Some(Duration::from_secs(20)));
        assert!(attempts.begin(address(1), None).is_err(), "nor without a handle");
        attempts.begin(address(1), Some(&handle("alice"))).unwrap().succeeded();
    }

    #[tokio::test(start_paused = true)]
    async fn many_at_once_are_no_way_past_the_limit_and_what_was_not_checked_does_not_count() {
        let attempts = Attempts::default();
        let alice = handle("alice");
        let begun: Vec<_> = (0..10).map(|_| attempts.begin(address(1), Some(&alice)).unwrap()).collect();
        assert_eq!(attempts.begin(address(1), Some(&alice)).err(), Some(Duration::from_secs(600)));
        begun.into_iter().for_each(Attempt::unchecked);
        for _ in 0..10 {
            drop(attempts.begin(address(1), Some(&alice)).unwrap());
        }
        assert!(attempts.begin(address(1), Some(&alice)).is_err(), "those who went away had their guess");
    }

    #[tokio::test(start_paused = true)]
    async fn behind_a_local_proxy_the_handle_alone_counts() {
        for proxy in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            let (attempts, proxy) = (Attempts::default(), Some(proxy.parse().unwrap()));
            for number in 0..21 {
                attempts.begin(proxy, Some(&handle(&format!("person{number}")))).unwrap().failed();
            }
            attempts.begin(proxy, Some(&handle("alice"))).unwrap().succeeded();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_over_is_forgotten() {
        let attempts = Attempts::default();
        for number in 0..SWEEP_EVERY - 1 {
            attempts.begin(address(number), Some(&handle(&format!("person{number}")))).unwrap().failed();
        }
        assert_eq!(attempts.0.lock().clear_at.len(), 4 * (SWEEP_EVERY as usize - 1));
        tokio::time::advance(DAY).await;
        attempts.begin(address(1), None).unwrap().failed();
        assert_eq!(attempts.0.lock().clear_at.len(), 1);
    }
}
