//! Where windows are kept until they are flushed.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::error::Result;
use crate::lock::OwnerToken;
use crate::pending::{InvalidKey, PendingActivity, PendingEvent, SagaKey};

/// A window of this many events is due at once.
pub const FULL_WINDOW: usize = 1_000;
/// No more windows are added to a claim that holds this many events.
pub const CLAIMED_EVENTS: usize = 10_000;
/// Of a larger window, so many events are claimed at once.
pub const CLAIMED_OF_ONE: usize = 40_000;
/// Of an open window, about so many events are shown; none when many as large come before it in the list.
pub const SHOWN_EVENTS: usize = 1_000;
/// A window of so many events is shown whole.
pub const SHOWN_WHOLE: usize = 100;

/// Counts windows that were due while another worker flushed them.
pub(crate) fn count_contended(windows: u64) {
    if windows > 0 {
        metrics::counter!("cardwire_saga_lock_contended_total").increment(windows);
    }
}

/// A window in the hands of one worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimedWindow {
    pub pending: PendingActivity,
    pub token: OwnerToken,
    /// How often its flush has failed so far.
    pub failures: u32,
    /// How long ago it was due; zero when it was claimed early.
    pub late: Duration,
    /// Names of entries that are no events of ours. They go with the next commit; the ledger still holds what they may
    /// have been.
    pub unreadable: Vec<Vec<u8>>,
}

impl ClaimedWindow {
    pub const fn key(&self) -> &SagaKey {
        &self.pending.key
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReleaseReason {
    /// Something it needs is away: due again after [`Timing::pause`](crate::Timing::pause), nothing is counted.
    Unavailable,
    /// Its flush failed: counted, due again after [`Timing::backoff_after`](crate::Timing::backoff_after).
    Failed,
}

/// A window as an administrator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenWindow {
    /// With all its events up to [`SHOWN_WHOLE`]; else about [`SHOWN_EVENTS`] at most, not always the earliest, perhaps none.
    pub pending: PendingActivity,
    /// How many events it holds.
    pub events: u64,
    pub due_at: Timestamp,
    /// A worker is flushing it.
    pub locked: bool,
    pub failures: u32,
}

impl OpenWindow {
    pub const fn key(&self) -> &SagaKey {
        &self.pending.key
    }

    pub fn place(&self) -> Place {
        Place { due_at: self.due_at, key: self.key().clone() }
    }
}

/// A place in the list of open windows. Written `{microseconds}-{key}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub due_at: Timestamp,
    pub key: SagaKey,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.due_at.as_microsecond(), self.key)
    }
}

impl FromStr for Place {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let parse = || {
            let (micros, key) = text.split_once('-')?;
            let due_at = Timestamp::from_microsecond(micros.parse().ok()?).ok()?;
            Some(Self { due_at, key: key.parse().ok()? })
        };
        parse().ok_or_else(|| InvalidKey(text.to_owned()))
    }
}

/// Keeps windows and when each is due, by its own clock. Every call may be repeated, and may be made by any process.
#[async_trait]
pub trait SagaStateStore: Send + Sync {
    /// Adds events to their windows; those that are there already change nothing. The first event of a window makes it due
    /// after [`Timing::window`](crate::Timing::window), the [`FULL_WINDOW`]th at once. True: a window became due at once.
    ///
    /// Each portion of 128 events of one partition is merged whole or not at all. Dropped: any of the portions may be merged.
    async fn merge(&self, events: &[PendingEvent]) -> Result<bool>;

    /// Which of these events wait in a window that will be due, in their order.
    async fn hold(&self, events: &[PendingEvent]) -> Result<Vec<bool>>;

    /// Up to `limit` due windows, longest due first, each locked by the same new token. They are due again when the lock
    /// expires, so if the caller dies or drops this future, another takes them then.
    async fn claim_due(&self, limit: usize) -> Result<Vec<ClaimedWindow>>;

    /// As [`claim_due`](Self::claim_due), but also what is not due yet.
    async fn claim_all(&self, limit: usize) -> Result<Vec<ClaimedWindow>>;

    /// Removes exactly the events that were read, once their effect is committed. Where something was merged meanwhile, the
    /// window stays and is due at once. Frees the lock if it is still the caller's.
    ///
    /// Dropped or failed: the windows are claimed again later, and their events found to be owed no more.
    async fn commit(&self, windows: &[ClaimedWindow]) -> Result<()>;

    /// Gives windows back. Does nothing to those whose lock was lost.
    async fn release(&self, windows: &[ClaimedWindow], reason: ReleaseReason) -> Result<()>;

    /// Up to `limit` windows behind `after`, soonest due first. One that is claimed or released between two pages moves.
    async fn open(&self, after: Option<&Place>, limit: usize) -> Result<Vec<OpenWindow>>;

    /// How many windows are open.
    async fn open_count(&self) -> Result<u64>;

    /// Makes a window due at once, unless it is being flushed just now. False: there is none.
    async fn flush_now(&self, key: &SagaKey) -> Result<bool>;

    /// How long until something is due: zero when something is, `None` when no window is open.
    async fn next_due(&self) -> Result<Option<Duration>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_they_are_written() {
        let text = "1800000000000001-01ARZ3NDEKTSV4RRFFQ69G5FAV-did:plc:a-b";
        assert_eq!(text.parse::<Place>().unwrap().to_string(), text);
        for text in ["", "1", "x-01ARZ3NDEKTSV4RRFFQ69G5FAV-did:plc:a", "5-x"] {
            assert!(text.parse::<Place>().is_err(), "{text:?}");
        }
    }
}
