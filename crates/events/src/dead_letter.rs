//! Dead letters, and selecting among them.

use cardwire_domain::EventId;
use jiff::Timestamp;

use crate::envelope::Envelope;
use crate::queue::Queue;

#[derive(Clone, Debug)]
pub struct DeadLetter {
    pub queue: Queue,
    pub envelope: Envelope,
    pub tries: u32,
    pub error: String,
    pub dead_at: Timestamp,
}

/// Which dead letters to act on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeadSelection {
    All,
    Ids(Vec<EventId>),
    /// Those of these types, which nobody understood.
    NotUnderstood(Vec<String>),
    Matching(DeadFilter),
    /// Everything that failed with errors of this shape: dead letters, and events that would be retried automatically.
    /// See [`crate::error_shape`].
    Group(String),
}

/// A filter for dead letters. `None` matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeadFilter {
    /// Its full type: `CardAddedToLibrary.v2`.
    pub kind: Option<String>,
    /// Occurs in a text value of the event, ignoring case: an id, a person, a type.
    pub text: Option<String>,
    /// Occurs in the last error, ignoring case.
    pub error: Option<String>,
}

impl DeadFilter {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
