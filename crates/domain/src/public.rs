//! What everybody sees of people, of their collections and of who saved a link.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::error::Result;
use crate::feed::{CardView, CollectionName};
use crate::ids::{CollectionId, UserId};
use crate::page::{Page, PageRequest, Position};
use crate::url::CardUrl;
use crate::user::User;

/// Somebody with an account, as everybody sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    pub user: User,
    pub display_name: Option<String>,
    pub bio: Option<String>,
    /// Then nothing else of this is shown to anybody.
    pub is_suspended: bool,
    /// When the account was made.
    pub created_at: Timestamp,
}

/// How somebody is looked for.
#[derive(Clone, Copy, Debug)]
pub enum Named<'a> {
    /// In any case.
    Handle(&'a str),
    Id(&'a UserId),
}

/// A public collection in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedCollection {
    pub id: CollectionId,
    pub name: String,
    pub description: String,
    pub author: User,
    /// How many of its cards everybody sees.
    pub card_count: u64,
    /// When the newest of these cards was added, or when it was made.
    pub changed_at: Timestamp,
}

impl ListedCollection {
    pub fn place(&self) -> Position {
        Position { key: self.changed_at.as_microsecond(), id: self.id.to_string() }
    }
}

/// A card in somebody's library, with what its page says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedCard {
    pub card: CardView,
    pub owner: User,
    /// What the page calls itself, whatever the owner calls the card.
    pub page_title: Option<String>,
    pub description: Option<String>,
    /// Those that the reader sees.
    pub collections: Vec<CollectionName>,
    pub added_at: Timestamp,
}

impl SavedCard {
    pub fn place(&self) -> Position {
        Position { key: self.added_at.as_microsecond(), id: self.card.id.to_string() }
    }
}

/// A link that is often near another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelatedLink {
    pub url: String,
    pub title: Option<String>,
}

/// So many of those who saved a link, and of the collections it is in, are looked at for related links.
pub const RELATED_SOURCES: usize = 10;
/// So many links of each are looked at.
pub const RELATED_NEAR: usize = 30;
/// A link in the same collection counts as much as two that the same person saved.
pub const SAME_COLLECTION: i64 = 2;
pub const SAME_PERSON: i64 = 1;

/// Reads of what is public. An account that is being deleted is none, and people who are suspended are left out of lists.
#[async_trait]
pub trait PublicRepository: Send + Sync {
    async fn person(&self, name: Named<'_>) -> Result<Option<Person>>;
    /// The cards of a library that everybody sees, newest first by (added_at, id).
    async fn cards_of(&self, owner: &UserId, page: &PageRequest) -> Result<Page<SavedCard>>;
    /// Public collections, by the newest of their cards that everybody sees: all of one author, or everybody's that are not empty.
    async fn public_collections(&self, author: Option<&UserId>, page: &PageRequest) -> Result<Page<ListedCollection>>;
    /// The cards of a URL that the reader sees, in libraries, newest first by (added_at, id).
    async fn saved_by(&self, url: &CardUrl, reader: Option<&UserId>, page: &PageRequest) -> Result<Page<SavedCard>>;
    /// Other links that are public together with this one: in the same public collections, or saved by the same people. The most
    /// frequent first. Bounded: see [`RELATED_SOURCES`] and [`RELATED_NEAR`].
    async fn related(&self, url: &CardUrl, limit: usize) -> Result<Vec<RelatedLink>>;
}
