use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cardwire_domain::RecordedEvent;
use cardwire_events::{EventHandler, EventLog, Outcome, Queue};
use tokio::time::sleep;

use crate::harness::{FailsOnce, Pipeline};

#[tokio::test(start_paused = true)]
async fn a_handler_that_fails_once_is_retried_to_one_activity() {
    let pipeline = Pipeline::start_with(|handler| FailsOnce::times(1, handler));
    pipeline.save("alice", "https://example.com/").await;
    pipeline.settled().await;
    assert_eq!(pipeline.feed().await.len(), 1);
    assert!(pipeline.store.dead_letters(Queue::Feeds, None, 10).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn after_its_attempts_an_event_is_a_dead_letter_and_redriven_it_succeeds() {
    let pipeline = Pipeline::start_with(|handler| FailsOnce::times(3, handler));
    pipeline.save("alice", "https://example.com/").await;
    pipeline
        .until("the event is dead", async || {
            !pipeline.store.dead_letters(Queue::Feeds, None, 10).await.unwrap().is_empty()
        })
        .await;
    let dead = pipeline.store.dead_letters(Queue::Feeds, None, 10).await.unwrap();
    assert_eq!((dead[0].tries, dead[0].error.as_str()), (3, "injected"));
    pipeline.settled().await;
    assert!(pipeline.feed().await.is_empty());

    let redriven = pipeline.store.redrive(Queue::Feeds, &cardwire_events::DeadSelection::All).await.unwrap();
    assert_eq!(redriven, 1);
    pipeline.settled().await;
    assert_eq!(pipeline.feed().await.len(), 1);
}

/// Refuses a batch if one event is bad, and fails on that one alone.
struct OneIsBad(Arc<dyn EventHandler>);

const BAD: &str = "did:plc:mallory";

#[async_trait]
impl EventHandler for OneIsBad {
    async fn handle(&self, events: &[RecordedEvent]) -> Vec<Outcome> {
        if events.iter().any(|event| event.event.actor_id().as_str() == BAD) {
            panic!("cannot handle this");
        }
        self.0.handle(events).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_payload_that_panics_costs_its_neighbours_no_attempt() {
    let pipeline = Pipeline::start_with(|handler| Arc::new(OneIsBad(handler)));
    for person in ["alice", "mallory", "bob"] {
        pipeline.save(person, "https://example.com/").await;
    }
    pipeline.settled().await;
    assert_eq!(pipeline.feed().await.len(), 2);
    let dead = pipeline.store.dead_letters(Queue::Feeds, None, 10).await.unwrap();
    assert_eq!(dead.len(), 1);
    assert!(dead[0].error.contains("panic"), "{}", dead[0].error);
    assert!(dead[0].envelope.partitionkey.ends_with(BAD));
}

#[tokio::test(start_paused = true)]
async fn an_unknown_version_is_a_dead_letter_with_its_reason_and_its_neighbours_succeed() {
    let pipeline = Pipeline::start_without_relay(|handler| handler);
    pipeline.save("alice", "https://example.com/1").await;
    pipeline.save("bob", "https://example.com/2").await;
    let mut leased = pipeline.store.lease(Queue::Feeds, 10, None).await.unwrap().events;
    assert_eq!(leased.len(), 2);
    leased[0].envelope.kind = "CardAddedToLibrary.v9".into();
    pipeline.store.retype(leased[0].envelope.id, &leased[0].envelope.kind).await.unwrap();
    let entries: Vec<String> = leased.iter().map(|owed| owed.envelope.to_entry()).collect();
    pipeline.publish(Queue::Feeds, &entries).await;
    pipeline.start_relay();
    pipeline.settled().await;
    assert_eq!(pipeline.feed().await.len(), 1);
    let dead = pipeline.store.dead_letters(Queue::Feeds, None, 10).await.unwrap();
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].envelope.id, leased[0].envelope.id);
    assert_eq!(dead[0].error, "unknown version of event type CardAddedToLibrary.v9");
}

#[tokio::test(start_paused = true)]
async fn what_a_queue_loses_is_found_due_and_published_again() {
    let pipeline = Pipeline::start_without_relay(|handler| handler);
    pipeline.save("alice", "https://example.com/").await;
    // Another relay took them, but they are nowhere.
    for queue in Queue::ALL {
        assert_eq!(pipeline.store.lease(queue, 10, None).await.unwrap().events.len(), 1);
    }
    pipeline.start_relay();
    sleep(Duration::from_secs(25)).await;
    assert!(pipeline.feed().await.is_empty());
    sleep(Duration::from_secs(15)).await;
    pipeline.settled().await;
    assert_eq!(pipeline.feed().await.len(), 1);
}
