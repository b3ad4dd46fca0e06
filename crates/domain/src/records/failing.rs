//! For whom nothing can be published, as operators see it.

use jiff::Timestamp;

use super::PublishingState;
use crate::ids::UserId;

/// Everybody for whom publishing fails and is tried again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FailingTotals {
    pub people: u64,
    /// Changes of theirs that are not published yet.
    pub waiting: u64,
}

/// Somebody whose changes are not published at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailingPerson {
    pub person: UserId,
    /// Whose repository it is.
    pub did: String,
    /// The origin of their server. `None`: the repository is a stand-in.
    pub service: Option<String>,
    pub state: PublishingState,
    pub reason: Option<String>,
    /// Since when nothing could be published.
    pub since: Option<Timestamp>,
    /// Failed attempts in a row.
    pub attempts: u32,
    /// When it is tried again. `None`: it is not, or it is being tried.
    pub paused_until: Option<Timestamp>,
    /// Changes that are not published yet.
    pub waiting: u64,
}
