//! The port through which use cases read and change what is stored.

use std::num::NonZeroU32;
use std::time::Duration;

use async_trait::async_trait;

use crate::card::Card;
use crate::changes::{Changes, IdempotencyKey};
use crate::collection::Collection;
use crate::error::Result;
use crate::ids::{CardId, CollectionId, EventId, ImportId, LinkId, UserId};
use crate::imports::Fingerprint;
use crate::leaving::Stage;
use crate::membership::Invitee;
use crate::quotas::Quota;
use crate::url::CardUrl;

/// A collection that was deleted. No card comes in any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedCollection {
    pub id: CollectionId,
    pub author: UserId,
    /// The cards that are still in it, and their stays.
    pub links: Vec<(CardId, LinkId)>,
}

/// A card whose URL was read by earlier rules than [`CardUrl::RULES`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutdatedCard {
    pub id: CardId,
    pub owner: UserId,
    pub url: CardUrl,
}

/// Somebody whose account is being deleted.
#[derive(Clone, Debug)]
pub struct Leaver {
    pub person: UserId,
    pub stage: Stage,
    pub left: Left,
}

/// What is left of somebody, in the order in which it goes.
#[derive(Clone, Debug)]
pub enum Left {
    /// Some of their cards in the library, whatever the stage.
    Cards(Vec<Card>),
    /// Some of their collections that are not deleted, whatever the stage.
    Collections(Vec<CollectionId>),
    /// Collections that are deleted and still hold cards.
    Emptying,
    /// An event of theirs that a queue is owed.
    Owed { event: EventId, is_dead: bool },
    /// Up to this event no queue is owed one of theirs; the rest has not been looked through.
    Unknown { behind: EventId },
    /// Nothing that this stage waits for.
    Nothing,
}

/// An import that is being undone.
#[derive(Clone, Debug)]
pub struct UndoneImport {
    pub import: ImportId,
    /// Its rows up to this one are done.
    pub behind: u32,
    pub left: LeftToUndo,
}

/// What is left of an import that is being undone, in the order in which it goes.
#[derive(Clone, Debug)]
pub enum LeftToUndo {
    /// Cards that its next rows made.
    Cards(Vec<MadeCard>),
    /// Collections that it made and in which no card is.
    Collections(Vec<CollectionId>),
    Nothing,
}

/// A card that a row of an import made.
#[derive(Clone, Debug)]
pub struct MadeCard {
    pub number: u32,
    /// As it is now. `None`: it is gone.
    pub card: Option<Card>,
    /// As the import left it.
    pub left_as: Option<Fingerprint>,
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
    /// Whether the store takes writes.
    async fn ping(&self) -> Result<()>;
}

/// Reads belong together: what was read does not change before the commit, or the commit answers [`crate::Error::Stale`].
/// Dropping it changes nothing.
#[async_trait]
pub trait Transaction: Send {
    /// The answer kept under this key. Of several transactions with one key, one commits first and the others recall.
    async fn recall(&mut self, person: &UserId, key: &IdempotencyKey) -> Result<Option<Recall>>;
    async fn card(&mut self, id: CardId) -> Result<Option<Card>>;
    /// Whether there is or was such a card that this person may see. Unlike [`Self::card`] it does not have to hold on to somebody else's
    /// card.
    async fn card_exists(&mut self, id: CardId, person: &UserId) -> Result<bool> {
        Ok(self.card(id).await?.is_some_and(|card| card.is_seen_by(person)))
    }
    /// The card with exactly this identity; [`crate::Error::Stale`] if it was given another one meanwhile.
    async fn card_by_url(&mut self, owner: &UserId, normalised_url: &str) -> Result<Option<Card>>;
    /// In the order of `ids`; unknown ones are left out.
    async fn collections(&mut self, ids: &[CollectionId]) -> Result<Vec<Collection>>;
    /// This author's collections with these names; of several with one name the first that was made.
    async fn collections_named(&mut self, author: &UserId, names: &[String]) -> Result<Vec<Collection>>;
    /// What bounds this author's invitations of these people, in any order.
    async fn invitees(&mut self, people: &[UserId], author: &UserId) -> Result<Vec<Invitee>>;
    /// The author's collections to which this person has an open invitation.
    async fn invitations(&mut self, person: &UserId, author: &UserId) -> Result<Vec<Collection>>;
    /// In how many collections this person collaborates.
    async fn collaborations(&mut self, person: &UserId) -> Result<usize>;
    /// A deleted collection, with up to `limit` of the cards that still have to leave it. Nobody else gets the same one before the
    /// commit.
    async fn deleted_collection(&mut self, limit: usize) -> Result<Option<DeletedCollection>>;
    /// Somebody whose account is being deleted, with up to `limit` of what comes next. Nobody else gets the same one before the commit.
    async fn leaver(&mut self, limit: usize) -> Result<Option<Leaver>>;
    /// Up to `limit` cards behind `after`, by their ids, whose URLs were read by earlier rules. Those of people who are leaving are not among them,
    /// and those that somebody else has at the moment need not be.
    async fn outdated_cards(&mut self, after: Option<CardId>, limit: usize) -> Result<Vec<OutdatedCard>>;
    /// An import that is being undone, with up to `limit` of what comes next. Nobody else gets the same one before the commit. Those of people
    /// who are leaving are let be.
    async fn undone_import(&mut self, limit: usize) -> Result<Option<UndoneImport>>;
    /// Whether this person added `most` of it or more within [`Quota::PERIOD`], and then how long until one of them stops counting.
    async fn used_up(&mut self, quota: Quota, person: &UserId, most: NonZeroU32) -> Result<Option<Duration>>;
    /// Rows, events, deliveries and the kept answer, in one commit.
    async fn commit(self: Box<Self>, changes: Changes) -> Result<()>;
}
