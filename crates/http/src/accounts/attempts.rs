//! How often somebody may try to sign in: counted for each address and for each handle.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use cardwire_domain::accounts::Handle;
use governor::Quota;

use crate::address::network;
use crate::limit::Limit;

pub(super) struct Attempts {
    by_address: Limit<IpAddr>,
    by_handle: Limit<String>,
}

impl Attempts {
    pub(super) fn new(per_minute: NonZeroU32) -> Self {
        let quota = Quota::per_minute(per_minute);
        Self { by_address: Limit::new(quota), by_handle: Limit::new(quota) }
    }

    /// Counts an attempt; `Err` is how long to wait before the next. Whoever has no address shares one. Behind a proxy on this machine
    /// everybody has its address; then only the handle counts, where there is one.
    pub(super) fn admit(&self, address: Option<IpAddr>, handle: Option<&Handle>) -> Result<(), Duration> {
        let is_from_here = address.is_some_and(|address| address.to_canonical().is_loopback());
        if handle.is_none() || !is_from_here {
            self.by_address.admit(&address.map_or(Ipv4Addr::UNSPECIFIED.into(), network))?;
        }
        handle.map_or(Ok(()), |handle| self.by_handle.admit(&handle.as_str().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_address_and_each_handle_has_so_many_a_minute() {
        let attempts = Attempts::new(NonZeroU32::new(3).unwrap());
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
}
