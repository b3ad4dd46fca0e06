//! A site of ours on this machine, and what DNS would tell it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use async_trait::async_trait;
use cardwire_atproto::{AtprotoSettings, ClientSite, Error, Keys, TxtNames};
use cardwire_domain::UserId;
use cardwire_guard::{AddressPolicy, Lookup};
use parking_lot::Mutex;
use url::Url;

use super::server::RealPds;

const KEY: &str = "0123456789abcdef0123456789abcdef";

/// Handles whose DIDs somebody has put into DNS. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct KnownNames(Arc<Mutex<BTreeMap<String, String>>>);

impl KnownNames {
    pub fn add(&self, handle: &str, did: &UserId) {
        self.0.lock().insert(format!("_atproto.{handle}"), format!("did={did}"));
    }
}

#[async_trait]
impl TxtNames for KnownNames {
    async fn txt(&self, name: &str) -> Result<Vec<String>, Error> {
        Ok(self.0.lock().get(name).cloned().into_iter().collect())
    }
}

/// Of a site on this port of this machine, which asks this server and its directory.
///
/// # Panics
/// Never: its key and its addresses are well formed.
pub fn settings(pds: &RealPds, port: u16, names: &KnownNames) -> AtprotoSettings {
    let this_machine: Lookup = Arc::new(|_| Box::pin(async { Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]) }));
    AtprotoSettings {
        keys: Keys::parse(&KEY.into()).expect("it is long enough"),
        site: Some(ClientSite::Loopback { port }),
        plc: Url::parse(&pds.directory()).expect("it is the address of a port"),
        prefix: "network.cosmik".into(),
        allow_app_passwords: true,
        policy: AddressPolicy { allow_private: true, ..AddressPolicy::default() },
        development: true,
        lookup: this_machine,
        names: Arc::new(names.clone()),
        well_known: None,
    }
}
