//! One site, one server, one person's browser.

use std::sync::Arc;

use cardwire_atproto::{Agents, Callback, Error, Finished, Purpose};
use cardwire_domain::accounts::{Account, AccountRepository, Admission};
use cardwire_domain::atproto::AtprotoRepository;
use cardwire_domain::user::User;
use cardwire_domain::{SystemClock, UserId};
use cardwire_events::Handover;
use cardwire_storage::SqliteStore;
use cardwire_testkit::real_pds::{Browser, KnownNames, RealPds, brought, settings};
use serde_json::{Value, json};
use url::Url;

/// What the site knows the browser by.
pub const BROWSER: &str = "what the browser is known by";
const PORT: u16 = 8080;

pub struct Site {
    pub pds: RealPds,
    pub names: KnownNames,
    pub store: SqliteStore,
    pub agents: Agents,
    pub browser: Browser,
}

impl Site {
    pub async fn start() -> Self {
        Self::over(RealPds::start().await.unwrap())
    }

    pub fn over(pds: RealPds) -> Self {
        let names = KnownNames::default();
        let store = SqliteStore::in_memory(Arc::new(SystemClock), Handover::default()).unwrap();
        let agents = Agents::new(settings(&pds, PORT, &names), Arc::new(store.clone())).unwrap();
        let browser = Browser::on(&pds.service());
        Self { pds, names, store, agents, browser }
    }

    /// Another process of the same site.
    pub fn beside(&self) -> Agents {
        Agents::new(settings(&self.pds, PORT, &self.names), Arc::new(self.store.clone())).unwrap()
    }

    /// The server's page that asks whether the site is let in.
    pub async fn page(&self, typed: &str) -> Url {
        let page = self.agents.begin(typed, BROWSER, sign_in()).await.unwrap();
        assert!(page.as_str().starts_with(&self.pds.service()), "{page}");
        page
    }

    /// What the browser comes back with, of somebody who has an account there.
    pub async fn signed_in(&self, typed: &str, name: &str) -> Callback {
        let page = self.page(typed).await;
        brought(&self.browser.sign_in(&page, name).await.unwrap())
    }

    pub async fn finish(&self, callback: Callback) -> Result<Finished, Error> {
        self.agents.finish(callback, BROWSER, None).await
    }

    /// Somebody who has signed up there, and here with it.
    pub async fn joined(&self, name: &str) -> UserId {
        let page = self.page(&self.pds.service()).await;
        let callback = brought(&self.browser.sign_up(&page, name).await.unwrap());
        let finished = self.finish(callback).await.unwrap_or_else(|error| panic!("{error}"));
        let did = finished.grant.identity.did.clone();
        self.names.add(&format!("{name}.test"), &did);
        let user = User { id: did.clone(), handle: name.to_owned() };
        let account = Account { user, password_hash: Account::NO_PASSWORD.into() };
        self.store.create_account(&account, &Admission::Open).await.unwrap();
        self.agents.keep(&did, finished.grant).await.unwrap();
        did
    }

    /// How often the session was replaced, and why it has ended.
    pub async fn session(&self, person: &UserId) -> (u64, Option<String>) {
        let connection = self.store.connection(person).await.unwrap().unwrap();
        (connection.version, connection.ended)
    }
}

pub fn sign_in() -> Purpose {
    Purpose::SignIn { invite: None, next: "/library".into() }
}

/// A record of this kind, to be put into somebody's repository.
pub fn record(repo: &UserId, nsid: &str) -> Value {
    let value =
        json!({ "$type": nsid, "type": "URL", "url": "https://a.example/", "createdAt": "2026-11-29T00:00:00.000Z" });
    json!({ "repo": repo, "collection": nsid, "rkey": "3jzfcijpj2z2a", "record": value })
}
