use std::time::Duration;

use async_trait::async_trait;
use cardwire_domain::metadata::FetchState;
use cardwire_domain::{ActivityId, CardId, EventId, UserId};
use jiff::Timestamp;

use super::step::Step;
use crate::envelope::Envelope;
use crate::error::Result;
use crate::queue::Queue;

/// An event's id contains the time of the process that made it. It may differ from the store's time stamp by this much.
pub const CLOCKS_DIFFER: Duration = Duration::from_secs(5);
/// Some events, such as removals, have times that no row of their card shows. This many of the newest events are
/// searched for them.
pub const LOOKED_THROUGH: usize = 5_000;

/// A card that somebody saved. Operators see no more of a private or hidden card than anybody else, so not its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundCard {
    pub id: CardId,
    pub owner: UserId,
    /// `None`: others do not see the card.
    pub url: Option<String>,
    pub created_at: Timestamp,
    /// `None`: it is in no library.
    pub library_at: Option<Timestamp>,
}

/// Everything that the store knows about one event. No row exists just for this.
#[derive(Clone, Debug)]
pub struct Track {
    pub envelope: Envelope,
    /// When the store accepted it.
    pub accepted_at: Timestamp,
    /// What is still owed, including dead letters.
    pub deliveries: Vec<DeliveryNow>,
    /// What did not go as planned, oldest first.
    pub steps: Vec<(Queue, Step)>,
    /// The activity that it is part of.
    pub activity: Option<Carrier>,
    /// The card that it is about, if that still exists.
    pub card: Option<WrittenTo>,
}

/// A delivery as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryNow {
    pub queue: Queue,
    /// When it is checked again.
    pub due_at: Timestamp,
    /// `None`: not since it was born, or it waits for another attempt.
    pub published_at: Option<Timestamp>,
    /// How often it was published again because its copy was lost.
    pub sweeps: u32,
    /// Failed attempts.
    pub tries: u32,
    pub dead_at: Option<Timestamp>,
    pub error: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carrier {
    pub id: ActivityId,
    /// When its first event occurred.
    pub created_at: Timestamp,
}

/// A card, and what was written because of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenTo {
    pub card: FoundCard,
    /// Whether it is in the search index.
    pub is_indexed: bool,
    /// The state of its page's fetch, and when that was last done. `None`: nobody has asked for it, or others do not
    /// see the card.
    pub page: Option<(FetchState, Option<Timestamp>)>,
}

/// Finds single events, for operators. It only reads data that is there anyway, and may be slow.
#[async_trait]
pub trait Finder: Send + Sync {
    /// Events about a card, newest first: those whose times are in its rows, those in activities, and those among the
    /// newest [`LOOKED_THROUGH`] of all.
    async fn events_of_card(&self, card: CardId, limit: usize) -> Result<Vec<Envelope>>;

    /// The events about the same card that were accepted together with this one, including itself, in the order of
    /// their ids. Empty: there is no such event, or no longer.
    async fn accepted_with(&self, event: EventId) -> Result<Vec<Envelope>>;

    /// Cards of a normalised URL that everybody sees, in the order of their ids.
    async fn cards_of_url(&self, normalised_url: &str, limit: usize) -> Result<Vec<FoundCard>>;

    /// What everybody can see of a person's library, newest first.
    async fn cards_of_person(&self, person: &UserId, limit: usize) -> Result<Vec<FoundCard>>;

    /// In the order of the ids; unknown ones are left out.
    async fn tracks(&self, events: &[EventId]) -> Result<Vec<Track>>;

    /// Number of owed events in each queue that were published again because their copies were lost. Queues without any
    /// are left out.
    async fn resent(&self) -> Result<Vec<(Queue, u64)>>;
}
