use std::time::Duration;

use cardwire_domain::analytics::Analytics;
use cardwire_domain::search::{SearchIndex, SearchRequest};
use cardwire_domain::use_cases::{AddCardToCollections, AddUrlToLibrary, RemoveCardFromLibrary};
use cardwire_domain::{Error, EventId, PageRequest};
use cardwire_events::{EventLog, Queue};
use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use crate::harness::{Pipeline, save};

fn example() -> SearchRequest {
    SearchRequest { text: "example".into(), ..SearchRequest::default() }
}

const URL: &str = "https://example.com/page";

#[tokio::test(start_paused = true)]
async fn a_save_with_two_collections_is_one_activity_with_both_within_three_and_a_half_seconds() {
    let pipeline = Pipeline::start();
    let collections = vec![pipeline.collection("alice", "one").await, pipeline.collection("alice", "two").await];
    let started = Instant::now();
    pipeline.run("alice", AddUrlToLibrary { collection_ids: collections, ..save(URL) }).await.unwrap();
    pipeline.until("the activity is visible", async || !pipeline.feed().await.is_empty()).await;
    assert!(started.elapsed() <= Duration::from_millis(3_500), "{:?}", started.elapsed());

    pipeline.settled().await;
    let feed = pipeline.feed().await;
    assert_eq!(feed.len(), 1);
    let mut names: Vec<_> = feed[0].collections.iter().map(|c| c.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["one", "two"]);
    assert_eq!(feed[0].actor.handle, "alice");
    assert_eq!(feed[0].card.url, URL);
}

#[tokio::test(start_paused = true)]
async fn a_save_and_ten_parallel_additions_are_one_activity_with_ten_collections() {
    let pipeline = Pipeline::start();
    let mut collections = Vec::new();
    for n in 0..10 {
        collections.push(pipeline.collection("alice", &format!("c{n}")).await);
    }
    let card_id = pipeline.save("alice", URL).await.url_card_id.to_string();
    let additions = collections
        .into_iter()
        .map(|id| pipeline.run("alice", AddCardToCollections { card_id: card_id.clone(), collection_ids: vec![id] }));
    for added in join_all(additions).await {
        added.unwrap();
    }
    pipeline.settled().await;
    let feed = pipeline.feed().await;
    assert_eq!(feed.len(), 1);
    assert_eq!(feed[0].collections.len(), 10);
}

#[tokio::test(start_paused = true)]
async fn two_people_saving_one_url_are_two_activities() {
    let pipeline = Pipeline::start();
    let (alices, bobs) = (pipeline.save("alice", URL).await, pipeline.save("bob", URL).await);
    assert_ne!(alices.url_card_id, bobs.url_card_id);
    pipeline.settled().await;
    let mut actors: Vec<_> = pipeline.feed().await.into_iter().map(|item| item.actor.handle).collect();
    actors.sort();
    assert_eq!(actors, ["alice", "bob"]);

    let hits = pipeline.store.search(&example(), &PageRequest::default()).await.unwrap().items;
    assert_eq!(hits.len(), 1, "one URL is one hit");
    assert_eq!(hits[0].card_ids.len(), 2);
    let days = pipeline.store.summary(1).await.unwrap();
    assert_eq!((days[0].saves, days[0].active_curators), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn the_same_url_twice_is_the_same_card_and_no_second_activity() {
    let pipeline = Pipeline::start();
    let first = pipeline.save("alice", URL).await;
    pipeline.settled().await;
    let second = pipeline.save("alice", "https://EXAMPLE.com/page#part").await;
    assert_eq!(first.url_card_id, second.url_card_id);
    assert_eq!((first.created, second.created), (true, false));
    sleep(Duration::from_secs(10)).await;
    pipeline.settled().await;
    assert_eq!(pipeline.feed().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_event_around_the_end_of_the_window_loses_no_collection() {
    for offset_ms in [2_900, 2_990, 3_000, 3_001, 3_020, 3_050, 3_100, 3_500] {
        let pipeline = Pipeline::start();
        let collection = pipeline.collection("alice", "late").await;
        pipeline.settled().await;
        let card_id = pipeline.save("alice", URL).await.url_card_id.to_string();
        sleep(Duration::from_millis(offset_ms)).await;
        let add = AddCardToCollections { card_id, collection_ids: vec![collection] };
        pipeline.run("alice", add).await.unwrap();
        pipeline.settled().await;
        let feed = pipeline.feed().await;
        let collections: usize = feed.iter().map(|item| item.collections.len()).sum();
        assert_eq!(collections, 1, "{offset_ms} ms after");
        // The paused clock moves only in the sleep, so the second event is late by exactly that much.
        assert_eq!(feed.len(), if offset_ms <= 3_000 { 1 } else { 2 }, "{offset_ms} ms after");
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_delivered_three_times_before_and_after_the_flush_is_one_activity() {
    let pipeline = Pipeline::start_without_relay(|handler| handler);
    // A second relay sees the delivery first and publishes it more than once.
    pipeline.save("alice", URL).await;
    let mut leased = Vec::new();
    for queue in Queue::ALL {
        leased.extend(pipeline.store.lease(queue, 100, None).await.unwrap().events);
    }
    assert_eq!(leased.len(), Queue::ALL.len(), "the event is owed to every queue");
    for _ in 0..3 {
        for owed in &leased {
            pipeline.publish(owed.queue, &[owed.envelope.to_entry()]).await;
        }
    }
    pipeline.settled().await;
    assert_eq!(pipeline.feed().await.len(), 1);
    for _ in 0..3 {
        for owed in &leased {
            pipeline.publish(owed.queue, &[owed.envelope.to_entry()]).await;
        }
    }
    sleep(Duration::from_secs(10)).await;
    assert_eq!(pipeline.feed().await.len(), 1);
    assert_eq!(pipeline.store.summary(1).await.unwrap()[0].saves, 1);
}

#[tokio::test(start_paused = true)]
async fn a_refused_save_leaves_nothing_and_the_corrected_one_its_activity() {
    let pipeline = Pipeline::start();
    let refused = AddUrlToLibrary { note: Some("x".repeat(10_001)), ..save(URL) };
    let error = pipeline.run("alice", refused).await.unwrap_err();
    assert!(matches!(error, Error::Invalid { ref field, .. } if field == "note"), "{error}");
    sleep(Duration::from_secs(10)).await;
    assert!(pipeline.feed().await.is_empty());
    assert!(pipeline.store.backlog().await.unwrap().iter().all(|queue| queue.owed == 0 && queue.dead == 0));

    let corrected = AddUrlToLibrary { note: Some("x".repeat(10_000)), ..save(URL) };
    assert!(pipeline.run("alice", corrected).await.unwrap().created);
    pipeline.settled().await;
    assert_eq!(pipeline.feed().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn removing_and_adding_again_shows_what_is_true_at_each_step() {
    let pipeline = Pipeline::start();
    let first = pipeline.save("alice", URL).await;
    pipeline.settled().await;
    assert_eq!(pipeline.feed().await.len(), 1);
    let searched = async || pipeline.store.search(&example(), &PageRequest::default()).await.unwrap().items.len();
    assert_eq!(searched().await, 1);

    let card_id = first.url_card_id.to_string();
    pipeline.run("alice", RemoveCardFromLibrary { card_id }).await.unwrap();
    assert!(pipeline.feed().await.is_empty(), "gone at once");
    pipeline.settled().await;
    assert!(pipeline.feed().await.is_empty());
    assert_eq!(searched().await, 0);

    let again = pipeline.save("alice", URL).await;
    assert_eq!(again.url_card_id, first.url_card_id);
    assert!(again.created);
    pipeline.settled().await;
    assert_eq!(pipeline.feed().await.len(), 1, "a link added again is news");
    assert_eq!(searched().await, 1);
}

#[tokio::test(start_paused = true)]
async fn removing_within_the_window_and_adding_again_is_one_activity() {
    let pipeline = Pipeline::start();
    let card_id = pipeline.save("alice", URL).await.url_card_id.to_string();
    pipeline.run("alice", RemoveCardFromLibrary { card_id }).await.unwrap();
    pipeline.save("alice", URL).await;
    pipeline.settled().await;
    assert_eq!(pipeline.feed().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn every_event_of_a_window_has_its_own_id() {
    let pipeline = Pipeline::start();
    let collection = pipeline.collection("alice", "one").await;
    pipeline.run("alice", AddUrlToLibrary { collection_ids: vec![collection], ..save(URL) }).await.unwrap();
    let events = pipeline.store.events().await.unwrap();
    let ids: std::collections::BTreeSet<EventId> = events.iter().map(|event| event.id).collect();
    assert_eq!(ids.len(), 3, "a collection created, a card added to the library and to the collection");
}
