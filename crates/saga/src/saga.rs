//! Gathers events into windows and writes windows into the feed.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cardwire_domain::feed::FeedRepository;
use cardwire_domain::{CollectedWindow, EventId, Member, RecordedEvent};
use cardwire_events::latency::{Histogram, Latencies};
use cardwire_events::trace::{Batch, Operation};
use cardwire_events::{EventLog, Failure, Outcome, Queue, QueueSettings, Verdict, WaitingRoom};
use jiff::Timestamp;
use tokio::sync::Notify;
use tracing::Instrument as _;

use crate::error;
use crate::pending::{PendingActivity, PendingEvent, gather};
use crate::store::{ClaimedWindow, ReleaseReason, SagaStateStore};

/// Events written in one transaction. Larger claims take several, so that a flush needs little memory: what it holds of an event while
/// it is written is a multiple of the event. Only a window that is larger alone is parted, earlier events first.
const WRITTEN_AT_ONCE: usize = 2_500;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SagaSettings {
    /// Windows claimed at once.
    pub windows_per_flush: usize,
    /// How often a window may fail alone before its events are dead letters.
    pub attempts: u32,
}

impl Default for SagaSettings {
    fn default() -> Self {
        Self { windows_per_flush: 256, attempts: 3 }
    }
}

/// What a flush came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flushed {
    pub claimed: usize,
    /// Written, and removed from the store.
    pub windows: usize,
    /// Events that took effect now; those of an interrupted earlier flush already had it, and those of one that failed half-way are not
    /// counted.
    pub events: usize,
    /// Windows that failed and will be tried again.
    pub failed: usize,
    /// Windows whose events are dead letters now.
    pub dead: usize,
    /// What was away, so that the rest waits.
    pub away: Option<String>,
}

/// What to do with a window that cannot be written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OnFailure {
    Count,
    /// While draining there is no time between attempts that could help, so none is counted.
    GiveBack,
}

/// The saga of a card being collected: events of one card and person become one activity.
pub struct CardCollectionSaga {
    store: Arc<dyn SagaStateStore>,
    feed: Arc<dyn FeedRepository>,
    log: Arc<dyn EventLog>,
    settings: SagaSettings,
    full: Notify,
    took: Latencies,
}

impl CardCollectionSaga {
    pub fn new(
        store: Arc<dyn SagaStateStore>,
        feed: Arc<dyn FeedRepository>,
        log: Arc<dyn EventLog>,
        settings: SagaSettings,
    ) -> Self {
        Self { store, feed, log, settings, full: Notify::new(), took: Latencies::default() }
    }

    pub const fn settings(&self) -> &SagaSettings {
        &self.settings
    }

    /// How long the events that this process has written into the feed took to get there. Some may be counted twice after an interrupted
    /// flush.
    pub fn took(&self) -> Histogram {
        self.took.so_far()
    }

    /// Merges events into their windows. One outcome for each, in order; an event that makes no activity is rejected, since
    /// nobody here would ever take it off the ledger.
    ///
    /// When the store is full or holds what is not ours, the events go straight into the feed. Dropped: any of the events
    /// may be merged, and may be merged again.
    pub async fn collect(&self, events: &[RecordedEvent]) -> Vec<Outcome> {
        let pending: Vec<Option<PendingEvent>> = events.iter().map(PendingEvent::from_recorded).collect();
        let collected: Vec<PendingEvent> = pending.iter().flatten().cloned().collect();
        let outcome = match collected.is_empty() {
            true => Outcome::Done,
            false => self.merge(&collected).await,
        };
        let reject = || Outcome::Reject("it makes no activity".into());
        pending.into_iter().map(|pending| pending.map_or_else(reject, |_| outcome.clone())).collect()
    }

    async fn merge(&self, events: &[PendingEvent]) -> Outcome {
        match self.store.merge(events).await {
            Ok(due_at_once) => {
                if due_at_once {
                    self.full.notify_one();
                }
                Outcome::Done
            }
            Err(error @ error::Error::Unavailable(_)) => Outcome::Unavailable(error.to_string()),
            Err(error @ (error::Error::Full | error::Error::Corrupt(_))) => {
                tracing::warn!(%error, events = events.len(), "writing straight into the feed");
                metrics::counter!("cardwire_saga_bypassed_events_total").increment(events.len() as u64);
                match self.write(gather(events).into_iter().map(PendingActivity::into_collected).collect()).await {
                    Ok(_) => Outcome::Done,
                    Err(cardwire_domain::Error::Unavailable(why)) => Outcome::Unavailable(why),
                    Err(error) => Outcome::Retry(error.to_string()),
                }
            }
        }
    }

    /// Writes the windows that are due. Dropped: their locks expire, and they are claimed again.
    pub async fn flush_due(&self) -> error::Result<Flushed> {
        let claimed = self.store.claim_due(self.settings.windows_per_flush).await?;
        self.flush(claimed, OnFailure::Count).await
    }

    /// Writes every open window, due or not, for a process that ends with its store. What cannot be written stays on the
    /// ledger.
    pub async fn flush_all(&self) -> error::Result<Flushed> {
        let mut all = Flushed::default();
        loop {
            let claimed = self.store.claim_all(self.settings.windows_per_flush).await?;
            let round = self.flush(claimed, OnFailure::GiveBack).await?;
            all.claimed += round.claimed;
            all.windows += round.windows;
            all.events += round.events;
            all.failed += round.failed;
            all.away = round.away;
            if round.windows == 0 || all.away.is_some() {
                return Ok(all);
            }
        }
    }

    /// How long until [`flush_due`](Self::flush_due) has something to do; `None`: nothing is open.
    pub async fn next_due(&self) -> error::Result<Option<Duration>> {
        self.store.next_due().await
    }

    /// Returns when this process filled a window. May be dropped at any time.
    pub async fn window_full(&self) {
        self.full.notified().await;
    }

    async fn flush(&self, claimed: Vec<ClaimedWindow>, on_failure: OnFailure) -> error::Result<Flushed> {
        let mut flushed = Flushed { claimed: claimed.len(), ..Flushed::default() };
        if claimed.is_empty() {
            return Ok(flushed);
        }
        for window in &claimed {
            metrics::histogram!("cardwire_saga_flush_lateness_seconds").record(window.late.as_secs_f64());
            for name in &window.unreadable {
                let name = String::from_utf8_lossy(name);
                tracing::error!(key = %window.key(), %name, "dropping an entry that is no event");
            }
        }
        let trace = self.trace(&claimed).await;
        let written = self.write_claimed(&claimed).await;
        if written.is_err() {
            trace.all_failed();
        }
        drop(trace);
        match written {
            Ok(events) => {
                self.store.commit(&claimed).await?;
                flushed.windows += claimed.len();
                flushed.events += events;
            }
            Err(cardwire_domain::Error::Unavailable(why)) => {
                self.store.release(&claimed, ReleaseReason::Unavailable).await?;
                flushed.away = Some(why);
            }
            Err(error) if claimed.len() == 1 => self.failed(&claimed[0], &error, on_failure, &mut flushed).await?,
            Err(error) => {
                tracing::warn!(%error, windows = claimed.len(), "a flush failed; flushing its windows one by one");
                self.flush_singly(&claimed, on_failure, &mut flushed).await?;
            }
        }
        metrics::counter!("cardwire_saga_windows_flushed_total").increment(flushed.windows as u64);
        Ok(flushed)
    }

    /// What stands for this flush in the traces of the requests whose events it writes. The log knows them: windows need not carry
    /// what is asked only while somebody collects traces.
    async fn trace(&self, claimed: &[ClaimedWindow]) -> Batch {
        let mut trace = Batch::begin(Operation::Flush, Queue::Feeds, claimed.len());
        if trace.is_traced() {
            let ids: Vec<EventId> = claimed.iter().flat_map(|window| window.pending.members.keys().copied()).collect();
            match self.log.traceparents(&ids).await {
                Ok(traceparents) => traceparents.iter().for_each(|traceparent| trace.request(traceparent)),
                Err(error) => tracing::debug!(%error, "a flush is missing in the traces of its events"),
            }
        }
        trace
    }

    async fn flush_singly(
        &self,
        claimed: &[ClaimedWindow],
        on_failure: OnFailure,
        flushed: &mut Flushed,
    ) -> error::Result<()> {
        for (index, window) in claimed.iter().enumerate() {
            let alone = std::slice::from_ref(window);
            match self.write_claimed(alone).await {
                Ok(events) => {
                    self.store.commit(alone).await?;
                    flushed.windows += 1;
                    flushed.events += events;
                }
                Err(cardwire_domain::Error::Unavailable(why)) => {
                    self.store.release(&claimed[index..], ReleaseReason::Unavailable).await?;
                    flushed.away = Some(why);
                    break;
                }
                Err(error) => self.failed(window, &error, on_failure, flushed).await?,
            }
        }
        Ok(())
    }

    /// Books that a window failed alone: it is tried again, or its events become dead letters.
    async fn failed(
        &self,
        window: &ClaimedWindow,
        error: &cardwire_domain::Error,
        on_failure: OnFailure,
        flushed: &mut Flushed,
    ) -> error::Result<()> {
        let alone = std::slice::from_ref(window);
        let failures = window.failures + 1;
        tracing::warn!(key = %window.key(), %error, failures, "a window could not be written");
        metrics::counter!("cardwire_saga_flush_failures_total").increment(1);
        if on_failure == OnFailure::GiveBack {
            flushed.failed += 1;
            return self.store.release(alone, ReleaseReason::Unavailable).await;
        }
        let gives_up = failures >= self.settings.attempts;
        let verdict = if gives_up { Verdict::Reject } else { Verdict::Held };
        match self.book(window, error, verdict).await {
            Ok(dead) if gives_up => {
                tracing::error!(key = %window.key(), %error, events = dead, "gave a window up: its events are dead letters");
                metrics::counter!("cardwire_saga_dead_windows_total").increment(1);
                flushed.dead += 1;
                self.store.commit(alone).await
            }
            Ok(_) => {
                flushed.failed += 1;
                self.store.release(alone, ReleaseReason::Failed).await
            }
            Err(log) => {
                tracing::warn!(key = %window.key(), error = %log, "the failure cannot be booked yet; the window is tried again");
                flushed.failed += 1;
                self.store.release(alone, ReleaseReason::Unavailable).await
            }
        }
    }

    /// Books a failed attempt at each event of a window. Returns how many are dead letters now.
    async fn book(
        &self,
        window: &ClaimedWindow,
        error: &cardwire_domain::Error,
        verdict: Verdict,
    ) -> cardwire_events::Result<usize> {
        let failure = |id: &EventId| Failure { event_id: *id, error: error.to_string(), verdict };
        let failures: Vec<Failure> = window.pending.members.keys().map(failure).collect();
        let mut dead = 0;
        for portion in failures.chunks(WRITTEN_AT_ONCE) {
            dead += self.log.fail(Queue::Feeds, portion, &QueueSettings::of(Queue::Feeds)).await?.len();
        }
        Ok(dead)
    }

    /// Returns how many events took effect. When it fails, some may have: those are found to be owed no more.
    async fn write_claimed(&self, claimed: &[ClaimedWindow]) -> cardwire_domain::Result<usize> {
        let (mut events, mut held) = (0, 0);
        let mut portion: Vec<CollectedWindow> = Vec::new();
        for window in claimed {
            let mut members: Vec<&Member> = window.pending.members.values().collect();
            members.sort_unstable();
            for part in members.chunks(WRITTEN_AT_ONCE) {
                if held + part.len() > WRITTEN_AT_ONCE {
                    events += self.write(std::mem::take(&mut portion)).await?;
                    held = 0;
                }
                held += part.len();
                portion.push(window.pending.collected(part.iter().copied().cloned().collect()));
            }
        }
        Ok(events + self.write(portion).await?)
    }

    /// In a task of its own: a payload that panics is a failure like any other, and a caller that goes away does not cut a
    /// transaction short.
    async fn write(&self, windows: Vec<CollectedWindow>) -> cardwire_domain::Result<usize> {
        if windows.is_empty() {
            return Ok(0);
        }
        let accepted: Vec<Timestamp> =
            windows.iter().flat_map(|window| &window.members).map(|member| member.occurred_at).collect();
        let feed = self.feed.clone();
        let task = async move { feed.add_activities(&windows).await };
        match tokio::spawn(task.in_current_span()).await {
            Ok(Ok(taken)) => {
                // None: all of them were there already.
                if taken > 0 {
                    accepted.iter().for_each(|at| self.took.took_effect(Queue::Feeds, *at));
                }
                Ok(taken)
            }
            Ok(Err(error)) => Err(error),
            Err(error) if error.is_panic() => {
                Err(cardwire_domain::Error::Corrupt(format!("writing it panicked: {error}")))
            }
            Err(error) => Err(cardwire_domain::Error::Unavailable(error.to_string())),
        }
    }
}

#[async_trait]
impl WaitingRoom for CardCollectionSaga {
    async fn hold(&self, events: &[RecordedEvent]) -> cardwire_events::Result<HashSet<EventId>> {
        let events: Vec<PendingEvent> = events.iter().filter_map(PendingEvent::from_recorded).collect();
        let held = self.store.hold(&events).await?;
        Ok(events.iter().zip(held).filter(|(_, held)| *held).map(|(event, _)| event.member.event_id).collect())
    }
}
