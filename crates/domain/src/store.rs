//! The port through which use cases read and change what is stored.

use async_trait::async_trait;

use crate::card::{Card, CollectionLink};
use crate::collection::Collection;
use crate::error::Result;
use crate::event::DomainEvent;
use crate::ids::{CardId, CollectionId, LinkId, UserId};
use crate::note::Note;

/// One row to write. A use case lists them in an order in which they can be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Only the card itself: links and note come as changes of their own.
    InsertCard(Card),
    SetNote {
        card_id: CardId,
        note: Option<Note>,
    },
    AddToLibrary {
        card_id: CardId,
        link_id: LinkId,
    },
    RemoveFromLibrary {
        card_id: CardId,
        link_id: LinkId,
    },
    AddToCollection {
        card_id: CardId,
        link: CollectionLink,
    },
    RemoveFromCollection {
        card_id: CardId,
        link_id: LinkId,
    },
    InsertCollection(Collection),
    /// Name, description, access and collaborators; the author never changes.
    UpdateCollection(Collection),
    /// It is gone for everybody. Its cards leave it afterwards: see [`crate::use_cases::let_cards_go`].
    DeleteCollection(CollectionId),
    /// What is left of a deleted collection that no card is in any more.
    ForgetCollection(CollectionId),
}

/// A collection that was deleted. No card comes in any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedCollection {
    pub id: CollectionId,
    pub author: UserId,
    /// The cards that are still in it, and their stays.
    pub links: Vec<(CardId, LinkId)>,
}

/// Everything a command changes: committed whole or not at all.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    pub rows: Vec<Change>,
    /// The store gives each an id and its time, and owes it to every queue of its route.
    pub events: Vec<DomainEvent>,
    pub remember: Option<Remember>,
    /// W3C trace context of the request, carried along by the events.
    pub traceparent: Option<String>,
}

/// A client's promise that a request is the same one again, and its proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    pub key: String,
    /// A digest of what was asked.
    pub fingerprint: String,
}

/// An answer to be kept for 24 hours.
#[derive(Clone, Debug)]
pub struct Remember {
    pub person: UserId,
    pub idempotency: Idempotency,
    pub answer: serde_json::Value,
}

/// An answer that was kept.
#[derive(Clone, Debug)]
pub struct Recall {
    pub fingerprint: String,
    pub answer: serde_json::Value,
}

#[async_trait]
pub trait Store: Send + Sync {
    async fn begin(&self) -> Result<Box<dyn Transaction>>;
    /// Whether the store answers.
    async fn ping(&self) -> Result<()>;
}

/// Reads belong together: what was read does not change before the commit, or the commit answers [`crate::Error::Stale`].
/// Dropping it changes nothing.
#[async_trait]
pub trait Transaction: Send {
    /// The answer kept under this key. Of several transactions with one key, one commits first and the others recall.
    async fn recall(&mut self, person: &UserId, key: &str) -> Result<Option<Recall>>;
    async fn card(&mut self, id: CardId) -> Result<Option<Card>>;
    /// Whether there is or was such a card. Unlike [`Self::card`] it does not have to hold on to somebody else's card.
    async fn card_exists(&mut self, id: CardId) -> Result<bool> {
        Ok(self.card(id).await?.is_some())
    }
    async fn card_by_url(&mut self, owner: &UserId, normalised_url: &str) -> Result<Option<Card>>;
    /// In the order of `ids`; unknown ones are left out.
    async fn collections(&mut self, ids: &[CollectionId]) -> Result<Vec<Collection>>;
    /// A deleted collection, with up to `limit` of the cards that still have to leave it. Nobody else gets the same one before the
    /// commit.
    async fn deleted_collection(&mut self, limit: usize) -> Result<Option<DeletedCollection>>;
    /// Rows, events, deliveries and the kept answer, in one commit.
    async fn commit(self: Box<Self>, changes: Changes) -> Result<()>;
}
