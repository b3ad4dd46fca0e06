//! Every way in which an event can die, over both stores: its tries, its steps, the figures and the metrics agree.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cardwire_domain::feed::{FeedItem, FeedRepository, StreamCursor};
use cardwire_domain::{
    Clock as _, CollectedWindow, Error as DomainError, EventId, Page, PageRequest, RecordedEvent,
    Result as DomainResult, SystemClock, UserId,
};
use cardwire_events::log::WORKER_LOST;
use cardwire_events::operations::Gauges;
use cardwire_events::{
    Claim, DeadSelection, Depth, Envelope, EventHandler, EventSubscriber, EventWorker, Handover, Outcome, Queue,
    QueueSettings, Result,
};
use cardwire_saga::{CardCollectionSaga, InMemorySagaStateStore, SagaSettings, Timing};
use cardwire_storage::SqliteStore;
use cardwire_storage::postgres::{PoolSettings, PostgresStore};
use cardwire_testkit::postgres::{Database, Postgres};
use cardwire_testkit::store_suite::{Stores, TimeMachine};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::harness::person;

const QUEUE: Queue = Queue::Feeds;
const SETTINGS: QueueSettings = QueueSettings { attempts: 3, backoff_ms: 0, concurrency: 1 };

/// What happens to an event, step by step.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Act {
    /// It is handled, as an event of a lost worker if `after_loss`.
    Handled { ends: End, after_loss: bool },
    /// Its handler fails on a batch with it, and then on the event alone.
    FailsInCompany,
    /// Its worker is lost while it runs the event alone.
    Lost,
    /// Copies of it arrive in one batch, in a version that nobody knows.
    Unknown { copies: usize, after_loss: bool },
    /// The flush of its window fails.
    FlushFails,
    /// Somebody redrives it.
    Redriven,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Fails,
    Panics,
    Rejects,
    /// A service it needs is unavailable.
    Away,
}

const fn run(ends: End) -> Act {
    Act::Handled { ends, after_loss: false }
}

const fn suspect(ends: End) -> Act {
    Act::Handled { ends, after_loss: true }
}

/// What happens to it, its steps, its final tries, and its last error.
type Death = (&'static [Act], &'static str, u32, &'static str);

const DEATHS: &[Death] = &[
    (&[Act::Unknown { copies: 1, after_loss: false }], "failed died", 1, "unknown version"),
    (&[Act::Unknown { copies: 2, after_loss: false }], "failed died", 1, "unknown version"),
    (&[Act::Unknown { copies: 1, after_loss: true }], "failed died", 1, "unknown version"),
    (&[run(End::Rejects)], "failed died", 1, "refused"),
    (&[run(End::Fails); 3], "failed failed failed died", 3, "broken"),
    (&[run(End::Panics); 3], "failed failed failed died", 3, "panic"),
    (&[Act::FailsInCompany; 3], "failed failed failed died", 3, "broken"),
    (
        &[Act::Lost, Act::Lost, Act::Lost, suspect(End::Fails)],
        "run-after-loss failed run-after-loss failed run-after-loss failed died",
        3,
        WORKER_LOST,
    ),
    (&[suspect(End::Fails); 3], "run-after-loss failed run-after-loss failed run-after-loss failed died", 3, "broken"),
    (&[suspect(End::Rejects)], "run-after-loss failed died", 1, "refused"),
    (&[suspect(End::Away), suspect(End::Away), run(End::Rejects)], "failed died", 1, "refused"),
    (
        &[run(End::Fails), Act::Lost, suspect(End::Rejects)],
        "failed run-after-loss failed run-after-loss failed died",
        3,
        "refused",
    ),
    (&[Act::FlushFails; 3], "failed failed failed died", 3, "bad payload"),
    (
        &[Act::FlushFails, Act::FlushFails, Act::Lost, suspect(End::Fails)],
        "failed failed run-after-loss failed died",
        3,
        WORKER_LOST,
    ),
    (&[run(End::Fails), Act::FlushFails, run(End::Fails)], "failed failed failed died", 3, "broken"),
    (
        &[run(End::Rejects), Act::Redriven, Act::FlushFails, Act::FlushFails, Act::FlushFails],
        "failed died redriven failed failed failed died",
        3,
        "bad payload",
    ),
    // Its copies do not die a second time.
    (&[run(End::Rejects), suspect(End::Fails), run(End::Fails)], "failed died", 1, "refused"),
];

/// Hands out one claim. Reports when it is done, whether acknowledged or given back.
struct OneClaim {
    claim: Mutex<Option<Claim>>,
    done: CancellationToken,
}

#[async_trait]
impl EventSubscriber for OneClaim {
    async fn claim(&self, _: usize) -> Result<Option<Claim>> {
        Ok(self.claim.lock().take())
    }
    async fn ack(&self, _: &Claim) -> Result<()> {
        self.done.cancel();
        Ok(())
    }
    async fn release(&self, _: &Claim) -> Result<()> {
        self.done.cancel();
        Ok(())
    }
    async fn renew(&self, _: &Claim) -> Result<bool> {
        Ok(true)
    }
    async fn reclaim(&self) -> Result<usize> {
        Ok(0)
    }
    async fn wait(&self) -> Result<()> {
        std::future::pending().await
    }
    async fn depth(&self) -> Result<Depth> {
        Ok(Depth::default())
    }
}

/// Ends in one way for one event; `None`: it never returns, and reports when it has begun. Nothing else ever fails.
struct OneEnd {
    id: EventId,
    end: Option<End>,
    begun: Arc<Notify>,
}

#[async_trait]
impl EventHandler for OneEnd {
    async fn handle(&self, events: &[RecordedEvent]) -> Vec<Outcome> {
        if events.iter().all(|event| event.id != self.id) {
            return vec![Outcome::Done; events.len()];
        }
        let outcome = match self.end {
            Some(End::Fails) => Outcome::Retry("broken".into()),
            Some(End::Panics) => panic!("on purpose"),
            Some(End::Rejects) => Outcome::Reject("refused".into()),
            Some(End::Away) => Outcome::Unavailable("away".into()),
            None => {
                self.begun.notify_one();
                std::future::pending().await
            }
        };
        vec![outcome; events.len()]
    }
}

/// Accepts no activity.
struct BadFeed;

#[async_trait]
impl FeedRepository for BadFeed {
    async fn add_activities(&self, _: &[CollectedWindow]) -> DomainResult<usize> {
        Err(DomainError::Corrupt("bad payload".into()))
    }
    async fn forget_people(&self, _: &[EventId]) -> DomainResult<usize> {
        Err(DomainError::Corrupt("bad payload".into()))
    }
    async fn feed(&self, _: Option<&UserId>, _: &PageRequest) -> DomainResult<Page<FeedItem>> {
        panic!("nobody reads it")
    }
    async fn stream_end(&self) -> DomainResult<StreamCursor> {
        panic!("nobody reads it")
    }
    async fn stream(&self, _: StreamCursor, _: usize) -> DomainResult<Vec<(StreamCursor, FeedItem)>> {
        panic!("nobody reads it")
    }
    async fn stream_hint(&self) {
        panic!("nobody reads it")
    }
}

/// One event, and everything that can happen to it.
struct Scene {
    stores: Stores,
    saga: CardCollectionSaga,
    event: RecordedEvent,
    envelope: Envelope,
    neighbour: String,
}

impl Scene {
    async fn new(stores: &Stores, n: usize) -> Self {
        for who in ["victim", "neighbour"] {
            stores.save(&person(&format!("{who}{n}")), "https://example.com/").await.unwrap();
        }
        let owed = stores.log.lease(QUEUE, 100, None).await.unwrap().events;
        // Not those of earlier scenes that a worker redrives because it understands their type.
        let of = |who: &str| {
            let mut envelopes = owed.iter().map(|owed| &owed.envelope);
            envelopes.find(|envelope| envelope.partitionkey.ends_with(&format!(":{who}{n}"))).unwrap().clone()
        };
        let (envelope, neighbour) = (of("victim"), of("neighbour").to_entry());
        let event = cardwire_events::Message::parse(&envelope.to_entry()).unwrap().decode().unwrap();
        // Nothing waits here except after a failure.
        let timing = Timing {
            window: Duration::ZERO,
            lock: Duration::from_secs(60),
            pause: Duration::ZERO,
            backoff: Duration::ZERO,
        };
        let windows = Arc::new(InMemorySagaStateStore::new(Arc::new(SystemClock), timing));
        let saga = CardCollectionSaga::new(windows, Arc::new(BadFeed), stores.log.clone(), SagaSettings::default());
        Self { stores: stores.clone(), saga, event, envelope, neighbour }
    }

    async fn befalls(&self, act: Act) {
        let entry = self.envelope.to_entry();
        match act {
            Act::Handled { ends, after_loss } => self.work(vec![entry], Some(ends), after_loss).await,
            Act::FailsInCompany => self.work(vec![entry, self.neighbour.clone()], Some(End::Fails), false).await,
            Act::Lost => self.work(vec![entry], None, true).await,
            Act::Unknown { copies, after_loss } => {
                let kind = "CardAddedToLibrary.v9";
                self.stores.time.retype(self.event.id, kind).await;
                let envelope = Envelope { kind: kind.into(), ..self.envelope.clone() };
                self.work(vec![envelope.to_entry(); copies], Some(End::Fails), after_loss).await;
            }
            Act::FlushFails => {
                assert_eq!(self.saga.collect(std::slice::from_ref(&self.event)).await, [Outcome::Done]);
                let flushed = self.saga.flush_due().await.unwrap();
                assert_eq!((flushed.claimed, flushed.windows), (1, 0));
            }
            Act::Redriven => {
                let only = DeadSelection::Ids(vec![self.event.id]);
                assert_eq!(self.stores.log.redrive(QUEUE, &only).await.unwrap(), 1);
            }
        }
    }

    /// A worker has these entries until it is done with them, or is lost.
    async fn work(&self, entries: Vec<String>, end: Option<End>, suspect: bool) {
        let (done, begun) = (CancellationToken::new(), Arc::new(Notify::new()));
        let claim = Claim { batch: EventId::generate().ulid(), partition: 0, entries, suspect };
        let subscriber = Arc::new(OneClaim { claim: Mutex::new(Some(claim)), done: done.clone() });
        let handler = Arc::new(OneEnd { id: self.event.id, end, begun: begun.clone() });
        let worker = EventWorker::new(QUEUE, SETTINGS, subscriber, handler, self.stores.log.clone());
        tokio::select! {
            ended = worker.run(done) => ended.unwrap(),
            () = begun.notified() => {}
        }
    }

    /// Attempts that failed so far, by the operators' figures.
    async fn figure(&self, slot: i64) -> u64 {
        let at = SystemClock.now() - Duration::from_secs(1_000 - slot.unsigned_abs());
        let gauges = Gauges {
            queue: QUEUE,
            waiting: None,
            in_flight: None,
            suspects: None,
            owed: 0,
            unpublished: 0,
            dead: 0,
            oldest_age_s: 0,
            workers: None,
        };
        self.stores.history.keep(at, &[gauges]).await.unwrap();
        let samples = self.stores.history.history(QUEUE, Duration::from_secs(3_600), 1).await.unwrap();
        samples.iter().map(|sample| sample.failed).max().unwrap()
    }
}

fn counted(metrics: &PrometheusHandle, name: &str) -> usize {
    let text = metrics.render();
    let found = text.lines().find_map(|line| line.strip_prefix(&format!("{name}{{queue=\"feeds\"}} ")));
    found.map_or(0, |count| count.parse().unwrap())
}

/// All sources agree about an event's death.
async fn check(stores: Stores) {
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    // This thread's, which is the only one of the test's runtime.
    let _recording = metrics::set_default_local_recorder(&recorder);
    let (mut failed, mut died) = (0, 0);
    for (n, (acts, steps, tries, error)) in DEATHS.iter().enumerate() {
        let scene = Scene::new(&stores, n).await;
        for act in *acts {
            scene.befalls(*act).await;
        }
        let way = stores.operator.way(QUEUE, scene.event.id).await.unwrap();
        let way = way.unwrap_or_else(|| panic!("it lives on after {acts:?}"));
        let told: Vec<&str> = way.steps.iter().map(|step| step.kind.name()).collect();
        assert_eq!(told.join(" "), *steps, "{acts:?}");
        assert_eq!(way.letter.tries, *tries, "{acts:?}");
        assert!(way.letter.error.contains(error), "{acts:?}: {}", way.letter.error);
        let last = way.steps.iter().rev().find(|step| step.kind.name() == "failed").unwrap();
        assert_eq!(last.detail, way.letter.error, "it died of its last failure: {acts:?}");

        failed += steps.matches("failed").count();
        died += steps.matches("died").count();
        let figures = (
            scene.figure(i64::try_from(n).unwrap()).await,
            counted(&metrics, "cardwire_events_failed_total"),
            counted(&metrics, "cardwire_dead_letters_total"),
        );
        assert_eq!(figures, (failed as u64, failed, died), "chart, failed, dead: {acts:?}");
    }
}

/// Changes what the log says about an event; time passes by itself here.
enum Log {
    InMemory(SqliteStore),
    Postgres(Database),
}

#[async_trait]
impl TimeMachine for Log {
    async fn advance(&self, by: Duration) {
        panic!("nobody asked for {by:?} to pass");
    }

    async fn retype(&self, event: EventId, kind: &str) {
        match self {
            Self::InMemory(store) => store.retype(event, kind).await.unwrap(),
            Self::Postgres(database) => {
                let id = event.ulid().0;
                database.run(&format!("UPDATE events SET type = '{kind}' WHERE id = '{id:032x}'")).await.unwrap();
            }
        }
    }
}

#[tokio::test]
async fn whatever_an_event_dies_of_is_told_alike_everywhere_in_memory() {
    let store = SqliteStore::in_memory(Arc::new(SystemClock), Handover::default()).expect("SQLite is built in");
    check(Stores::of(Arc::new(store.clone()), Arc::new(Log::InMemory(store)))).await;
}

#[tokio::test]
async fn whatever_an_event_dies_of_is_told_alike_everywhere_in_postgresql() {
    let server = Postgres::shared().unwrap();
    let database = server.database().await.unwrap();
    let store = PostgresStore::connect(database.url(), PoolSettings::default(), Handover::default()).unwrap();
    check(Stores::of(Arc::new(store), Arc::new(Log::Postgres(database)))).await;
}
