//! How often a password may be tried. Failures count; see
//! [decision 18](../../../../docs/decisions/0018-failed-sign-ins-are-counted.md).

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use cardwire_domain::SessionId;
use cardwire_domain::accounts::Handle;
use governor::Quota;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::address::{network, site};
use crate::limit::Limit;

/// What a password is shown for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose<'a> {
    /// To sign in. `None`: what was typed is no handle.
    SignIn(Option<&'a Handle>),
    /// To confirm something while signed in as the account of this handle. Nobody else can fail there.
    Confirm(&'a Handle, SessionId),
}

impl<'a> Purpose<'a> {
    pub(super) const fn handle(self) -> Option<&'a Handle> {
        match self {
            Self::SignIn(handle) => handle,
            Self::Confirm(handle, _) => Some(handle),
        }
    }
}

/// What is counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    /// Failures with any handle, from a network that the handle's owner has not signed in from.
    Network(IpAddr),
    /// Failures with this handle from this network.
    Pair(String, IpAddr),
    /// Failures with this handle, from all networks that its owner has not signed in from.
    Handle(String),
    /// Failures with this handle from such a network, while all of them together have used up what they have.
    Reserve(String, IpAddr),
    /// Failures since this person signed in.
    Session(SessionId),
    /// Successes: far more than anybody needs, but hashing is expensive. Only the owner has any.
    Owner(String),
}

impl Key {
    /// So many at once, then one in each interval.
    fn allows(&self) -> (u32, Duration) {
        let seconds = Duration::from_secs;
        match self {
            Self::Network(_) => (20, seconds(20)),
            Self::Pair(..) | Self::Session(_) => (10, seconds(600)),
            // Faster than one pair, so that one network alone cannot use it up.
            Self::Handle(_) => (50, seconds(120)),
            Self::Reserve(..) => (3, seconds(4 * 3_600)),
            Self::Owner(_) => (600, seconds(1)),
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
    pub(super) fn begin(&self, address: Option<IpAddr>, purpose: Purpose<'_>) -> Result<Attempt<'_>, Duration> {
        let is_local = address.is_some_and(|address| address.to_canonical().is_loopback());
        let address = address.unwrap_or(Ipv4Addr::UNSPECIFIED.into());
        let (network, now) = (network(address), Instant::now());
        let handle = purpose.handle().map(|handle| handle.as_str().to_owned());
        let origin = handle.clone().filter(|_| !is_local).map(|handle| (handle, network));
        let success = handle.clone().map(Key::Owner);
        let mut state = self.0.lock();
        state.sweep(now);
        let failures = match (purpose, handle, &origin) {
            (Purpose::Confirm(_, session), ..) => vec![Key::Session(session)],
            (Purpose::SignIn(_), None, _) => vec![Key::Network(network)],
            (Purpose::SignIn(_), Some(handle), None) => vec![Key::Handle(handle)],
            (Purpose::SignIn(_), Some(handle), Some(origin)) => {
                let pair = Key::Pair(handle.clone(), network);
                match state.is_known(origin, now) {
                    true => vec![pair],
                    false => vec![pair, Key::Network(network), state.share(handle, address, now)],
                }
            }
        };
        if let Some(wait) = failures.iter().chain(&success).filter_map(|key| state.wait(key, now)).max() {
            return Err(wait);
        }
        failures.iter().for_each(|key| state.count(key, now));
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
        let now = Instant::now();
        self.success.iter().for_each(|key| state.count(key, now));
        if let Some(origin) = self.origin {
            state.remember(origin, now);
        }
    }

    /// What was counted stays.
    pub(super) fn failed(self) {}

    /// The password could not be checked.
    pub(super) fn unchecked(self) {
        let mut state = self.attempts.0.lock();
        self.failures.iter().for_each(|key| state.take_back(key));
    }
}

impl State {
    fn is_known(&self, origin: &(String, IpAddr), now: Instant) -> bool {
        self.known.get(origin).is_some_and(|last| now.duration_since(*last) < KNOWN_FOR)
    }

    /// What a failure with this handle from a network that is new to its owner counts towards. While others have used up what all such
    /// networks have together, each still has a little of its own, so that no failure elsewhere refuses the right password here.
    fn share(&self, handle: String, address: IpAddr, now: Instant) -> Key {
        let (all, own) = (Key::Handle(handle.clone()), Key::Reserve(handle, site(address)));
        let (wait_for_all, wait_for_own) = (self.wait(&all, now), self.wait(&own, now));
        // `None`, which is no wait at all, comes first.
        if wait_for_all <= wait_for_own { all } else { own }
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

    /// Somebody signs in.
    fn begin<'a>(
        attempts: &'a Attempts,
        address: Option<IpAddr>,
        handle: Option<&Handle>,
    ) -> Result<Attempt<'a>, Duration> {
        attempts.begin(address, Purpose::SignIn(handle))
    }

    /// How many wrong passwords are checked in a day, tried every second from one of so many networks after the other.
    async fn guesses_in_a_day(attempts: &Attempts, networks: u32) -> u32 {
        let mut checked = 0;
        for second in 0..86_400 {
            if let Ok(attempt) = begin(attempts, address(1 + second % networks), Some(&handle("alice"))) {
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
        // 50, one in two minutes, and eight from each of them.
        assert_eq!(guesses_in_a_day(&Attempts::default(), 1_000).await, 50 + 719 + 1_000 * 8);
    }

    #[tokio::test(start_paused = true)]
    async fn guesses_from_everywhere_keep_the_owner_out_of_no_network() {
        let attempts = Attempts::default();
        let (owner, alice) = (address(0), handle("alice"));
        begin(&attempts, owner, Some(&alice)).unwrap().succeeded();
        guesses_in_a_day(&attempts, 1_000).await;
        begin(&attempts, address(4_999), Some(&alice)).unwrap().failed();
        // A new network has three tries of its own, no matter what the others did.
        for _ in 0..3 {
            begin(&attempts, address(5_000), Some(&alice)).unwrap().failed();
        }
        assert_eq!(begin(&attempts, address(5_000), Some(&alice)).err(), Some(Duration::from_secs(120)));
        begin(&attempts, address(5_001), Some(&alice)).unwrap().succeeded();
        begin(&attempts, owner, Some(&alice)).unwrap().succeeded();
        begin(&attempts, address(5_000), Some(&handle("bob"))).unwrap().failed();
    }

    #[tokio::test(start_paused = true)]
    async fn tries_of_its_own_are_of_a_whole_site() {
        let (attempts, alice) = (Attempts::default(), handle("alice"));
        for number in 0..50 {
            begin(&attempts, address(number), Some(&alice)).unwrap().failed();
        }
        let of = |text: &str| Some(text.parse().unwrap());
        for network in 0..3 {
            begin(&attempts, of(&format!("2001:db8:1:{network}::1")), Some(&alice)).unwrap().failed();
        }
        assert!(begin(&attempts, of("2001:db8:1:3::1"), Some(&alice)).is_err());
        begin(&attempts, of("2001:db8:2::1"), Some(&alice)).unwrap().succeeded();
    }

    #[tokio::test(start_paused = true)]
    async fn successes_are_bounded_only_because_hashing_is_expensive() {
        let (attempts, owner, alice) = (Attempts::default(), address(0), handle("alice"));
        // Somebody guesses meanwhile, and what is being checked there is no success.
        let begun: Vec<_> = (1..=50).map(|number| begin(&attempts, address(number), Some(&alice)).unwrap()).collect();
        for _ in 0..600 {
            begin(&attempts, owner, Some(&alice)).unwrap().succeeded();
        }
        assert_eq!(begin(&attempts, owner, Some(&alice)).err(), Some(Duration::from_secs(1)));
        begun.into_iter().for_each(Attempt::failed);
        tokio::time::advance(Duration::from_secs(1)).await;
        begin(&attempts, owner, Some(&alice)).unwrap().succeeded();
    }

    #[tokio::test(start_paused = true)]
    async fn one_network_alone_does_not_keep_the_owner_out_of_a_new_one() {
        let attempts = Attempts::default();
        guesses_in_a_day(&attempts, 1).await;
        begin(&attempts, address(2), Some(&handle("alice"))).unwrap().succeeded();
    }

    #[tokio::test(start_paused = true)]
    async fn a_neighbour_with_other_handles_does_not_keep_the_owner_out() {
        let attempts = Attempts::default();
        attempts.remember(address(1), &handle("alice"));
        for number in 0..20 {
            begin(&attempts, address(1), Some(&handle(&format!("other{number}")))).unwrap().failed();
        }
        assert_eq!(begin(&attempts, address(1), Some(&handle("other20"))).err(), Some(Duration::from_secs(20)));
        assert!(begin(&attempts, address(1), None).is_err(), "nor without a handle");
        begin(&attempts, address(1), Some(&handle("alice"))).unwrap().succeeded();
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_counts_its_own_failures_and_nobody_elses() {
        let (attempts, owner, alice) = (Attempts::default(), address(1), handle("alice"));
        begin(&attempts, owner, Some(&alice)).unwrap().succeeded();
        let (session, stolen) = (SessionId::generate(), SessionId::generate());
        // A neighbour fails at the same address, and a thief in a session of the owner's.
        for _ in 0..10 {
            begin(&attempts, owner, Some(&alice)).unwrap().failed();
            attempts.begin(address(2), Purpose::Confirm(&alice, stolen)).unwrap().failed();
        }
        let wait = Some(Duration::from_secs(600));
        assert_eq!(begin(&attempts, owner, Some(&alice)).err(), wait);
        assert_eq!(attempts.begin(address(3), Purpose::Confirm(&alice, stolen)).err(), wait, "wherever it is used");
        attempts.begin(owner, Purpose::Confirm(&alice, session)).unwrap().succeeded();
        begin(&attempts, address(2), Some(&alice)).unwrap().succeeded();
    }

    #[tokio::test(start_paused = true)]
    async fn many_at_once_are_no_way_past_the_limit_and_what_was_not_checked_does_not_count() {
        let attempts = Attempts::default();
        let alice = handle("alice");
        let begun: Vec<_> = (0..10).map(|_| begin(&attempts, address(1), Some(&alice)).unwrap()).collect();
        assert_eq!(begin(&attempts, address(1), Some(&alice)).err(), Some(Duration::from_secs(600)));
        begun.into_iter().for_each(Attempt::unchecked);
        for _ in 0..10 {
            drop(begin(&attempts, address(1), Some(&alice)).unwrap());
        }
        assert!(begin(&attempts, address(1), Some(&alice)).is_err(), "those who went away had their guess");
    }

    #[tokio::test(start_paused = true)]
    async fn behind_a_local_proxy_the_handle_alone_counts() {
        for proxy in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            let (attempts, proxy) = (Attempts::default(), Some(proxy.parse().unwrap()));
            for number in 0..21 {
                begin(&attempts, proxy, Some(&handle(&format!("person{number}")))).unwrap().failed();
            }
            begin(&attempts, proxy, Some(&handle("alice"))).unwrap().succeeded();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_over_is_forgotten() {
        let attempts = Attempts::default();
        for number in 0..SWEEP_EVERY - 1 {
            begin(&attempts, address(number), Some(&handle(&format!("person{number}")))).unwrap().failed();
        }
        assert_eq!(attempts.0.lock().clear_at.len(), 3 * (SWEEP_EVERY as usize - 1));
        tokio::time::advance(DAY).await;
        begin(&attempts, address(1), None).unwrap().failed();
        assert_eq!(attempts.0.lock().clear_at.len(), 1);
    }
}
