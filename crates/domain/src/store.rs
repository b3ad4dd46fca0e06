//! The port through which use cases read and change what is stored.

use async_trait::async_trait;

use crate::card::{Card, CollectionLink};
use crate::collection::Collection;
use crate::error::{Error, Result};
use crate::event::DomainEvent;
use crate::ids::{CardId, CollectionId, ImportId, LinkId, UserId};
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
    DeleteCollection(CollectionId),
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

/// What an answer is kept under, for one person. Clients choose theirs freely; ours hold a space, which theirs cannot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    const MAX_LEN: usize = 255;

    /// One that a client chose.
    pub fn of_client(text: &str) -> Result<Self> {
        if (1..=Self::MAX_LEN).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Error::invalid("Idempotency-Key", "must be 1 to 255 visible ASCII characters"))
        }
    }

    /// Of a form of our pages, by a digest of what it asks.
    pub fn of_form(digest: &str) -> Self {
        Self(format!("page {digest}"))
    }

    /// Of these rows of an import, which are saved together.
    pub fn of_rows(import: ImportId, first: u32, last: u32) -> Self {
        Self(format!("import {import} {first}-{last}"))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A client's promise that a request is the same one again, and its proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    pub key: IdempotencyKey,
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
    async fn recall(&mut self, person: &UserId, key: &IdempotencyKey) -> Result<Option<Recall>>;
    async fn card(&mut self, id: CardId) -> Result<Option<Card>>;
    /// Whether there is or was such a card. Unlike [`Self::card`] it does not have to hold on to somebody else's card.
    async fn card_exists(&mut self, id: CardId) -> Result<bool> {
        Ok(self.card(id).await?.is_some())
    }
    async fn card_by_url(&mut self, owner: &UserId, normalised_url: &str) -> Result<Option<Card>>;
    /// In the order of `ids`; unknown ones are left out.
    async fn collections(&mut self, ids: &[CollectionId]) -> Result<Vec<Collection>>;
    /// Every card that is in the collection.
    async fn cards_in(&mut self, id: CollectionId) -> Result<Vec<Card>>;
    /// Rows, events, deliveries and the kept answer, in one commit.
    async fn commit(self: Box<Self>, changes: Changes) -> Result<()>;
}
