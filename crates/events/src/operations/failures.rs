use cardwire_domain::EventId;
use jiff::Timestamp;

use crate::queue::Queue;

/// At most this many groups of failures are listed, largest first.
pub const MAX_GROUPS: usize = 100;

/// Events of one queue that failed with the same kind of error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureGroup {
    /// See [`crate::error_shape`].
    pub shape: String,
    /// Dead letters.
    pub dead: u64,
    /// Events that will be retried automatically.
    pub retrying: u64,
    /// When the first of them last failed, and the last one.
    pub first_at: Timestamp,
    pub last_at: Timestamp,
    /// The newest event, its error, and whether it is a dead letter.
    pub example: EventId,
    pub error: String,
    pub example_is_dead: bool,
}

impl FailureGroup {
    pub const fn count(&self) -> u64 {
        self.dead + self.retrying
    }
}

/// Increases from entry to entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RejectedId(pub i64);

/// A queue entry that is not an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedEntry {
    pub id: RejectedId,
    pub at: Timestamp,
    pub queue: Queue,
    /// The beginning of its text.
    pub raw: String,
    pub reason: String,
}
