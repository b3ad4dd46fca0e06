//! What operators see and do. Each action is recorded with the person who did it. If the change is in the store, both
//! are in one transaction.

mod action;
mod done_by;
mod failures;
mod finding;
mod history;
mod pauses;
mod rebuild;
mod replay;
mod step;

use async_trait::async_trait;
use cardwire_domain::{EventId, UserId};

pub use action::{Action, AuditEntry, AuditId, NewEntry};
pub use done_by::DoneBy;
pub use failures::{FailureGroup, MAX_GROUPS, RejectedEntry, RejectedId};
pub use finding::{CLOCKS_DIFFER, Carrier, DeliveryNow, Finder, FoundCard, LOOKED_THROUGH, Track, WrittenTo};
pub use history::{Gauges, KEEP_SAMPLES, SAMPLE_EVERY, Sample, Took, WorkHistory, WorkerSample};
use jiff::Timestamp;
pub use pauses::{Pause, Pauses};
pub use rebuild::{REBUILD_LEASE, Rebuild, RebuildId, Rebuilds, RunLease};
pub use replay::{MAX_COUNTED, MAX_REPLAYS, Owing, Replay, ReplayId, ReplayOf, Replays, kinds_to};
pub use step::{Step, StepKind};

use crate::dead_letter::{DeadFilter, DeadLetter};
use crate::error::Result;
use crate::queue::Queue;

/// A dead letter and its history.
#[derive(Clone, Debug)]
pub struct DeadLetterWay {
    pub letter: DeadLetter,
    pub accepted_at: Timestamp,
    /// When it was last published. `None`: not since it last failed or was redriven.
    pub published_at: Option<Timestamp>,
    /// How often it was published again because it had no effect in time. Starts again at 0 with a redrive.
    pub sweeps: u32,
    /// What did not go as planned, oldest first: the last [`MAX_STEPS`].
    pub steps: Vec<Step>,
}

/// At most this many steps are shown for one event in one queue.
pub const MAX_STEPS: usize = 100;

/// The store, for operators.
#[async_trait]
pub trait Operator: Send + Sync {
    /// Carries out an action and records it. Returns how many events or queues it changed.
    ///
    /// Large actions are done in portions, each a transaction that counts what it changed. If the process dies in
    /// between, the entry says how many were changed and that it did not finish. Running it again finishes it.
    async fn act(&self, by: &UserId, action: &Action) -> Result<u64>;

    /// Records an action that is carried out elsewhere, before it is.
    async fn begin(&self, by: &DoneBy, entry: &NewEntry) -> Result<AuditId>;

    /// An action that was begun has finished.
    async fn complete(&self, id: AuditId, affected: u64) -> Result<()>;

    /// What was done, newest first, before entry `before`.
    async fn audit(&self, before: Option<AuditId>, limit: usize) -> Result<Vec<AuditEntry>>;

    /// Dead letters that match, in the order of their ids, after `after`.
    async fn matching(
        &self,
        queue: Queue,
        filter: &DeadFilter,
        after: Option<EventId>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>>;

    async fn count_matching(&self, queue: Queue, filter: &DeadFilter) -> Result<u64>;

    /// Failures of a queue by the shape of their errors: the [`MAX_GROUPS`] largest groups, largest first.
    async fn failures(&self, queue: Queue) -> Result<Vec<FailureGroup>>;

    /// How many events are in the group of this shape.
    async fn count_group(&self, queue: Queue, shape: &str) -> Result<u64>;

    /// Entries of this queue, or of all, that are not events: newest first, before entry `before`.
    async fn rejected(
        &self,
        queue: Option<Queue>,
        before: Option<RejectedId>,
        limit: usize,
    ) -> Result<Vec<RejectedEntry>>;

    /// `None`: it is not a dead letter of the queue.
    async fn way(&self, queue: Queue, id: EventId) -> Result<Option<DeadLetterWay>>;

    /// The queues that are paused, in the order of their names.
    async fn pauses(&self) -> Result<Vec<Pause>>;
}
