//! Publishing to a real repository server: the same contract as over a stand-in, with both kinds of session, and a
//! workload during which publishers and server are killed. `scripts/test-atproto.sh` installs the server.

// Unmet preconditions panic, in helper functions too.
#![allow(clippy::unwrap_used)]

mod workload;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cardwire_atproto::{Agents, CallError, Purpose, Repos};
use cardwire_domain::{SystemClock, UserId};
use cardwire_events::Handover;
use cardwire_storage::SqliteStore;
use cardwire_testkit::real_pds::{Browser, KnownNames, Passwords, RealPds, brought, settings};
use cardwire_testkit::record_suite::{Bench, Working};
use cardwire_testkit::store_suite::{Stores, TimeMachine};
use cardwire_workers::RecordLoop;
use cardwire_workers::records::RecordSettings;
use serde_json::Value;

struct RealTime;

#[async_trait]
impl TimeMachine for RealTime {
    async fn advance(&self, by: Duration) {
        tokio::time::sleep(by).await;
    }
}

fn stores() -> anyhow::Result<Stores> {
    let store = SqliteStore::in_memory(Arc::new(SystemClock), Handover::default())?;
    Ok(Stores::of(Arc::new(store), Arc::new(RealTime)))
}

fn publishing(stores: &Stores, repos: Arc<dyn Repos>) -> RecordLoop {
    // A killed one is replaced within seconds.
    let settings = RecordSettings {
        lease: Duration::from_secs(5),
        patience: Duration::from_secs(2),
        ..RecordSettings::new("network.cosmik")
    };
    RecordLoop::new(stores.records.clone(), repos, settings)
}

/// Sessions, and the server that they are on.
struct Server<R> {
    sessions: R,
    #[expect(dead_code, reason = "it runs as long as this is kept")]
    pds: RealPds,
}

#[async_trait]
impl<R: Repos> Repos for Server<R> {
    async fn procedure(&self, person: &UserId, nsid: &str, body: Value) -> Result<Value, CallError> {
        self.sessions.procedure(person, nsid, body).await
    }

    async fn query(&self, person: &UserId, nsid: &str, parameters: &[(&str, &str)]) -> Result<Value, CallError> {
        self.sessions.query(person, nsid, parameters).await
    }
}

fn bench(stores: Stores, repos: Arc<dyn Repos>, people: [UserId; 2]) -> Bench {
    let publishing = Arc::new(publishing(&stores, repos.clone()));
    let work = move || -> Working {
        let publishing = publishing.clone();
        Box::pin(async move {
            while publishing.take_turn().await? {}
            Ok(())
        })
    };
    Bench { stores, repos, people, work: Box::new(work) }
}

async fn over_passwords() -> anyhow::Result<Bench> {
    let pds = RealPds::start().await?;
    let passwords = Passwords::on(&pds.service());
    let people = [passwords.sign_up("alice").await?, passwords.sign_up("bob").await?];
    Ok(bench(stores()?, Arc::new(Server { sessions: passwords, pds }), people))
}

/// With signed requests, and with permission to write only these records.
async fn over_oauth() -> anyhow::Result<Bench> {
    let pds = RealPds::start().await?;
    let (stores, passwords, browser) = (stores()?, Passwords::on(&pds.service()), Browser::on(&pds.service()));
    let agents = Agents::new(settings(&pds, 8080, &KnownNames::default()), stores.accounts.clone())?;
    let people = [passwords.sign_up("alice").await?, passwords.sign_up("bob").await?];
    for (person, name) in people.iter().zip(["alice", "bob"]) {
        let page = agents.begin(person.as_str(), name, Purpose::Connect { person: person.clone() }).await?;
        let callback = brought(&browser.sign_in(&page, name).await?);
        let finished = agents.finish(callback, name, Some(person)).await?;
        agents.keep(person, finished.grant).await?;
    }
    Ok(bench(stores, Arc::new(Server { sessions: agents, pds }), people))
}

cardwire_testkit::record_suite!(over_passwords, (flavor = "multi_thread"), real_pds_by_passwords);
cardwire_testkit::record_suite!(over_oauth, (flavor = "multi_thread"), real_pds_by_oauth);
