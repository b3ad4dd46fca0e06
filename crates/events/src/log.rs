//! The event log: what happened, and to which queue each event is still owed.
//!
//! A *delivery* is a row (queue, event). While it exists the queue is owed the event; who brings about the event's effect
//! deletes it in the same transaction. It is outbox, ledger and dead letter at once. Deliveries are made only by the transaction that
//! accepts the events.
//!
//! A delivery is *born published*: the process that commits an event publishes it from memory, and the delivery has a time, some seconds
//! ahead, at which a relay checks on it. So a healthy event costs one insert and one delete. If anything goes wrong, a relay finds the delivery
//! once it is due.

use std::time::Duration;

use async_trait::async_trait;
use cardwire_domain::EventId;
use jiff::Timestamp;

use crate::dead_letter::{DeadLetter, DeadSelection};
use crate::envelope::Envelope;
use crate::error::Result;
use crate::queue::{Queue, QueueSettings};

/// How long after its commit a delivery that was born published is looked at. Longer than a healthy event takes, its window included.
pub const FIRST_LOOK_AFTER: Duration = Duration::from_secs(10);
/// How long after a relay found a delivery due and published it, it is looked at again; the wait doubles with each copy.
pub const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(30);
/// The wait stops doubling here.
pub const LOOK_AGAIN_AT_MOST: Duration = Duration::from_secs(3_600);
/// How long an event may be worked on after it has left its queue, before it is taken for lost.
pub const AT_WORK: Duration = Duration::from_secs(10);

/// The longest that a delivery is postponed because its event seems to be in the queue still. What the queue says may be wrong.
pub const PUT_OFF_AT_MOST: Duration = Duration::from_secs(60);
/// How long what could not be published waits. A queue may have taken part of it.
pub const GIVEN_BACK_FOR: Duration = Duration::from_secs(2);

/// An event on its way to one queue.
#[derive(Clone, Debug)]
pub struct Owed {
    pub queue: Queue,
    pub envelope: Envelope,
}

/// What a look found.
#[derive(Clone, Debug, Default)]
pub struct Due {
    /// To be published, oldest first.
    pub events: Vec<Owed>,
    /// Of those, published before.
    pub again: usize,
    /// Also due, but postponed, since these events should still be in the queue or with a worker.
    pub put_off: usize,
    /// All that was due.
    pub found: usize,
}

/// How an attempt at an event ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub event_id: EventId,
    pub error: String,
    pub verdict: Verdict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Again after a backoff, or dead after the last attempt.
    Retry,
    /// Its holder tries again and decides when to give up; the event stays where it is, however often it fails.
    Held,
    /// Dead at once.
    Reject,
}

/// What an event died of, or failed of, whose worker was lost in a counted attempt.
pub const WORKER_LOST: &str = "its worker was lost";
/// What an event died of that had no attempt left and never failed.
pub const NO_ATTEMPT_LEFT: &str = "it has no attempt left";

/// Counts failed attempts and dead letters. For event logs, which alone know what came of a failure; nobody else counts these.
pub fn count_failures(queue: Queue, failed: usize, dead: usize) {
    metrics::counter!("cardwire_events_failed_total", "queue" => queue.name()).increment(failed as u64);
    metrics::counter!("cardwire_dead_letters_total", "queue" => queue.name()).increment(dead as u64);
}

/// Whether an event that may kill its worker should be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// Counted: run it alone.
    Run,
    /// It used up its attempts without ever coming back; it is a dead letter now.
    Dead,
    /// Not owed any more.
    Gone,
}

/// What the log still owes to one queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backlog {
    pub queue: Queue,
    /// All but dead letters.
    pub owed: u64,
    /// Of those, known not to be in the queue.
    pub unpublished: u64,
    pub dead: u64,
    /// When the oldest owed event occurred.
    pub oldest: Option<Timestamp>,
}

/// Whatever an event dies of, its tries are the failed attempts since it was last redriven. Its steps, the queue's
/// [history](crate::WorkHistory) and [`count_failures`] agree on that number.
#[async_trait]
pub trait EventLog: Send + Sync {
    /// Up to `limit` events that the queue is owed and whose time has come, those that are due longest first. Their time is put off by
    /// [`LOOK_AGAIN_AFTER`], so no two callers get the same one; the caller publishes them.
    ///
    /// `waiting_since` is when the oldest entry occurred that still waits in the queue. What was published since, or less than
    /// [`AT_WORK`] before, must still be on its way: it is put off until it has had as long, and by [`PUT_OFF_AT_MOST`].
    async fn lease(&self, queue: Queue, limit: usize, waiting_since: Option<Timestamp>) -> Result<Due>;

    /// These could not be published: they are due again after [`GIVEN_BACK_FOR`].
    async fn give_back(&self, queue: Queue, ids: &[EventId]) -> Result<()>;

    /// The events of these ids as they were accepted, in no order; unknown ids are left out. A queue only carries copies, which may
    /// have been altered on the way.
    async fn look_up(&self, ids: &[EventId]) -> Result<Vec<Envelope>>;

    /// Takes events off the ledger that have no effect in this queue. Returns how many were still owed.
    async fn settle(&self, queue: Queue, ids: &[EventId]) -> Result<u64>;

    /// Counts an attempt before it is made. One that was begun before and has not ended has failed: its worker was lost.
    async fn begin_attempt(&self, queue: Queue, id: EventId, settings: &QueueSettings) -> Result<Attempt>;

    /// Takes the attempt back that was begun: what the event needed was away, which is not its fault.
    async fn undo_attempt(&self, queue: Queue, id: EventId) -> Result<()>;

    /// Books failures, one for each event. Each ends the attempt that [`begin_attempt`](Self::begin_attempt) counted, or else counts as
    /// one. Returns the events that are dead letters now.
    async fn fail(&self, queue: Queue, failures: &[Failure], settings: &QueueSettings) -> Result<Vec<EventId>>;

    /// Keeps an entry that is no event, so that somebody can look at it.
    async fn reject_entry(&self, queue: Queue, raw: &str, reason: &str) -> Result<()>;

    /// Dead letters in the order of their ids, behind `after`.
    async fn dead_letters(&self, queue: Queue, after: Option<EventId>, limit: usize) -> Result<Vec<DeadLetter>>;

    /// Puts dead letters back into their queue, with all their attempts restored. Returns how many.
    async fn redrive(&self, queue: Queue, which: &DeadSelection) -> Result<u64>;

    /// Gives dead letters up for good. Returns how many.
    async fn discard(&self, queue: Queue, which: &DeadSelection) -> Result<u64>;

    async fn backlog(&self) -> Result<Vec<Backlog>>;

    /// The trace contexts that these events carry along, each once. Asked only while somebody collects traces.
    async fn traceparents(&self, ids: &[EventId]) -> Result<Vec<String>>;

    /// Drops events older than `keep` that are owed to nobody. Returns how many.
    async fn prune(&self, keep: Duration) -> Result<u64>;
}
