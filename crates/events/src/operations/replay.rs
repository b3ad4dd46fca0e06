use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use cardwire_domain::{CardId, UserId};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::action::NewEntry;
use super::rebuild::RunLease;
use crate::envelope::{event_of, understood};
use crate::error::Result;
use crate::queue::{Queue, owed_to, routes};

/// A dry run stops counting here.
pub const MAX_COUNTED: u64 = 1_000_000;
/// At most this many replays are listed.
pub const MAX_REPLAYS: usize = 20;

/// Which events of the log go to which queue again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayOf {
    pub queue: Queue,
    /// Accepted at or after this time,
    pub from: Timestamp,
    /// and before it.
    pub until: Timestamp,
    /// The full type, such as `CardAddedToLibrary.v2`.
    pub kind: Option<String>,
    pub card_id: Option<CardId>,
    /// Who did it.
    pub person: Option<UserId>,
}

impl ReplayOf {
    /// Of all types, cards and people.
    pub const fn everything(queue: Queue, from: Timestamp, until: Timestamp) -> Self {
        Self { queue, from, until, kind: None, card_id: None, person: None }
    }

    /// Whether it covers all events of its period.
    pub const fn is_everything(&self) -> bool {
        self.kind.is_none() && self.card_id.is_none() && self.person.is_none()
    }

    /// Whether its period includes some of this UTC day.
    pub fn touches(&self, day: Date) -> bool {
        let in_utc = |at: Timestamp| at.to_zoned(TimeZone::UTC).date();
        // `until` itself is not.
        let last = self.until.checked_sub(SignedDuration::from_nanos(1)).unwrap_or(self.until);
        in_utc(self.from) <= day && day <= in_utc(last)
    }

    pub fn entry(&self) -> NewEntry {
        let Self { queue, from, until, kind, card_id, person } = self;
        let mut parameters = json!({ "from": from, "until": until });
        let parts = [
            ("type", kind.clone()),
            ("cardId", card_id.map(|id| id.to_string())),
            ("actorId", person.as_ref().map(ToString::to_string)),
        ];
        for (name, part) in parts {
            if let (Some(part), Some(parameters)) = (part, parameters.as_object_mut()) {
                parameters.insert(name.to_owned(), Value::String(part));
            }
        }
        NewEntry { action: "replay.start", queue: Some(*queue), target: None, parameters }
    }
}

/// Increases from replay to replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReplayId(pub i64);

impl fmt::Display for ReplayId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for ReplayId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// Sending events to a queue again, and the progress of that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    pub id: ReplayId,
    pub of: ReplayOf,
    pub requested_by: UserId,
    pub requested_at: Timestamp,
    /// `None`: no process has started it yet.
    pub started_at: Option<Timestamp>,
    /// Set even if it was cancelled or given up.
    pub finished_at: Option<Timestamp>,
    pub is_cancelled: bool,
    /// What could not be replayed, and why.
    pub error: Option<String>,
    /// Events that are done; days for analytics.
    pub done: u64,
    /// How many there were when it was requested; for events, at most [`MAX_COUNTED`].
    pub total: u64,
    /// The last day that is done, for analytics.
    pub after_day: Option<Date>,
}

impl Replay {
    pub fn cancel_entry(&self) -> NewEntry {
        NewEntry {
            action: "replay.cancel",
            queue: Some(self.of.queue),
            target: Some(self.id.to_string()),
            parameters: json!({}),
        }
    }
}

/// The result of a portion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owing {
    /// There may be more.
    More,
    /// That was the last.
    All,
    /// Somebody else runs it, or it was cancelled. Nothing was done.
    Lost,
}

/// Replays: at most one for each queue is unfinished. If its process is lost, another continues where it was.
#[async_trait]
pub trait Replays: Send + Sync {
    /// How many events a replay would cover, counting up to [`MAX_COUNTED`].
    async fn count(&self, of: &ReplayOf) -> Result<u64>;

    /// Requests a replay of so many events or days, unless one of its queue is unfinished, and records that in the same
    /// transaction. Returns the unfinished one, and whether it is new.
    async fn request_replay(&self, by: &UserId, of: &ReplayOf, total: u64) -> Result<(Replay, bool)>;

    /// The latest ones, newest first.
    async fn replays(&self, limit: usize) -> Result<Vec<Replay>>;

    /// Stops it. What was done stays. Recorded in the same transaction. False: it is finished, or there is none.
    async fn cancel_replay(&self, by: &UserId, id: ReplayId) -> Result<bool>;

    /// Takes an unfinished one for [`REBUILD_LEASE`](super::REBUILD_LEASE), unless somebody runs it.
    async fn claim_replay(&self, lease: RunLease) -> Result<Option<Replay>>;

    /// Looks at the next `limit` events of the log, and owes the selected ones to the queue again. Events that are owed
    /// already, or are dead letters, stay as they are. One transaction also stores the progress and takes the replay
    /// for another lease.
    async fn owe_again(&self, lease: RunLease, id: ReplayId, limit: usize) -> Result<Owing>;

    /// Stores that another day is done, or nothing new, and takes it for another lease. False: somebody else runs it,
    /// or it was cancelled.
    async fn advance_replay(&self, lease: RunLease, replay: &Replay) -> Result<bool>;

    /// It is done, or was given up because of an error. Without an error, that of `advance_replay` stays. False:
    /// somebody else runs it.
    async fn finish_replay(&self, lease: RunLease, id: ReplayId, error: Option<&str>) -> Result<bool>;
}

/// The types of events, in every version, that go to this queue; and those of them that go to it only if they are news.
pub fn kinds_to(queue: Queue) -> (Vec<&'static str>, Vec<&'static str>) {
    let (mut kinds, mut news) = (Vec::new(), Vec::new());
    for kind in understood() {
        let Ok(event) = event_of(kind, sample()) else { continue };
        if routes(&event).contains(&queue) {
            kinds.push(kind);
            if !owed_to(&event, true).any(|owed| owed == queue) {
                news.push(kind);
            }
        }
    }
    (kinds, news)
}

/// Has the data of any type of event; unneeded fields are ignored.
fn sample() -> Value {
    let id = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    json!({
        "cardId": id, "linkId": id, "collectionId": id, "actorId": "did:plc:somebody", "visibility": "PUBLIC",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_of_event_has_its_queues() {
        for kind in understood() {
            assert!(event_of(kind, sample()).is_ok(), "{kind} needs more data");
            assert!(Queue::ALL.into_iter().any(|queue| kinds_to(queue).0.contains(&kind)), "{kind} goes nowhere");
        }
    }

    #[test]
    fn only_the_feed_is_told_of_news_alone() {
        for queue in Queue::ALL {
            let (kinds, news) = kinds_to(queue);
            assert!(news.iter().all(|kind| kinds.contains(kind)), "{queue}");
            assert_eq!(news.is_empty(), queue != Queue::Feeds, "{queue}: {news:?}");
        }
        let (_, news) = kinds_to(Queue::Feeds);
        for kind in ["CardAddedToLibrary.v1", "CardAddedToLibrary.v2", "CardAddedToCollection.v2"] {
            assert!(news.contains(&kind), "{kind}");
        }
        assert!(!news.contains(&"CardRemovedFromLibrary.v1"));
    }
}
