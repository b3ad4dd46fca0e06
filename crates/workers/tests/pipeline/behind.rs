//! Events that left their queue and wait for a late flush.

use std::sync::Arc;
use std::time::Duration;

use cardwire_domain::use_cases::{Request, execute};
use cardwire_events::memory::{InMemoryEventPublisher, InMemoryEventSubscriber, InMemoryQueues};
use cardwire_events::relay::RelaySettings;
use cardwire_events::{EventSubscriber, EventWorker, Handover, Queue, QueueSettings, Relay};
use cardwire_saga::{CardCollectionSaga, InMemorySagaStateStore, SagaSettings, Timing};
use cardwire_storage::SqliteStore;
use cardwire_testkit::TokioClock;
use cardwire_workers::FeedHandler;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::harness::{person, save};

#[tokio::test(start_paused = true)]
async fn what_waits_in_a_window_is_not_published_again() {
    assert_eq!(copies_after_a_minute_in_a_window(true).await, 0);
    assert!(copies_after_a_minute_in_a_window(false).await > 0, "a relay that does not ask takes it for lost");
}

async fn copies_after_a_minute_in_a_window(asks: bool) -> usize {
    let (clock, handover) = (Arc::new(TokioClock::new()), Handover::default());
    let store = SqliteStore::in_memory(clock.clone(), handover.clone()).unwrap();
    let (log, queues) = (Arc::new(store.clone()), InMemoryQueues::default());
    let never_due = Timing { window: Duration::from_secs(3_600), ..Timing::default() };
    let windows = Arc::new(InMemorySagaStateStore::new(clock, never_due));
    let saga = CardCollectionSaga::new(windows, Arc::new(store.clone()), log.clone(), SagaSettings::default());
    let saga = Arc::new(saga);
    let publisher = Arc::new(InMemoryEventPublisher::new(queues.clone()));
    let relay = Relay::new(log.clone(), publisher, handover, RelaySettings::default());
    let relay = if asks { relay.followed_by(Queue::Feeds, saga.clone()) } else { relay };

    let stop = CancellationToken::new();
    let subscriber: Arc<dyn EventSubscriber> = Arc::new(InMemoryEventSubscriber::new(&queues, Queue::Feeds));
    let handler = Arc::new(FeedHandler::new(saga.clone(), log.clone(), log.clone()));
    let worker = EventWorker::new(Queue::Feeds, QueueSettings::of(Queue::Feeds), subscriber, handler, log);
    let stopped = stop.clone();
    let worker = tokio::spawn(async move { worker.run(stopped).await });

    execute(&store, &Request::by(person("alice")), &save("https://example.com/")).await.unwrap();
    assert_eq!(relay.look(Queue::Feeds, &stop).await.unwrap(), 1);
    let mut copies = 0;
    for _ in 0..60 {
        sleep(Duration::from_secs(1)).await;
        copies += relay.look(Queue::Feeds, &stop).await.unwrap();
    }
    assert_eq!(saga.flush_all().await.unwrap().windows, 1, "it waited in its window");
    stop.cancel();
    worker.await.unwrap().unwrap();
    copies
}
