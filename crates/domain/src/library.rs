//! A person's library: the cards they keep.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::error::Result;
use crate::exports::{ExportedCard, Namesakes};
use crate::feed::{CardView, CollectionName};
use crate::ids::{CardId, CollectionId, UserId};
use crate::metadata::PageInfo;
use crate::note::Note;
use crate::page::{Page, PageRequest};
use crate::url::CardUrl;
use crate::user::User;

/// A card in a library as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LibraryCard {
    pub card: CardView,
    pub owner: User,
    /// What its owner calls it, if they call it anything.
    pub own_title: Option<String>,
    /// Only for the owner.
    pub note: Option<Note>,
    /// Those that the reader sees.
    pub collections: Vec<CollectionName>,
    /// What is known of the page behind the URL.
    pub page: PageInfo,
    /// When the card came into the library.
    pub added_at: Timestamp,
}

#[derive(Clone, Debug, Default)]
pub struct LibraryFilter {
    /// As [`crate::search::SearchQuery::is_in`] finds it in what the owner calls the card, in the title, names and description of the page, in the
    /// note and the URL. Words of cards that are neither new nor indexed are not found.
    pub text: Option<String>,
    /// Only cards in no collection that their owner sees.
    pub uncollected: bool,
}

/// Reads about libraries. Cards that are in no library do not exist here.
#[async_trait]
pub trait LibraryRepository: Send + Sync {
    /// Newest first by (added_at, id). As its owner sees it, with what is private and hidden.
    async fn library(&self, owner: &UserId, filter: &LibraryFilter, page: &PageRequest) -> Result<Page<LibraryCard>>;
    /// [`crate::Error::NotFound`] for somebody else's card that is private or hidden. The note is there only for `reader`'s own card.
    async fn library_card(&self, id: CardId, reader: Option<&UserId>) -> Result<LibraryCard>;
    /// As its owner sees it.
    async fn library_card_by_url(&self, owner: &UserId, url: &CardUrl) -> Result<Option<LibraryCard>>;
    /// All cards of a library, or those in any of these collections, as far as their owner sees them, in the order of the library.
    async fn exported(
        &self,
        owner: &UserId,
        collections: Option<&[CollectionId]>,
        page: &PageRequest,
    ) -> Result<Page<ExportedCard>>;
    /// The collections that cards of a library are in, as far as their owner sees them, by name: each name once, in the order of their bytes, up
    /// to `limit` behind `after`.
    async fn names_of_collections(&self, owner: &UserId, after: Option<&str>, limit: usize) -> Result<Vec<Namesakes>>;
}
