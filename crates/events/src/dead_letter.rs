//! Dead letters, and which of them are meant.

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

/// Which dead letters are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeadSelection {
    All,
    Ids(Vec<EventId>),
    /// Those that nobody understood, of these types.
    NotUnderstood(Vec<String>),
    Matching(DeadFilter),
    /// Whatever failed of errors of this shape: dead letters, and events that would be tried again by themselves. See
    /// [`crate::error_shape`].
    Group(String),
}

/// What must be true of a dead letter; what is `None` matters not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeadFilter {
    /// Its type, whole: `CardAddedToLibrary.v2`.
    pub kind: Option<String>,
    /// Occurs in a text value of the event, whatever the case: an id, a person, a type.
    pub text: Option<String>,
    /// Occurs in what it died of, whatever the case.
    pub error: Option<String>,
}

impl DeadFilter {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
