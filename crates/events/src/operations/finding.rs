use std::time::Duration;

use async_trait::async_trait;
use cardwire_domain::metadata::FetchState;
use cardwire_domain::{ActivityId, CardId, EventId, UserId};
use jiff::Timestamp;

use super::step::Step;
use crate::envelope::Envelope;
use crate::error::Result;
use crate::queue::Queue;

/// How far the id of an event, which has the time of the process that made it, may be from the time that the store stamped it with.
pub const CLOCKS_DIFFER: Duration = Duration::from_secs(5);
/// So many of the newest events are looked through for those whose time no row of their card tells, such as removals.
pub const LOOKED_THROUGH: usize = 5_000;

/// A card that somebody saved. An operator sees no more of a private or hidden one than anybody, so not its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundCard {
    pub id: CardId,
    pub owner: UserId,
    /// `None`: others do not see the card.
    pub url: Option<String>,
    pub created_at: Timestamp,
    /// `None`: it is in nobody's library.
    pub library_at: Option<Timestamp>,
}

/// Everything that the store knows about one event. No row of this is written for the sake of it.
#[derive(Clone, Debug)]
pub struct Track {
    pub envelope: Envelope,
    /// When the store accepted it.
    pub accepted_at: Timestamp,
    /// What is still owed, dead letters included.
    pub deliveries: Vec<DeliveryNow>,
    /// What went otherwise than planned, oldest first.
    pub steps: Vec<(Queue, Step)>,
    /// The activity that it is part of.
    pub activity: Option<Carrier>,
    /// The card that it is about, if there still is one.
    pub card: Option<WrittenTo>,
}

/// A delivery as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryNow {
    pub queue: Queue,
    /// When somebody looks at it again.
    pub due_at: Timestamp,
    /// `None`: as it was born, or it waits for another attempt.
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
    /// Whether search has a row of it.
    pub is_indexed: bool,
    /// What became of fetching its page, and when it was last fetched. `None`: nobody has asked for it, or others do not see the card.
    pub page: Option<(FetchState, Option<Timestamp>)>,
}

/// Where single events are. For operators; it reads what is there anyway, and may be slow.
#[async_trait]
pub trait Finder: Send + Sync {
    /// Events about a card, newest first: those whose times its rows tell, those in activities, and those among the newest
    /// [`LOOKED_THROUGH`] of all.
    async fn events_of_card(&self, card: CardId, limit: usize) -> Result<Vec<Envelope>>;

    /// The events that were accepted together with this one about the same card, itself included, in the order of their ids. Empty: there
    /// is no such event, or no longer.
    async fn accepted_with(&self, event: EventId) -> Result<Vec<Envelope>>;

    /// Cards of a normalised URL that everybody sees, by their ids.
    async fn cards_of_url(&self, normalised_url: &str, limit: usize) -> Result<Vec<FoundCard>>;

    /// What everybody sees of a person's library, newest first.
    async fn cards_of_person(&self, person: &UserId, limit: usize) -> Result<Vec<FoundCard>>;

    /// In the order of the ids; unknown ones are left out.
    async fn tracks(&self, events: &[EventId]) -> Result<Vec<Track>>;

    /// How many owed events each queue has whose copies were lost and that were published again; queues without any are left out.
    async fn resent(&self) -> Result<Vec<(Queue, u64)>>;
}
