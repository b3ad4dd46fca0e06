//! What a search index does.

use async_trait::async_trait;

use super::hit::SearchHit;
use super::names::{CollectionFound, PersonFound};
use crate::error::Result;
use crate::event::RecordedEvent;
use crate::ids::{CardId, CollectionId, UserId};
use crate::metadata::PageKind;
use crate::page::{Page, PageRequest, Position};

/// What is looked for, by whom, and where.
#[derive(Clone, Debug, Default)]
pub struct SearchRequest {
    /// See [`super::SearchQuery::parse`].
    pub text: String,
    /// Notes, and cards that are private or hidden, are searched only for their owner.
    pub reader: Option<UserId>,
    pub kind: Option<PageKind>,
    /// Only URLs that the reader keeps; of a hit's cards, only theirs.
    pub mine: bool,
}

/// A page of hits.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub items: Vec<SearchHit>,
    /// Where the next page starts; `None` on the last.
    pub next: Option<Position>,
    /// On the first page, if words were misspelt: the text with those that the best hit was found by.
    pub corrected: Option<String>,
}

impl Found {
    pub fn of(page: Page<SearchHit>) -> Self {
        Self { items: page.items, next: page.next, corrected: None }
    }

    pub fn page(self) -> Page<SearchHit> {
        Page { items: self.items, next: self.next }
    }
}

/// What became of a portion of cards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reindexed {
    /// Of the portion.
    pub last: CardId,
    /// Those that cannot be indexed, and why.
    pub failed: Vec<(CardId, String)>,
}

/// Behind which ones [`SearchIndex::renew`] goes on; at first, at the front. What was indexed again leaves dead entries at the front of an index
/// for as long as anybody reads an older state of the data, so looking there each time would take longer and longer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Renewal {
    pub card: Option<CardId>,
    pub person: Option<UserId>,
    pub collection: Option<CollectionId>,
}

/// What became of what was indexed by older rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Renewed {
    /// Cards, people and collections that were indexed again. None: there are no more, or another worker is at it.
    pub count: usize,
    /// Cards that cannot be indexed, and why. They are left as they were indexed before, and not tried again.
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

    /// Indexes again up to `limit` people and as many collections whose names are new, have changed, or were indexed by older rules, and then as
    /// many cards that were indexed by the rules of an older [`super::WORDING`]. `from` moves on, and is back at the front after the last. May be
    /// repeated, and dropped.
    async fn renew(&self, from: &mut Renewal, limit: usize) -> Result<Renewed>;

    /// How many cards there are to reindex.
    async fn card_count(&self) -> Result<u64>;

    /// URLs in which every word occurs, with what the owner of a card that the reader sees calls it, in the order of [`super::Pass`]: best first,
    /// of equal ones the one that more people keep. Words that are spelled as they were typed come before those that differ in their accents.
    /// Only what the reader may see now, however far behind the index is; what nobody else sees is counted, and taken for parts of words and
    /// similar words, for its owner alone.
    ///
    /// An index may rank only the 1,000 URLs of each pass that most people keep.
    ///
    /// When none is found, up to [`super::MAX_MISSPELT`] words of four letters and more that occur nowhere are taken for those that they are
    /// near ([`super::is_near`]).
    async fn search(&self, request: &SearchRequest, page: &PageRequest) -> Result<Found>;

    /// Up to [`super::MAX_NAMES`] people in whose handle or display name every word occurs, whole or begun; best first. Nobody who is suspended or
    /// whose account is being deleted. The index may be behind.
    async fn find_people(&self, text: &str) -> Result<Vec<PersonFound>>;

    /// Up to [`super::MAX_NAMES`] public collections in whose name or description every word occurs, whole or begun; best first. None of
    /// somebody who is suspended or whose account is being deleted. The index may be behind.
    async fn find_collections(&self, text: &str) -> Result<Vec<CollectionFound>>;
}
