//! Publishing: its contract over a stand-in and over a server that fails on demand, under a paused clock.

// Unmet preconditions panic, in helper functions too.
#![allow(clippy::unwrap_used)]

mod budgets;
mod troubles;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cardwire_atproto::Repos;
use cardwire_domain::UserId;
use cardwire_events::{Handover, Queue};
use cardwire_storage::SqliteStore;
use cardwire_testkit::TokioClock;
use cardwire_testkit::pds::ScriptedPds;
use cardwire_testkit::record_suite::{Bench, Working};
use cardwire_testkit::store_suite::{Stores, TimeMachine};
use cardwire_workers::records::RecordSettings;
use cardwire_workers::{FakeRecordPublisher, RecordLoop};

struct TokioTime;

#[async_trait]
impl TimeMachine for TokioTime {
    async fn advance(&self, by: Duration) {
        tokio::time::advance(by).await;
    }
}

fn stores() -> anyhow::Result<Stores> {
    let store = SqliteStore::in_memory(Arc::new(TokioClock::new()), Handover::default())?;
    Ok(Stores::of(Arc::new(store), Arc::new(TokioTime)))
}

fn people() -> [UserId; 2] {
    ["did:plc:alice", "did:plc:bob"].map(|id| UserId::parse(id).unwrap())
}

fn publishing(stores: &Stores, repos: Arc<dyn Repos>) -> Arc<RecordLoop> {
    Arc::new(RecordLoop::new(stores.records.clone(), repos, RecordSettings::new("network.cosmik")))
}

fn bench(repos: Arc<dyn Repos>) -> anyhow::Result<Bench> {
    let stores = stores()?;
    let publishing = publishing(&stores, repos.clone());
    let work = move || -> Working {
        let publishing = publishing.clone();
        Box::pin(async move {
            while publishing.take_turn().await? {}
            Ok(())
        })
    };
    Ok(Bench { stores, repos, people: people(), work: Box::new(work) })
}

async fn over_a_stand_in() -> anyhow::Result<Bench> {
    bench(Arc::new(FakeRecordPublisher::default()))
}

async fn over_a_scripted_server() -> anyhow::Result<Bench> {
    bench(Arc::new(ScriptedPds::before(Arc::new(FakeRecordPublisher::default()))))
}

cardwire_testkit::record_suite!(over_a_stand_in, (start_paused = true), fake);
cardwire_testkit::record_suite!(over_a_scripted_server, (start_paused = true), scripted);

/// A store, a server with troubles, and a publisher between them.
struct Scene {
    stores: Stores,
    pds: Arc<ScriptedPds>,
    publishing: Arc<RecordLoop>,
}

impl Scene {
    async fn of(people: &[UserId]) -> Self {
        let stores = stores().unwrap();
        let pds = Arc::new(ScriptedPds::before(Arc::new(FakeRecordPublisher::default())));
        let publishing = publishing(&stores, pds.clone());
        for person in people {
            stores.records.connect(person, person.as_str()).await.unwrap();
        }
        Self { stores, pds, publishing }
    }

    async fn settle(&self) {
        let events = self.stores.deliver(Queue::Records).await.unwrap();
        self.stores.records.owe(&events, false).await.unwrap();
    }

    /// Everybody who is due gets their turns.
    async fn publish(&self) {
        self.settle().await;
        while self.publishing.take_turn().await.unwrap() {}
    }

    async fn save(&self, person: &UserId, count: usize) {
        for number in 0..count {
            self.stores.save(person, &format!("https://{number}.example/")).await.unwrap();
        }
    }

    fn held(&self, person: &UserId) -> usize {
        self.pds.records(person.as_str()).len()
    }
}
