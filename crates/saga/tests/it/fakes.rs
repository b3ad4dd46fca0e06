//! A feed, a ledger and a store that fail as they are told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cardwire_domain::feed::{FeedItem, FeedRepository, StreamCursor};
use cardwire_domain::{CollectedWindow, EventId, Page, PageRequest, UserId};
use cardwire_events::{
    Attempt, Backlog, DeadLetter, DeadSelection, Due, Envelope, EventLog, Failure, Queue, QueueSettings, Verdict,
};
use cardwire_saga::Result as StoreResult;
use cardwire_saga::{
    ClaimedWindow, Error, InMemorySagaStateStore, OpenWindow, PendingEvent, Place, ReleaseReason, SagaKey,
    SagaStateStore,
};
use jiff::Timestamp;
use parking_lot::Mutex;

/// Says what goes wrong with a write; `None`: nothing.
type Fault = Box<dyn Fn(&[CollectedWindow]) -> Option<cardwire_domain::Error> + Send + Sync>;

/// What is owed and what has taken effect, as the database would know it.
#[derive(Default)]
pub struct Ledger {
    pub owed: BTreeSet<EventId>,
    /// How often each event took effect.
    pub effects: BTreeMap<EventId, usize>,
    pub dead: BTreeMap<EventId, String>,
    /// How often each event failed.
    pub failures: BTreeMap<EventId, usize>,
    /// Windows of each transaction that committed.
    pub commits: Vec<usize>,
}

/// Feed and log over one ledger.
#[derive(Default)]
pub struct Database {
    pub ledger: Mutex<Ledger>,
    pub fault: Mutex<Option<Fault>>,
    /// How many calls to `fail` still find the log away.
    pub log_away: Mutex<usize>,
    /// While somebody holds it, no write commits.
    pub gate: tokio::sync::Mutex<()>,
}

impl Database {
    pub fn failing(
        fault: impl Fn(&[CollectedWindow]) -> Option<cardwire_domain::Error> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { fault: Mutex::new(Some(Box::new(fault))), ..Self::default() })
    }

    pub fn heal(&self) {
        *self.fault.lock() = None;
    }
}

#[async_trait]
impl FeedRepository for Database {
    async fn add_activities(&self, windows: &[CollectedWindow]) -> cardwire_domain::Result<usize> {
        let _open = self.gate.lock().await;
        if let Some(error) = self.fault.lock().as_ref().and_then(|fault| fault(windows)) {
            return Err(error);
        }
        let mut ledger = self.ledger.lock();
        let mut taken = 0;
        for member in windows.iter().flat_map(|window| &window.members) {
            if ledger.owed.remove(&member.event_id) {
                *ledger.effects.entry(member.event_id).or_default() += 1;
                taken += 1;
            }
        }
        ledger.commits.push(windows.len());
        Ok(taken)
    }

    async fn forget_people(&self, _: &[EventId]) -> cardwire_domain::Result<usize> {
        panic!("the saga forgets nobody")
    }

    async fn feed(&self, _: Option<&UserId>, _: &PageRequest) -> cardwire_domain::Result<Page<FeedItem>> {
        panic!("the saga does not read the feed")
    }

    async fn stream_end(&self) -> cardwire_domain::Result<StreamCursor> {
        panic!("the saga does not read the feed")
    }

    async fn stream(&self, _: StreamCursor, _: usize) -> cardwire_domain::Result<Vec<(StreamCursor, FeedItem)>> {
        panic!("the saga does not read the feed")
    }

    async fn stream_hint(&self) {
        panic!("the saga does not read the feed")
    }
}

#[async_trait]
impl EventLog for Database {
    async fn fail(
        &self,
        queue: Queue,
        failures: &[Failure],
        _: &QueueSettings,
    ) -> cardwire_events::Result<Vec<EventId>> {
        assert_eq!(queue, Queue::Feeds);
        let mut away = self.log_away.lock();
        if *away > 0 {
            *away -= 1;
            return Err(cardwire_events::Error::Unavailable("the log", "told so".into()));
        }
        let mut ledger = self.ledger.lock();
        let mut dead = Vec::new();
        for failure in failures {
            *ledger.failures.entry(failure.event_id).or_default() += 1;
            assert_ne!(failure.verdict, Verdict::Retry, "the window has it, so the queue must not");
            if failure.verdict == Verdict::Reject && ledger.owed.remove(&failure.event_id) {
                ledger.dead.insert(failure.event_id, failure.error.clone());
                dead.push(failure.event_id);
            }
        }
        Ok(dead)
    }

    async fn lease(&self, _: Queue, _: usize, _: Option<Timestamp>) -> cardwire_events::Result<Due> {
        panic!("the saga only books failures")
    }

    async fn give_back(&self, _: Queue, _: &[EventId]) -> cardwire_events::Result<()> {
        panic!("the saga only books failures")
    }

    async fn look_up(&self, _: &[EventId]) -> cardwire_events::Result<Vec<Envelope>> {
        panic!("the saga only books failures")
    }

    async fn settle(&self, _: Queue, _: &[EventId]) -> cardwire_events::Result<u64> {
        panic!("the saga only books failures")
    }

    async fn begin_attempt(&self, _: Queue, _: EventId, _: &QueueSettings) -> cardwire_events::Result<Attempt> {
        panic!("the saga only books failures")
    }

    async fn undo_attempt(&self, _: Queue, _: EventId) -> cardwire_events::Result<()> {
        panic!("the saga only books failures")
    }

    async fn reject_entry(&self, _: Queue, _: &str, _: &str) -> cardwire_events::Result<()> {
        panic!("the saga only books failures")
    }

    async fn dead_letters(&self, _: Queue, _: Option<EventId>, _: usize) -> cardwire_events::Result<Vec<DeadLetter>> {
        panic!("the saga only books failures")
    }

    async fn redrive(&self, _: Queue, _: &DeadSelection) -> cardwire_events::Result<u64> {
        panic!("the saga only books failures")
    }

    async fn discard(&self, _: Queue, _: &DeadSelection) -> cardwire_events::Result<u64> {
        panic!("the saga only books failures")
    }

    async fn backlog(&self) -> cardwire_events::Result<Vec<Backlog>> {
        panic!("the saga only books failures")
    }

    async fn traceparents(&self, ids: &[EventId]) -> cardwire_events::Result<Vec<String>> {
        panic!("nobody collects traces of {ids:?}")
    }

    async fn prune(&self, _: Duration) -> cardwire_events::Result<u64> {
        panic!("the saga only books failures")
    }
}

/// A store whose calls can be made to fail.
pub struct FaultyStore {
    pub inner: InMemorySagaStateStore,
    pub fail_merge: Mutex<Option<fn() -> Error>>,
    /// How many commits still get no answer.
    pub commits_away: Mutex<usize>,
}

impl FaultyStore {
    pub fn over(inner: InMemorySagaStateStore) -> Arc<Self> {
        Arc::new(Self { inner, fail_merge: Mutex::default(), commits_away: Mutex::default() })
    }
}

#[async_trait]
impl SagaStateStore for FaultyStore {
    async fn merge(&self, events: &[PendingEvent]) -> StoreResult<bool> {
        let fault = *self.fail_merge.lock();
        match fault {
            Some(fault) => Err(fault()),
            None => self.inner.merge(events).await,
        }
    }

    async fn claim_due(&self, limit: usize) -> StoreResult<Vec<ClaimedWindow>> {
        self.inner.claim_due(limit).await
    }

    async fn claim_all(&self, limit: usize) -> StoreResult<Vec<ClaimedWindow>> {
        self.inner.claim_all(limit).await
    }

    async fn commit(&self, windows: &[ClaimedWindow]) -> StoreResult<()> {
        {
            let mut away = self.commits_away.lock();
            if *away > 0 {
                *away -= 1;
                return Err(Error::Unavailable("told so".into()));
            }
        }
        self.inner.commit(windows).await
    }

    async fn release(&self, windows: &[ClaimedWindow], reason: ReleaseReason) -> StoreResult<()> {
        self.inner.release(windows, reason).await
    }

    async fn open(&self, after: Option<&Place>, limit: usize) -> StoreResult<Vec<OpenWindow>> {
        self.inner.open(after, limit).await
    }

    async fn hold(&self, events: &[PendingEvent]) -> StoreResult<Vec<bool>> {
        self.inner.hold(events).await
    }

    async fn flush_now(&self, key: &SagaKey) -> StoreResult<bool> {
        self.inner.flush_now(key).await
    }

    async fn open_count(&self) -> StoreResult<u64> {
        self.inner.open_count().await
    }

    async fn next_due(&self) -> StoreResult<Option<Duration>> {
        self.inner.next_due().await
    }
}
