//! How far publishing has come, for one person and for everybody, and for whom it fails.

use std::time::Duration;

use jiff::Timestamp;

use crate::ids::UserId;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublishingState {
    Ok,
    /// The server asked to wait, or the budget is used up.
    Limited,
    Failing,
    /// Nothing is published until its owner connects again.
    Ended,
}

impl PublishingState {
    pub const ALL: [Self; 4] = [Self::Ok, Self::Limited, Self::Failing, Self::Ended];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Limited => "limited",
            Self::Failing => "failing",
            Self::Ended => "ended",
        }
    }
}

/// How far publishing has come for one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordCounts {
    pub did: String,
    pub state: PublishingState,
    pub last_error: Option<String>,
    pub published: u64,
    pub waiting: u64,
    /// Until when nothing is sent.
    pub paused_until: Option<Timestamp>,
    /// About how long the rest takes.
    pub rest: Duration,
}

/// Everybody who has a repository.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordTotals {
    pub people: u64,
    /// Of them, those for whom publishing fails and is tried again. Whoever has to connect again is not counted.
    pub failing: u64,
    pub waiting: u64,
}

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
