//! What happened, as the aggregates tell it. Routes, retries and wire forms belong to whoever carries it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{CardId, CollectionId, EventId, LinkId, UserId};
use crate::visibility::Visibility;

/// Carries ids, and who sees what was added; never the text of a note or title. The serde tag is the type on the wire, with its version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all_fields = "camelCase")]
pub enum DomainEvent {
    #[serde(rename = "CardAddedToLibrary.v2")]
    CardAddedToLibrary { card_id: CardId, actor_id: UserId, link_id: LinkId, visibility: Visibility },
    /// `visibility` is the card's; who sees the collection is up to the collection, which may change its mind.
    #[serde(rename = "CardAddedToCollection.v2")]
    CardAddedToCollection {
        card_id: CardId,
        actor_id: UserId,
        collection_id: CollectionId,
        link_id: LinkId,
        visibility: Visibility,
    },
    #[serde(rename = "CardRemovedFromLibrary.v1")]
    CardRemovedFromLibrary { card_id: CardId, actor_id: UserId, link_id: LinkId },
    #[serde(rename = "CardRemovedFromCollection.v1")]
    CardRemovedFromCollection { card_id: CardId, actor_id: UserId, collection_id: CollectionId, link_id: LinkId },
    /// Its owner changed the note, or what they call it.
    #[serde(rename = "CardNoteChanged.v1")]
    CardNoteChanged { card_id: CardId, actor_id: UserId },
    /// Its URL is spelled or identified otherwise than before, by other rules.
    #[serde(rename = "CardUrlChanged.v1")]
    CardUrlChanged { card_id: CardId, actor_id: UserId },
    #[serde(rename = "CollectionCreated.v1")]
    CollectionCreated { collection_id: CollectionId, actor_id: UserId },
    /// Nothing of the person is in a library or a collection any more, and nothing else of theirs is owed.
    #[serde(rename = "AccountDeleted.v1")]
    AccountDeleted { actor_id: UserId },
}

impl DomainEvent {
    pub fn actor_id(&self) -> &UserId {
        match self {
            Self::CardAddedToLibrary { actor_id, .. }
            | Self::CardAddedToCollection { actor_id, .. }
            | Self::CardRemovedFromLibrary { actor_id, .. }
            | Self::CardRemovedFromCollection { actor_id, .. }
            | Self::CardNoteChanged { actor_id, .. }
            | Self::CardUrlChanged { actor_id, .. }
            | Self::CollectionCreated { actor_id, .. }
            | Self::AccountDeleted { actor_id } => actor_id,
        }
    }

    /// The card the event is about; `None` for events about collections or people alone.
    pub fn card_id(&self) -> Option<CardId> {
        match self {
            Self::CardAddedToLibrary { card_id, .. }
            | Self::CardAddedToCollection { card_id, .. }
            | Self::CardRemovedFromLibrary { card_id, .. }
            | Self::CardRemovedFromCollection { card_id, .. }
            | Self::CardNoteChanged { card_id, .. }
            | Self::CardUrlChanged { card_id, .. } => Some(*card_id),
            Self::CollectionCreated { .. } | Self::AccountDeleted { .. } => None,
        }
    }

    /// The id of the card; where there is no card, of the collection; where there is neither, of the person.
    pub fn subject(&self) -> String {
        match self {
            Self::CollectionCreated { collection_id, .. } => collection_id.to_string(),
            Self::AccountDeleted { actor_id } => actor_id.to_string(),
            other => other.card_id().map(|id| id.to_string()).unwrap_or_default(),
        }
    }

    /// Events with the same key concern the same activity.
    pub fn partition_key(&self) -> String {
        format!("{}-{}", self.subject(), self.actor_id())
    }
}

/// An event the store has accepted: it has an id and the store's time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedEvent {
    pub id: EventId,
    pub occurred_at: Timestamp,
    pub event: DomainEvent,
}
