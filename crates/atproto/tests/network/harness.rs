//! One site, one network, one browser.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use async_trait::async_trait;
use cardwire_atproto::{
    Agents, AtprotoSettings, Callback, ClientSite, Error, Finished, Grant, Keys, Purpose, TxtNames,
};
use cardwire_domain::accounts::{Account, AccountRepository, Admission};
use cardwire_domain::user::User;
use cardwire_domain::{SystemClock, UserId};
use cardwire_events::Handover;
use cardwire_guard::{AddressPolicy, Lookup};
use cardwire_storage::SqliteStore;
use cardwire_testkit::network::{DID, HANDLE, Network, origin};
use parking_lot::Mutex;
use url::Url;

pub const KEY: &str = "0123456789abcdef0123456789abcdef";
pub const BROWSER: &str = "what the browser is known by";

/// What DNS says.
#[derive(Default)]
pub struct Names(pub Mutex<Vec<(String, String)>>);

#[async_trait]
impl TxtNames for Names {
    async fn txt(&self, name: &str) -> Result<Vec<String>, Error> {
        Ok(self.0.lock().iter().filter(|(known, _)| known == name).map(|(_, text)| text.clone()).collect())
    }
}

pub struct Site {
    pub network: Network,
    pub store: SqliteStore,
    pub names: Arc<Names>,
    pub agents: Agents,
}

impl Site {
    pub async fn start() -> Self {
        let network = Network::start().await.unwrap();
        let store = SqliteStore::in_memory(Arc::new(SystemClock), Handover::default()).unwrap();
        let names = Arc::new(Names::default());
        let agents = agents(&network, &store, &names, KEY);
        Self { network, store, names, agents }
    }

    /// Another process of the same site.
    pub fn beside(&self, key: &str) -> Agents {
        agents(&self.network, &self.store, &self.names, key)
    }

    /// Somebody with an account.
    pub async fn person(&self, handle: &str) -> UserId {
        let user = User { id: UserId::generate(), handle: handle.to_owned() };
        let account = Account { user, password_hash: "x".into() };
        self.store.create_account(&account, &Admission::Open).await.unwrap();
        account.user.id
    }

    /// What the browser brings back from the server.
    pub async fn away(&self, typed: &str, purpose: Purpose) -> Callback {
        let address = self.agents.begin(typed, BROWSER, purpose).await.unwrap();
        assert!(address.as_str().starts_with(&origin(self.network.issuer)), "{address}");
        self.back(&address)
    }

    pub fn back(&self, address: &Url) -> Callback {
        let (state, iss, code) = self.network.sign_in(address, DID);
        Callback { state: Some(state), iss: Some(iss), code: Some(code), error: None }
    }

    pub async fn signed_in(&self) -> Grant {
        let callback = self.away(HANDLE, sign_in()).await;
        let Finished { grant, .. } = finished(self.agents.finish(callback, BROWSER, None).await);
        grant
    }

    /// Somebody whose account is connected.
    pub async fn connected(&self) -> UserId {
        let person = self.person("alice").await;
        self.agents.keep(&person, self.signed_in().await).await.unwrap();
        person
    }
}

pub fn sign_in() -> Purpose {
    Purpose::SignIn { invite: None, next: "/library".into() }
}

#[track_caller]
pub fn finished(result: Result<Finished, Error>) -> Finished {
    result.unwrap_or_else(|error| panic!("{error}"))
}

/// The error, whatever else it might have been.
#[track_caller]
pub fn refused<T>(result: Result<T, Error>) -> Error {
    match result {
        Ok(_) => panic!("it was let through"),
        Err(error) => error,
    }
}

pub fn agents(network: &Network, store: &SqliteStore, names: &Arc<Names>, key: &str) -> Agents {
    let policy = AddressPolicy { exempt: BTreeSet::from(network.servers()), ..AddressPolicy::default() };
    // Every name leads into the private network.
    let inside: Lookup = Arc::new(|_| Box::pin(async { Ok(vec![IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1))]) }));
    let settings = AtprotoSettings {
        keys: Keys::parse(&key.into()).unwrap(),
        site: Some(ClientSite::Public(Url::parse("https://cardwire.example").unwrap())),
        plc: Url::parse(&origin(network.directory)).unwrap(),
        prefix: "network.cosmik".into(),
        allow_app_passwords: true,
        policy,
        development: true,
        lookup: inside,
        names: names.clone(),
        well_known: Some(network.well_known()),
    };
    Agents::new(settings, Arc::new(store.clone())).unwrap()
}
