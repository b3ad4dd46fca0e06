//! The event log: what happened, and to which queue each event is still owed.
//!
//! A *delivery* is a row (queue, event). While it exists the queue is owed the event. The transaction that writes the
//! event's effect deletes it. It is outbox, ledger and dead letter at once. Only the transaction that accepts the
//! events creates deliveries.
//!
//! A delivery is *born published*: the process that commits an event publishes it from memory, and the delivery gets a
//! time, some seconds ahead, at which a relay checks it. So a healthy event costs one insert and one delete. If
//! anything goes wrong, a relay finds the delivery once it is due.

use std::time::Duration;

use async_trait::async_trait;
use cardwire_domain::EventId;
use jiff::Timestamp;

use crate::dead_letter::{DeadLetter, DeadSelection};
use crate::envelope::Envelope;
use crate::error::Result;
use crate::queue::{Queue, QueueSettings};

/// A delivery that was born published is checked this long after its commit. Longer than a healthy event takes,
/// including its window.
pub const FIRST_LOOK_AFTER: Duration = Duration::from_secs(10);
/// After a relay published a due delivery, it is checked again after this time, which doubles with each copy.
pub const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(30);
/// The wait stops doubling here.
pub const LOOK_AGAIN_AT_MOST: Duration = Duration::from_secs(3_600);
/// An event that has left its queue counts as lost only after this time.
pub const AT_WORK: Duration = Duration::from_secs(10);

/// A delivery is postponed by this at most if its event seems to be in the queue still. What the queue says may be
/// wrong.
pub const PUT_OFF_AT_MOST: Duration = Duration::from_secs(60);
/// How long events wait that could not be published. A queue may have taken part of them.
pub const GIVEN_BACK_FOR: Duration = Duration::from_secs(2);

/// An event on its way to one queue.
#[derive(Clone, Debug)]
pub struct Owed {
    pub queue: Queue,
    pub envelope: Envelope,
}

/// The result of a look.
#[derive(Clone, Debug, Default)]
pub struct Due {
    /// To be published, oldest first.
    pub events: Vec<Owed>,
    /// How many of those were published before.
    pub again: usize,
    /// Due as well, but postponed, since these events should still be in the queue or with a worker.
    pub put_off: usize,
    /// Everything that was due.
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
    /// Its holder tries again and decides when to give up. The event stays where it is, even if it fails many times.
    Held,
    /// Dead at once.
    Reject,
}

/// The error of an event whose worker was lost in a counted attempt.
pub const WORKER_LOST: &str = "its worker was lost";
/// The error of an event that had no attempt left and never failed.
pub const NO_ATTEMPT_LEFT: &str = "it has no attempt left";

/// Counts failed attempts and dead letters. Only event logs use it, because only they know how a failure ended.
pub fn count_failures(queue: Queue, failed: usize, dead: usize) {
    metrics::counter!("cardwire_events_failed_total", "queue" => queue.name()).increment(failed as u64);
    metrics::counter!("cardwire_dead_letters_total", "queue" => queue.name()).increment(dead as u64);
}

/// Whether to run an event that may kill its worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// Counted: run it alone.
    Run,
    /// It used up its attempts without ever coming back, and is a dead letter now.
    Dead,
    /// No longer owed.
    Gone,
}

/// What the log still owes one queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backlog {
    pub queue: Queue,
    /// All except dead letters.
    pub owed: u64,
    /// Those of `owed` that are known not to be in the queue.
    pub unpublished: u64,
    pub dead: u64,
    /// When the oldest owed event occurred.
    pub oldest: Option<Timestamp>,
}

/// The tries of a dead letter are the failed attempts since it was last redriven, for any cause of death. Its steps,
/// the queue's [history](crate::WorkHistory) and [`count_failures`] agree on that number.
#[async_trait]
pub trait EventLog: Send + Sync {
    /// Up to `limit` events that are owed to the queue and due, longest due first. They are postponed by
    /// [`LOOK_AGAIN_AFTER`], so no two callers get the same event; the caller publishes them.
    ///
    /// `waiting_since` is when the oldest entry that still waits in the queue occurred. Events published since, or less
    /// than [`AT_WORK`] before, must still be on their way. They are postponed until they have had as long, but by
    /// [`PUT_OFF_AT_MOST`] at most.
    async fn lease(&self, queue: Queue, limit: usize, waiting_since: Option<Timestamp>) -> Result<Due>;

    /// These could not be published: they are due again after [`GIVEN_BACK_FOR`].
    async fn give_back(&self, queue: Queue, ids: &[EventId]) -> Result<()>;

    /// The events with these ids as they were accepted, in no order; unknown ids are left out. A queue only carries
    /// copies, which may have been altered on the way.
    async fn look_up(&self, ids: &[EventId]) -> Result<Vec<Envelope>>;

    /// Takes events off the ledger that have no effect in this queue. Returns how many were still owed.
    async fn settle(&self, queue: Queue, ids: &[EventId]) -> Result<u64>;

    /// Counts an attempt before it is made. If an earlier one was begun and has not ended, it has failed: its worker
    /// was lost.
    async fn begin_attempt(&self, queue: Queue, id: EventId, settings: &QueueSettings) -> Result<Attempt>;

    /// Takes back the attempt that was begun: a service was unavailable, which is not the event's fault.
    async fn undo_attempt(&self, queue: Queue, id: EventId) -> Result<()>;

    /// Records failures, one for each event. Each ends the attempt that [`begin_attempt`](Self::begin_attempt) counted,
    /// or counts as one itself. Returns the events that are dead letters now.
    async fn fail(&self, queue: Queue, failures: &[Failure], settings: &QueueSettings) -> Result<Vec<EventId>>;

    /// Keeps an entry that is not an event, for somebody to look at.
    async fn reject_entry(&self, queue: Queue, raw: &str, reason: &str) -> Result<()>;

    /// Dead letters in the order of their ids, after `after`.
    async fn dead_letters(&self, queue: Queue, after: Option<EventId>, limit: usize) -> Result<Vec<DeadLetter>>;

    /// Puts dead letters back into their queue, with all their attempts restored. Returns how many.
    async fn redrive(&self, queue: Queue, which: &DeadSelection) -> Result<u64>;

    /// Gives dead letters up for good. Returns how many.
    async fn discard(&self, queue: Queue, which: &DeadSelection) -> Result<u64>;

    async fn backlog(&self) -> Result<Vec<Backlog>>;

    /// The trace contexts of these events, each once. Called only while traces are collected.
    async fn traceparents(&self, ids: &[EventId]) -> Result<Vec<String>>;

    /// Deletes events older than `keep` that are owed to no queue. Returns how many.
    async fn prune(&self, keep: Duration) -> Result<u64>;
}
