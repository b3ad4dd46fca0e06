//! Defects that the checker must see. Each breaks one rule of the design, outside the code that keeps it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use cardwire_domain::analytics::{Analytics, DayCounts, KindCount, TopDomain, TopUrl, WeekCounts};
use cardwire_domain::{EventId, RecordedEvent};
use cardwire_events::{
    Attempt, Backlog, Claim, DeadLetter, DeadSelection, Depth, Due, Envelope, EventHandler, EventLog, EventSubscriber,
    Failure, Outcome, Queue, QueueSettings,
};
use cardwire_saga::Result as SagaResult;
use cardwire_saga::{ClaimedWindow, OpenWindow, PendingEvent, Place, ReleaseReason, SagaKey, SagaStateStore};
use cardwire_testkit::faults::FaultAction::{
    Away, CrashAfter, CrashBefore, FlushallAfter, FlushallBefore, LoseReply, RunTwice,
};
use cardwire_testkit::faults::FaultPoint::{Accept, AddActivities, Count, Index, Merge, Publish};
use cardwire_testkit::faults::{FaultAction, FaultPlan, FaultPoint};

use jiff::Timestamp;
use jiff::civil::Date;

use crate::world::{self, Setup};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mutant {
    /// No defect.
    #[default]
    Sound,
    /// Clients repeat requests under a different key.
    NewKeys,
    /// A batch is acknowledged before it is handled.
    AckFirst,
    /// A window is removed from the saga's store before its activity is written.
    ForgetFirst,
    /// A handler that answers `Done` whatever happened.
    SwallowErrors,
    /// A handler that answers `Done` no matter what happened.
    CountAlways,
    /// An event is taken off the ledger of search in a transaction before the one with its effect.
    SettleFirst,
}

pub fn key(mutant: Mutant, key: &str, attempt: usize) -> String {
    if mutant == Mutant::NewKeys { format!("{key}-{attempt}") } else { key.to_owned() }
}

/// The log as relays see it: without looks nothing ever comes due.
pub fn looks(looks: bool, log: &Arc<dyn EventLog>) -> Arc<dyn EventLog> {
    if looks { Arc::clone(log) } else { Arc::new(NeverDue(Arc::clone(log))) }
}

pub fn subscriber(mutant: Mutant, inner: Arc<dyn EventSubscriber>) -> Arc<dyn EventSubscriber> {
    if mutant == Mutant::AckFirst { Arc::new(AckFirst(inner)) } else { inner }
}

pub fn saga_store(mutant: Mutant, inner: Arc<dyn SagaStateStore>) -> Arc<dyn SagaStateStore> {
    if mutant == Mutant::ForgetFirst { Arc::new(ForgetFirst(inner)) } else { inner }
}

pub fn handler(
    mutant: Mutant,
    queue: Queue,
    inner: Arc<dyn EventHandler>,
    log: &Arc<dyn EventLog>,
) -> Arc<dyn EventHandler> {
    match mutant {
        Mutant::SwallowErrors => Arc::new(SwallowErrors(inner)),
        Mutant::SettleFirst if queue == Queue::Search => Arc::new(SettleFirst { queue, inner, log: Arc::clone(log) }),
        _ => inner,
    }
}

pub fn analytics(mutant: Mutant, inner: Arc<dyn Analytics>) -> Arc<dyn Analytics> {
    if mutant == Mutant::CountAlways { Arc::new(CountAlways { inner, again: AtomicU64::new(0) }) } else { inner }
}

struct CountAlways {
    inner: Arc<dyn Analytics>,
    /// What the ledger would have prevented from being counted.
    again: AtomicU64,
}

#[async_trait]
impl Analytics for CountAlways {
    async fn count(&self, events: &[RecordedEvent]) -> cardwire_domain::Result<usize> {
        let taken = self.inner.count(events).await?;
        self.again.fetch_add((events.len() - taken) as u64, Ordering::Relaxed);
        Ok(taken)
    }

    async fn summary(&self, days: u16) -> cardwire_domain::Result<Vec<DayCounts>> {
        let mut counts = self.inner.summary(days).await?;
        counts.iter_mut().for_each(|day| day.saves += self.again.load(Ordering::Relaxed));
        Ok(counts)
    }

    async fn top_urls(&self, days: u16, limit: usize) -> cardwire_domain::Result<Vec<TopUrl>> {
        self.inner.top_urls(days, limit).await
    }

    async fn weeks(&self, weeks: u16) -> cardwire_domain::Result<Vec<WeekCounts>> {
        self.inner.weeks(weeks).await
    }

    async fn top_domains(&self, days: u16, limit: usize) -> cardwire_domain::Result<Vec<TopDomain>> {
        self.inner.top_domains(days, limit).await
    }

    async fn by_kind(&self, days: u16) -> cardwire_domain::Result<Vec<KindCount>> {
        self.inner.by_kind(days).await
    }

    async fn whole_days(&self) -> cardwire_domain::Result<Vec<Date>> {
        self.inner.whole_days().await
    }

    async fn rebuild(&self, day: Date) -> cardwire_domain::Result<u64> {
        self.inner.rebuild(day).await
    }

    async fn rebuild_trends(&self) -> cardwire_domain::Result<()> {
        self.inner.rebuild_trends().await
    }
}

struct AckFirst(Arc<dyn EventSubscriber>);

#[async_trait]
impl EventSubscriber for AckFirst {
    async fn claim(&self, max: usize) -> cardwire_events::Result<Option<Claim>> {
        let claim = self.0.claim(max).await?;
        if let Some(claim) = &claim {
            self.0.ack(claim).await?;
        }
        Ok(claim)
    }

    async fn ack(&self, claim: &Claim) -> cardwire_events::Result<()> {
        self.0.ack(claim).await
    }

    async fn release(&self, claim: &Claim) -> cardwire_events::Result<()> {
        self.0.release(claim).await
    }

    async fn renew(&self, claim: &Claim) -> cardwire_events::Result<bool> {
        self.0.renew(claim).await
    }

    async fn reclaim(&self) -> cardwire_events::Result<usize> {
        self.0.reclaim().await
    }

    async fn wait(&self) -> cardwire_events::Result<()> {
        self.0.wait().await
    }

    async fn depth(&self) -> cardwire_events::Result<Depth> {
        self.0.depth().await
    }
}

struct ForgetFirst(Arc<dyn SagaStateStore>);

#[async_trait]
impl SagaStateStore for ForgetFirst {
    async fn merge(&self, events: &[PendingEvent]) -> SagaResult<bool> {
        self.0.merge(events).await
    }

    async fn claim_due(&self, limit: usize) -> SagaResult<Vec<ClaimedWindow>> {
        let claimed = self.0.claim_due(limit).await?;
        self.0.commit(&claimed).await?;
        Ok(claimed)
    }

    async fn claim_all(&self, limit: usize) -> SagaResult<Vec<ClaimedWindow>> {
        self.0.claim_all(limit).await
    }

    async fn commit(&self, windows: &[ClaimedWindow]) -> SagaResult<()> {
        self.0.commit(windows).await
    }

    async fn release(&self, windows: &[ClaimedWindow], reason: ReleaseReason) -> SagaResult<()> {
        self.0.release(windows, reason).await
    }

    async fn open(&self, after: Option<&Place>, limit: usize) -> SagaResult<Vec<OpenWindow>> {
        self.0.open(after, limit).await
    }

    async fn hold(&self, events: &[PendingEvent]) -> SagaResult<Vec<bool>> {
        self.0.hold(events).await
    }

    async fn flush_now(&self, key: &SagaKey) -> SagaResult<bool> {
        self.0.flush_now(key).await
    }

    async fn open_count(&self) -> SagaResult<u64> {
        self.0.open_count().await
    }

    async fn next_due(&self) -> SagaResult<Option<Duration>> {
        self.0.next_due().await
    }
}

struct SwallowErrors(Arc<dyn EventHandler>);

#[async_trait]
impl EventHandler for SwallowErrors {
    async fn handle(&self, events: &[RecordedEvent]) -> Vec<Outcome> {
        self.0.handle(events).await;
        vec![Outcome::Done; events.len()]
    }
}

struct SettleFirst {
    queue: Queue,
    inner: Arc<dyn EventHandler>,
    log: Arc<dyn EventLog>,
}

struct NeverDue(Arc<dyn EventLog>);

#[async_trait]
impl EventLog for NeverDue {
    async fn lease(&self, _: Queue, _: usize, _: Option<Timestamp>) -> cardwire_events::Result<Due> {
        Ok(Due::default())
    }

    async fn give_back(&self, queue: Queue, ids: &[EventId]) -> cardwire_events::Result<()> {
        self.0.give_back(queue, ids).await
    }

    async fn look_up(&self, ids: &[EventId]) -> cardwire_events::Result<Vec<Envelope>> {
        self.0.look_up(ids).await
    }

    async fn settle(&self, queue: Queue, ids: &[EventId]) -> cardwire_events::Result<u64> {
        self.0.settle(queue, ids).await
    }

    async fn begin_attempt(
        &self,
        queue: Queue,
        id: EventId,
        settings: &QueueSettings,
    ) -> cardwire_events::Result<Attempt> {
        self.0.begin_attempt(queue, id, settings).await
    }

    async fn undo_attempt(&self, queue: Queue, id: EventId) -> cardwire_events::Result<()> {
        self.0.undo_attempt(queue, id).await
    }

    async fn fail(
        &self,
        queue: Queue,
        failures: &[Failure],
        settings: &QueueSettings,
    ) -> cardwire_events::Result<Vec<EventId>> {
        self.0.fail(queue, failures, settings).await
    }

    async fn reject_entry(&self, queue: Queue, raw: &str, reason: &str) -> cardwire_events::Result<()> {
        self.0.reject_entry(queue, raw, reason).await
    }

    async fn dead_letters(
        &self,
        queue: Queue,
        after: Option<EventId>,
        limit: usize,
    ) -> cardwire_events::Result<Vec<DeadLetter>> {
        self.0.dead_letters(queue, after, limit).await
    }

    async fn redrive(&self, queue: Queue, which: &DeadSelection) -> cardwire_events::Result<u64> {
        self.0.redrive(queue, which).await
    }

    async fn discard(&self, queue: Queue, which: &DeadSelection) -> cardwire_events::Result<u64> {
        self.0.discard(queue, which).await
    }

    async fn backlog(&self) -> cardwire_events::Result<Vec<Backlog>> {
        self.0.backlog().await
    }

    async fn traceparents(&self, ids: &[EventId]) -> cardwire_events::Result<Vec<String>> {
        self.0.traceparents(ids).await
    }

    async fn prune(&self, keep: Duration) -> cardwire_events::Result<u64> {
        self.0.prune(keep).await
    }
}

#[async_trait]
impl EventHandler for SettleFirst {
    async fn handle(&self, events: &[RecordedEvent]) -> Vec<Outcome> {
        let ids: Vec<_> = events.iter().map(|event| event.id).collect();
        self.log.settle(self.queue, &ids).await.unwrap();
        self.inner.handle(events).await
    }
}

/// The mutant must fail in a run that a sound system passes, and the checker must say why.
#[track_caller]
fn caught(mutant: Mutant, looks: bool, point: FaultPoint, action: FaultAction, complaint: &str) {
    let plans = [FaultPlan { point, action, occurrence: 1 }];
    let error = world::run(&plans, Setup { mutant, looks }).unwrap_err().to_string();
    assert!(error.contains(complaint), "{mutant:?} was caught for another reason: {error}");
    // A complaint about the mutant counts only if the sound system passes in the same place.
    let sound = world::run(&plans, Setup { mutant: Mutant::Sound, looks });
    let needs_looks = matches!(action, FlushallBefore | FlushallAfter) || matches!(point, Publish(_));
    assert_eq!(sound.is_ok(), looks || !needs_looks, "{sound:?}");
}

#[test]
fn a_client_without_its_key_is_seen() {
    caught(Mutant::NewKeys, true, Accept, CrashAfter, "accepted {");
}

#[test]
fn an_acknowledgement_before_the_work_is_seen() {
    caught(Mutant::AckFirst, false, Merge, CrashBefore, "still owed");
    caught(Mutant::AckFirst, false, Index, CrashBefore, "still owed");
}

#[test]
fn a_window_forgotten_before_it_is_written_is_seen() {
    caught(Mutant::ForgetFirst, false, AddActivities, CrashBefore, "still owed");
}

#[test]
fn swallowed_errors_are_seen() {
    caught(Mutant::SwallowErrors, false, Index, Away(Duration::from_secs(20)), "still owed");
}

#[test]
fn an_effect_outside_the_transaction_of_its_ledger_is_seen() {
    caught(Mutant::SettleFirst, true, Index, CrashBefore, "search does not know");
}

#[test]
fn an_effect_that_does_not_ask_the_ledger_is_seen() {
    // After a crash the worker asks the ledger itself, before it runs a suspect.
    for action in [RunTwice, LoseReply] {
        caught(Mutant::CountAlways, true, Count, action, "saves are counted instead of");
    }
}

/// Only looks repair what was never published and what the transport lost.
#[test]
fn a_relay_that_never_looks_is_seen() {
    caught(Mutant::Sound, false, Publish(Queue::Feeds), CrashBefore, "still owed");
    caught(Mutant::Sound, false, Publish(Queue::Feeds), Away(Duration::ZERO), "still owed");
    caught(Mutant::Sound, false, Publish(Queue::Feeds), FlushallAfter, "still owed");
    caught(Mutant::Sound, false, Merge, FlushallAfter, "still owed");
}
