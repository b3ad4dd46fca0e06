//! An event's complete path in one process, with in-memory adapters and a clock that the tests control.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cardwire_domain::feed::{FeedItem, FeedRepository};
use cardwire_domain::use_cases::{
    AddUrlToLibrary, CollectionChanged, CreateCollection, Request, UrlAdded, UseCase, execute,
};
use cardwire_domain::{AccessType, PageRequest, RecordedEvent, Result, UserId, Visibility};
use cardwire_events::memory::{InMemoryEventPublisher, InMemoryEventSubscriber, InMemoryQueues};
use cardwire_events::relay::RelaySettings;
use cardwire_events::{
    EventHandler, EventLog, EventPublisher, EventSubscriber, EventWorker, Handover, Outcome, Queue, QueueSettings,
    Relay,
};

use cardwire_saga::{CardCollectionSaga, FlushLoop, InMemorySagaStateStore, SagaSettings, Timing};
use cardwire_storage::SqliteStore;
use cardwire_testkit::TokioClock;
use cardwire_workers::{AnalyticsHandler, FeedHandler, RecordHandler, SearchHandler};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// Wraps a queue's handler to make it fail.
pub type Wrap = fn(Arc<dyn EventHandler>) -> Arc<dyn EventHandler>;

pub struct Pipeline {
    pub store: SqliteStore,
    pub queues: InMemoryQueues,
    relay_goes: CancellationToken,
    stop: CancellationToken,
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub fn person(name: &str) -> UserId {
    UserId::parse(&format!("did:plc:{name}")).unwrap()
}

pub fn save(url: &str) -> AddUrlToLibrary {
    AddUrlToLibrary { url: url.into(), ..AddUrlToLibrary::default() }
}

impl Pipeline {
    pub fn start() -> Self {
        Self::start_with(|handler| handler)
    }

    /// `wrap` goes around the handler of the feeds queue.
    pub fn start_with(wrap: Wrap) -> Self {
        let pipeline = Self::start_without_relay(wrap);
        pipeline.start_relay();
        pipeline
    }

    /// Owed events stay in the log until [`Self::start_relay`].
    pub fn start_without_relay(wrap: Wrap) -> Self {
        let clock = Arc::new(TokioClock::new());
        let handover = Handover::default();
        let store = SqliteStore::in_memory(clock.clone(), handover.clone()).expect("SQLite is built in");
        let queues = InMemoryQueues::default();
        let log: Arc<dyn EventLog> = Arc::new(store.clone());
        let feed: Arc<dyn FeedRepository> = Arc::new(store.clone());
        let saga_store = Arc::new(InMemorySagaStateStore::new(clock, Timing::default()));
        let saga =
            Arc::new(CardCollectionSaga::new(saga_store, Arc::clone(&feed), Arc::clone(&log), SagaSettings::default()));
        let stop = CancellationToken::new();

        let publisher = Arc::new(InMemoryEventPublisher::new(queues.clone()));
        let relay = Relay::new(Arc::clone(&log), publisher, handover, RelaySettings::default())
            .followed_by(Queue::Feeds, Arc::clone(&saga) as _);
        let relay_goes = CancellationToken::new();
        let (goes, stopped) = (relay_goes.clone(), stop.clone());
        tokio::spawn(async move {
            goes.cancelled().await;
            relay.run(stopped).await;
        });
        let flush = FlushLoop::new(Arc::clone(&saga));
        let stopped = stop.clone();
        tokio::spawn(async move { flush.run(stopped).await });
        for queue in Queue::ALL {
            let handler: Arc<dyn EventHandler> = match queue {
                Queue::Feeds => {
                    wrap(Arc::new(FeedHandler::new(Arc::clone(&saga), Arc::clone(&feed), Arc::clone(&log))))
                }
                Queue::Search => Arc::new(SearchHandler::new(Arc::new(store.clone()))),
                Queue::Analytics => Arc::new(AnalyticsHandler::new(Arc::new(store.clone()))),
                Queue::Records => Arc::new(RecordHandler::new(Arc::new(store.clone()), false)),
            };
            let subscriber = Arc::new(InMemoryEventSubscriber::new(&queues, queue));
            let settings = QueueSettings::of(queue);
            let worker = EventWorker::new(queue, settings, subscriber, handler, Arc::clone(&log));
            let stopped = stop.clone();
            tokio::spawn(async move { worker.run(stopped).await });
        }
        Self { store, queues, relay_goes, stop }
    }

    pub fn start_relay(&self) {
        self.relay_goes.cancel();
    }

    pub async fn run<C: UseCase>(&self, by: &str, command: C) -> Result<C::Answer> {
        execute(&self.store, &Request::by(person(by)), &command).await
    }

    pub async fn save(&self, by: &str, url: &str) -> UrlAdded {
        self.run(by, save(url)).await.unwrap()
    }

    pub async fn collection(&self, by: &str, name: &str) -> String {
        let (access, visibility) = (AccessType::Closed, Visibility::Public);
        let create = CreateCollection { name: name.into(), description: None, access, visibility };
        let CollectionChanged { id } = self.run(by, create).await.unwrap();
        id.to_string()
    }

    pub async fn feed(&self) -> Vec<FeedItem> {
        self.store.feed(None, &PageRequest::default()).await.unwrap().items
    }

    /// Nothing is owed any more except dead letters.
    pub async fn settled(&self) {
        self.until("every event has had its effect", async || {
            self.store.backlog().await.unwrap().iter().all(|queue| queue.owed == 0)
        })
        .await;
    }

    pub async fn until(&self, what: &str, condition: impl AsyncFn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(120);
        while !condition().await {
            assert!(Instant::now() < deadline, "not in time: {what}");
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Puts copies of what the log holds into a queue, as a sweeper or a lost reply would.
    pub async fn publish(&self, queue: Queue, entries: &[String]) {
        let keyed: Vec<_> = entries.iter().map(|entry| (String::new(), entry.clone())).collect();
        InMemoryEventPublisher::new(self.queues.clone()).publish(queue, &keyed).await.unwrap();
        let subscriber = InMemoryEventSubscriber::new(&self.queues, queue);
        self.until("the copies were worked off", async || {
            let depth = subscriber.depth().await.unwrap();
            depth.waiting + depth.suspects + depth.in_flight == 0
        })
        .await;
    }
}

/// Fails the first time it is called, whatever the call.
pub struct FailsOnce {
    inner: Arc<dyn EventHandler>,
    failed: std::sync::atomic::AtomicU32,
    times: u32,
}

impl FailsOnce {
    pub fn times(times: u32, inner: Arc<dyn EventHandler>) -> Arc<dyn EventHandler> {
        Arc::new(Self { inner, failed: 0.into(), times })
    }
}

#[async_trait]
impl EventHandler for FailsOnce {
    async fn handle(&self, events: &[RecordedEvent]) -> Vec<Outcome> {
        let before = self.failed.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        if before < self.times {
            return vec![Outcome::Retry("injected".into()); events.len()];
        }
        self.inner.handle(events).await
    }
}
