use cardwire_domain::EventId;
use jiff::Timestamp;

use crate::queue::Queue;

/// How many groups of failures are listed at most: those with the most events.
pub const MAX_GROUPS: usize = 100;

/// Events of one queue that failed of the same kind of error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureGroup {
    /// See [`crate::error_shape`].
    pub shape: String,
    /// Dead letters.
    pub dead: u64,
    /// Events that will be tried again by themselves.
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

/// Rises from entry to entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RejectedId(pub i64);

/// What stood in a queue and is no event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedEntry {
    pub id: RejectedId,
    pub at: Timestamp,
    pub queue: Queue,
    /// Its beginning.
    pub raw: String,
    pub reason: String,
}
