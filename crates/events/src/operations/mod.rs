//! What operators see and do. Every action is written down with who did it, in the transaction of what it changes where that
//! is in the store.

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
pub use rebuild::{REBUILD_LEASE, Rebuild, RebuildId, RebuildLease, Rebuilds};
pub use replay::{MAX_COUNTED, MAX_REPLAYS, Owing, Replay, ReplayId, ReplayOf, Replays, kinds_to};
pub use step::{Step, StepKind};

use crate::dead_letter::{DeadFilter, DeadLetter};
use crate::error::Result;
use crate::queue::Queue;

/// A dead letter and the way it took.
#[derive(Clone, Debug)]
pub struct DeadLetterWay {
    pub letter: DeadLetter,
    pub accepted_at: Timestamp,
    /// When it was last published. `None`: it has not been since it last failed or was redriven.
    pub published_at: Option<Timestamp>,
    /// How often it was published again because it had no effect in time. Starts again at 0 with a redrive.
    pub sweeps: u32,
    /// What did not go as planned, oldest first: the last [`MAX_STEPS`].
    pub steps: Vec<Step>,
}

/// Of one event in one queue, this many steps are shown.
pub const MAX_STEPS: usize = 100;

/// The store, as operators use it.
#[async_trait]
pub trait Operator: Send + Sync {
    /// Carries an action out and writes it down. Returns how many events or queues it changed.
    ///
    /// What concerns very many events is done in portions, each a transaction that counts what it changed: if the process dies in
    /// between, the entry tells how many were changed, and that it did not come to its end. Running it again finishes it.
    async fn act(&self, by: &UserId, action: &Action) -> Result<u64>;

    /// Writes an action down that is carried out elsewhere, before it is.
    async fn begin(&self, by: &DoneBy, entry: &NewEntry) -> Result<AuditId>;

    /// An action that was begun came to its end.
    async fn complete(&self, id: AuditId, affected: u64) -> Result<()>;

    /// What was done, newest first, from before `before` on.
    async fn audit(&self, before: Option<AuditId>, limit: usize) -> Result<Vec<AuditEntry>>;

    /// Dead letters that match, in the order of their ids, behind `after`.
    async fn matching(
        &self,
        queue: Queue,
        filter: &DeadFilter,
        after: Option<EventId>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>>;

    async fn count_matching(&self, queue: Queue, filter: &DeadFilter) -> Result<u64>;

    /// Failures of a queue by the shape of their errors: the [`MAX_GROUPS`] with the most events, those first.
    async fn failures(&self, queue: Queue) -> Result<Vec<FailureGroup>>;

    /// How many events are in the group of this shape.
    async fn count_group(&self, queue: Queue, shape: &str) -> Result<u64>;

    /// Entries of this queue, or of all, that are no events: newest first, from before `before` on.
    async fn rejected(
        &self,
        queue: Option<Queue>,
        before: Option<RejectedId>,
        limit: usize,
    ) -> Result<Vec<RejectedEntry>>;

    /// `None`: it is no dead letter of the queue.
    async fn way(&self, queue: Queue, id: EventId) -> Result<Option<DeadLetterWay>>;

    /// The queues that are paused, in the order of their names.
    async fn pauses(&self) -> Result<Vec<Pause>>;
}
