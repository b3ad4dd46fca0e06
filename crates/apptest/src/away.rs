//! Servers that are away, behind every port of the operators' API.

use std::time::Duration;

use async_trait::async_trait;
use cardwire_domain::{EventId, UserId};
use cardwire_events::latency::Histogram;
use cardwire_events::operations::{
    DeadLetterWay, DoneBy, FailureGroup, Gauges, NewEntry, Owing, Rebuild, RebuildId, RejectedEntry, RejectedId,
    Replay, ReplayId, ReplayOf, RunLease, Sample, Took, WorkerSample,
};
use cardwire_events::{
    Action, Attempt, AuditEntry, AuditId, Backlog, Claim, DeadFilter, DeadLetter, DeadSelection, Depth, Due, Envelope,
    Error, EventLog, EventSubscriber, Failure, Operator, Pause, Queue, QueueSettings, Rebuilds, Replays, Result,
    WorkHistory, WorkerId, WorkerInfo, WorkerRegistry,
};
use cardwire_saga::{ClaimedWindow, OpenWindow, PendingEvent, Place, ReleaseReason, SagaKey, SagaStateStore};
use jiff::Timestamp;

#[derive(Clone, Copy)]
pub enum Away {
    Refusing,
    Hanging,
}

impl Away {
    async fn fail<T>(self) -> Result<T> {
        match self {
            Self::Refusing => Err(Error::Unavailable("server", "db.internal refused the connection".into())),
            Self::Hanging => std::future::pending().await,
        }
    }

    async fn fail_saga<T>(self) -> cardwire_saga::Result<T> {
        self.fail().await.map_err(|error| cardwire_saga::Error::Unavailable(error.to_string()))
    }
}

#[async_trait]
impl EventSubscriber for Away {
    async fn claim(&self, _: usize) -> Result<Option<Claim>> {
        Away::fail(*self).await
    }
    async fn ack(&self, _: &Claim) -> Result<()> {
        Away::fail(*self).await
    }
    async fn release(&self, _: &Claim) -> Result<()> {
        Away::fail(*self).await
    }
    async fn renew(&self, _: &Claim) -> Result<bool> {
        Away::fail(*self).await
    }
    async fn reclaim(&self) -> Result<usize> {
        Away::fail(*self).await
    }
    async fn wait(&self) -> Result<()> {
        Away::fail(*self).await
    }
    async fn depth(&self) -> Result<Depth> {
        Away::fail(*self).await
    }
}

#[async_trait]
impl WorkerRegistry for Away {
    async fn beat(&self, _: &WorkerInfo) -> Result<()> {
        Away::fail(*self).await
    }
    async fn leave(&self, _: Queue, _: WorkerId) -> Result<()> {
        Away::fail(*self).await
    }
    async fn list(&self) -> Result<Vec<WorkerInfo>> {
        Away::fail(*self).await
    }
}

#[async_trait]
impl EventLog for Away {
    async fn lease(&self, _: Queue, _: usize, _: Option<Timestamp>) -> Result<Due> {
        Away::fail(*self).await
    }
    async fn give_back(&self, _: Queue, _: &[EventId]) -> Result<()> {
        Away::fail(*self).await
    }
    async fn look_up(&self, _: &[EventId]) -> Result<Vec<Envelope>> {
        Away::fail(*self).await
    }
    async fn settle(&self, _: Queue, _: &[EventId]) -> Result<u64> {
        Away::fail(*self).await
    }
    async fn begin_attempt(&self, _: Queue, _: EventId, _: &QueueSettings) -> Result<Attempt> {
        Away::fail(*self).await
    }
    async fn undo_attempt(&self, _: Queue, _: EventId) -> Result<()> {
        Away::fail(*self).await
    }
    async fn fail(&self, _: Queue, _: &[Failure], _: &QueueSettings) -> Result<Vec<EventId>> {
        Away::fail(*self).await
    }
    async fn reject_entry(&self, _: Queue, _: &str, _: &str) -> Result<()> {
        Away::fail(*self).await
    }
    async fn dead_letters(&self, _: Queue, _: Option<EventId>, _: usize) -> Result<Vec<DeadLetter>> {
        Away::fail(*self).await
    }
    async fn redrive(&self, _: Queue, _: &DeadSelection) -> Result<u64> {
        Away::fail(*self).await
    }
    async fn discard(&self, _: Queue, _: &DeadSelection) -> Result<u64> {
        Away::fail(*self).await
    }
    async fn backlog(&self) -> Result<Vec<Backlog>> {
        Away::fail(*self).await
    }
    async fn traceparents(&self, _: &[EventId]) -> Result<Vec<String>> {
        Away::fail(*self).await
    }
    async fn prune(&self, _: Duration) -> Result<u64> {
        Away::fail(*self).await
    }
}

#[async_trait]
impl SagaStateStore for Away {
    async fn merge(&self, _: &[PendingEvent]) -> cardwire_saga::Result<bool> {
        Away::fail_saga(*self).await
    }
    async fn claim_due(&self, _: usize) -> cardwire_saga::Result<Vec<ClaimedWindow>> {
        Away::fail_saga(*self).await
    }
    async fn claim_all(&self, _: usize) -> cardwire_saga::Result<Vec<ClaimedWindow>> {
        Away::fail_saga(*self).await
    }
    async fn commit(&self, _: &[ClaimedWindow]) -> cardwire_saga::Result<()> {
        Away::fail_saga(*self).await
    }
    async fn release(&self, _: &[ClaimedWindow], _: ReleaseReason) -> cardwire_saga::Result<()> {
        Away::fail_saga(*self).await
    }
    async fn open(&self, _: Option<&Place>, _: usize) -> cardwire_saga::Result<Vec<OpenWindow>> {
        Away::fail_saga(*self).await
    }
    async fn hold(&self, _: &[PendingEvent]) -> cardwire_saga::Result<Vec<bool>> {
        Away::fail_saga(*self).await
    }
    async fn flush_now(&self, _: &SagaKey) -> cardwire_saga::Result<bool> {
        Away::fail_saga(*self).await
    }
    async fn open_count(&self) -> cardwire_saga::Result<u64> {
        Away::fail_saga(*self).await
    }
    async fn next_due(&self) -> cardwire_saga::Result<Option<Duration>> {
        Away::fail_saga(*self).await
    }
}

#[async_trait]
impl Operator for Away {
    async fn act(&self, _: &UserId, _: &Action) -> Result<u64> {
        Away::fail(*self).await
    }
    async fn begin(&self, _: &DoneBy, _: &NewEntry) -> Result<AuditId> {
        Away::fail(*self).await
    }
    async fn complete(&self, _: AuditId, _: u64) -> Result<()> {
        Away::fail(*self).await
    }
    async fn audit(&self, _: Option<AuditId>, _: usize) -> Result<Vec<AuditEntry>> {
        Away::fail(*self).await
    }
    async fn matching(&self, _: Queue, _: &DeadFilter, _: Option<EventId>, _: usize) -> Result<Vec<DeadLetter>> {
        Away::fail(*self).await
    }
    async fn count_matching(&self, _: Queue, _: &DeadFilter) -> Result<u64> {
        Away::fail(*self).await
    }
    async fn way(&self, _: Queue, _: EventId) -> Result<Option<DeadLetterWay>> {
        Away::fail(*self).await
    }
    async fn pauses(&self) -> Result<Vec<Pause>> {
        Away::fail(*self).await
    }
    async fn failures(&self, _: Queue) -> Result<Vec<FailureGroup>> {
        Away::fail(*self).await
    }
    async fn count_group(&self, _: Queue, _: &str) -> Result<u64> {
        Away::fail(*self).await
    }
    async fn rejected(&self, _: Option<Queue>, _: Option<RejectedId>, _: usize) -> Result<Vec<RejectedEntry>> {
        Away::fail(*self).await
    }
}

#[async_trait]
impl Replays for Away {
    async fn count(&self, _: &ReplayOf) -> Result<u64> {
        Away::fail(*self).await
    }
    async fn request_replay(&self, _: &UserId, _: &ReplayOf, _: u64) -> Result<(Replay, bool)> {
        Away::fail(*self).await
    }
    async fn replays(&self, _: usize) -> Result<Vec<Replay>> {
        Away::fail(*self).await
    }
    async fn cancel_replay(&self, _: &UserId, _: ReplayId) -> Result<bool> {
        Away::fail(*self).await
    }
    async fn claim_replay(&self, _: RunLease) -> Result<Option<Replay>> {
        Away::fail(*self).await
    }
    async fn owe_again(&self, _: RunLease, _: ReplayId, _: usize) -> Result<Owing> {
        Away::fail(*self).await
    }
    async fn advance_replay(&self, _: RunLease, _: &Replay) -> Result<bool> {
        Away::fail(*self).await
    }
    async fn finish_replay(&self, _: RunLease, _: ReplayId, _: Option<&str>) -> Result<bool> {
        Away::fail(*self).await
    }
}

#[async_trait]
impl WorkHistory for Away {
    async fn add_work(&self, _: Queue, _: u64, _: u64) -> Result<()> {
        Away::fail(*self).await
    }
    async fn take_turn(&self) -> Result<Option<Timestamp>> {
        Away::fail(*self).await
    }
    async fn keep(&self, _: Timestamp, _: &[Gauges]) -> Result<()> {
        Away::fail(*self).await
    }
    async fn history(&self, _: Queue, _: Duration, _: u32) -> Result<Vec<Sample>> {
        Away::fail(*self).await
    }
    async fn add_latencies(&self, _: Queue, _: &Histogram) -> Result<()> {
        Away::fail(*self).await
    }
    async fn latencies(&self, _: Queue, _: Duration, _: u32) -> Result<Vec<Took>> {
        Away::fail(*self).await
    }
    async fn keep_workers(&self, _: Timestamp, _: &[WorkerInfo]) -> Result<()> {
        Away::fail(*self).await
    }
    async fn worker_history(&self, _: Duration, _: u32) -> Result<Vec<WorkerSample>> {
        Away::fail(*self).await
    }
}

#[async_trait]
impl Rebuilds for Away {
    async fn request(&self, _: &UserId) -> Result<(Rebuild, bool)> {
        Away::fail(*self).await
    }
    async fn latest(&self) -> Result<Option<Rebuild>> {
        Away::fail(*self).await
    }
    async fn claim(&self, _: RunLease) -> Result<Option<Rebuild>> {
        Away::fail(*self).await
    }
    async fn advance(&self, _: RunLease, _: &Rebuild) -> Result<bool> {
        Away::fail(*self).await
    }
    async fn finish(&self, _: RunLease, _: RebuildId, _: Option<&str>) -> Result<bool> {
        Away::fail(*self).await
    }
}
