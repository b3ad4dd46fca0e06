//! Finding cards of everybody's libraries.

mod query;
mod words;

use async_trait::async_trait;

use crate::error::Result;
use crate::event::RecordedEvent;
use crate::ids::{CardId, UserId};
use crate::metadata::PageKind;
use crate::page::{Page, PageRequest};
use crate::visibility::Visibility;

pub use query::{SearchQuery, Term};
pub use words::{is_near, tokens};

/// One URL, with the cards that hold it.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchHit {
    pub url: String,
    /// What the reader calls it; else, if it is found by what the owner of a card calls it, that; else the page's, or, where it has none, that of
    /// the oldest card that the reader sees.
    pub title: Option<String>,
    pub description: Option<String>,
    pub kind: Option<PageKind>,
    /// The oldest that the reader sees, up to [`MAX_HIT_CARDS`].
    pub card_ids: Vec<CardId>,
    /// Private if the reader keeps the URL and their own card is private.
    pub visibility: Visibility,
    /// Higher is better.
    pub rank: f32,
}

/// So many of a hit's cards are named.
pub const MAX_HIT_CARDS: usize = 100;
/// A word that occurs nowhere is taken for up to this many similar ones.
pub const MAX_NEAR_WORDS: usize = 5;

/// A search with more words that occur nowhere finds nothing: looking similar ones up is what costs most.
pub const MAX_MISSPELT: usize = 3;

/// What is looked for, by whom, and where.
#[derive(Clone, Debug, Default)]
pub struct SearchRequest {
    /// See [`SearchQuery::parse`].
    pub text: String,
    /// Notes, and cards that are private or hidden, are searched only for their owner.
    pub reader: Option<UserId>,
    pub kind: Option<PageKind>,
    /// Only URLs that the reader keeps; of a hit's cards, only theirs.
    pub mine: bool,
}

/// What became of a portion of cards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reindexed {
    /// Of the portion.
    pub last: CardId,
    /// Those that cannot be indexed, and why.
    pub failed: Vec<(CardId, String)>,
}

#[async_trait]
pub trait SearchIndex: Send + Sync {
    /// Takes the events off the `search` ledger and, in the same transaction, indexes the current row of every card
    /// whose event was just taken (or drops it, when it is in no library), and of every card that is still indexed of somebody whose
    /// account is gone. A URL that is new becomes a page to fetch. Returns how many were taken.
    async fn index(&self, events: &[RecordedEvent]) -> Result<usize>;

    /// Indexes the current rows of up to `limit` cards behind `after`, in the order of their ids, as [`Self::index`] does. `None`:
    /// there are no more. A few that cannot be indexed do not keep the others from it; an error when there are many. May be
    /// repeated, and dropped.
    async fn reindex(&self, after: Option<CardId>, limit: usize) -> Result<Option<Reindexed>>;

    /// How many cards there are to reindex.
    async fn card_count(&self) -> Result<u64>;

    /// URLs in which every word occurs, with what the owner of a card that the reader sees calls it: best first, of equal ones the one that
    /// more people keep. Only what the reader may see now, however far behind the index is; what nobody else sees is counted, and taken for
    /// similar words, for its owner alone.
    ///
    /// An index may rank only the 1,000 URLs that most people keep of those that match.
    ///
    /// When none is found, up to [`MAX_MISSPELT`] words of four letters and more that occur nowhere are taken for those that they are
    /// near ([`is_near`]).
    async fn search(&self, request: &SearchRequest, page: &PageRequest) -> Result<Page<SearchHit>>;
}
