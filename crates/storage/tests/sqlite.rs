//! The store's contract over SQLite, in memory and in a file, and SQLite's own tests.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cardwire_domain::use_cases::{AddUrlToLibrary, Request, execute};
use cardwire_domain::{EventId, UserId};
use cardwire_events::{DeadSelection, EventLog, Failure, Handover, Queue, QueueSettings, Verdict};
use cardwire_storage::SqliteStore;
use cardwire_storage::sqlite::Place;
use cardwire_testkit::store_suite::{Stores, Tested, TimeMachine};
use cardwire_testkit::{TokioClock, remains};
use jiff::Timestamp;

/// Keeps the store's folder, if it has one, until the case ends.
struct TokioTime(
    SqliteStore,
    #[expect(dead_code, reason = "the folder lasts as long as this")] Option<tempfile::TempDir>,
);

#[async_trait]
impl TimeMachine for TokioTime {
    async fn advance(&self, by: Duration) {
        tokio::time::advance(by).await;
    }

    async fn redate(&self, event: EventId, occurred_at: Timestamp) {
        self.0.redate(event, occurred_at).await.expect("the store answers");
    }

    async fn outdate(&self) {
        self.0.outdate_cards().await.expect("the store answers");
    }

    async fn holding(&self, text: &str) -> Vec<String> {
        remains::in_sqlite(&self.0, text).await.expect("the store answers")
    }
}

fn store(handover: &Handover) -> SqliteStore {
    SqliteStore::in_memory(Arc::new(TokioClock::new()), handover.clone()).expect("SQLite is built in")
}

mod memory {
    use super::*;

    async fn stores() -> anyhow::Result<Stores> {
        let store = store(&Handover::default());
        Ok(Stores::of(Arc::new(store.clone()), Arc::new(TokioTime(store, None))))
    }

    cardwire_testkit::store_suite!(stores, (start_paused = true));
}

mod file {
    use super::*;

    async fn stores() -> anyhow::Result<Stores> {
        let folder = tempfile::tempdir()?;
        let place = Place::File(folder.path().join("cardwire.db"));
        let store = SqliteStore::open(place, Arc::new(TokioClock::new()), Handover::default())?;
        Ok(Stores::of(Arc::new(store.clone()), Arc::new(TokioTime(store, Some(folder)))))
    }

    cardwire_testkit::store_suite!(stores, (start_paused = true));
}

/// Whether it was rung since the last look.
async fn rung(handover: &Handover) -> bool {
    tokio::time::timeout(Duration::from_millis(1), handover.rung(Queue::Feeds)).await.is_ok()
}

async fn save(store: &SqliteStore, note: Option<&str>) -> Tested {
    let alice = Request::by(UserId::parse("did:plc:alice")?);
    let command = AddUrlToLibrary {
        url: "https://example.com/page".into(),
        note: note.map(str::to_owned),
        ..AddUrlToLibrary::default()
    };
    execute(store, &alice, &command).await?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn whatever_is_to_be_published_rings_the_relay() -> Tested {
    let handover = Handover::default();
    let store = store(&handover);
    assert!(!rung(&handover).await);
    save(&store, None).await?;
    assert!(rung(&handover).await, "a commit that raised events");
    save(&store, None).await?;
    assert!(!rung(&handover).await, "a commit that raised none");

    let id = store.lease(Queue::Feeds, 1, None).await?.events[0].envelope.id;
    assert!(!rung(&handover).await, "a lease");

    let failure = Failure { event_id: id, error: "bad".into(), verdict: Verdict::Reject };
    store.fail(Queue::Feeds, &[failure], &QueueSettings::of(Queue::Feeds)).await?;
    assert!(!rung(&handover).await, "a failure, which waits for its next attempt or is dead");
    assert_eq!(store.redrive(Queue::Search, &DeadSelection::All).await?, 0);
    assert!(!rung(&handover).await, "nothing was redriven");
    assert_eq!(store.redrive(Queue::Feeds, &DeadSelection::All).await?, 1);
    assert!(rung(&handover).await, "a redrive");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_last_thousand_entries_that_are_no_events_are_kept_and_cut() -> Tested {
    let store = store(&Handover::default());
    for number in 0..1_005 {
        store.reject_entry(Queue::Search, &format!("{number} {}", "ü".repeat(5_000)), "not an event: no id").await?;
    }
    let kept = store.rejected_entries().await?;
    assert_eq!(kept.len(), 1_000);
    assert!(kept[0].raw.starts_with("5 ") && kept[999].raw.starts_with("1004 "), "the oldest went first");
    assert!(kept.iter().all(|entry| entry.raw.chars().count() == 4_096 && entry.queue == Queue::Search));
    assert_eq!(kept[0].reason, "not an event: no id");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn clones_share_what_they_hold() -> Tested {
    let store = store(&Handover::default());
    save(&store.clone(), Some("note")).await?;
    for queue in Queue::ALL {
        assert_eq!(store.lease(queue, 10, None).await?.events.len(), 1);
    }
    Ok(())
}
