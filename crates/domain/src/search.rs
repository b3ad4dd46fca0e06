//! Finding cards of everybody's libraries.

use async_trait::async_trait;

use crate::error::Result;
use crate::event::RecordedEvent;
use crate::ids::{CardId, UserId};
use crate::page::{Page, PageRequest};

/// One URL, with the cards that hold it.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchHit {
    pub url: String,
    pub title: Option<String>,
    pub description: Option<String>,
    pub card_ids: Vec<CardId>,
    /// Higher is better.
    pub rank: f32,
}

#[async_trait]
pub trait SearchIndex: Send + Sync {
    /// Takes the events off the `search` ledger and, in the same transaction, indexes the current row of every card
    /// whose event was just taken (or drops it, when it is in no library). Returns how many were taken.
    async fn index(&self, events: &[RecordedEvent]) -> Result<usize>;

    /// Hits in which every word of `text` occurs. A note is searched only for its author, `reader`.
    async fn search(&self, text: &str, reader: Option<&UserId>, page: &PageRequest) -> Result<Page<SearchHit>>;
}
