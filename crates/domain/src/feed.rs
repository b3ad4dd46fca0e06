//! The feed: written by the saga, read by everybody.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::activity::CollectedWindow;
use crate::error::Result;
use crate::ids::{ActivityId, CardId, CollectionId, UserId};
use crate::page::{Page, PageRequest};
use crate::user::User;

/// A card as others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardView {
    pub id: CardId,
    pub url: String,
    pub title: Option<String>,
}

/// A collection by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectionName {
    pub id: CollectionId,
    pub name: String,
}

/// An activity as it is shown: only links that still exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedItem {
    pub id: ActivityId,
    pub actor: User,
    pub card: CardView,
    /// In the order in which the card was added to them.
    pub collections: Vec<CollectionName>,
    pub created_at: Timestamp,
}

#[async_trait]
pub trait FeedRepository: Send + Sync {
    /// Takes the windows' events off the `feeds` ledger and, in the same transaction, works those just taken into the
    /// activities of their card and person ([`crate::activity::regroup`]). Events that are no longer owed contribute nothing,
    /// so it may run any number of times, at once, in any order.
    ///
    /// All windows or none. Returns how many events took effect now.
    async fn add_activities(&self, windows: &[CollectedWindow]) -> Result<usize>;

    /// Newest first by (created_at, id); activities of which no link is left are not shown.
    async fn feed(&self, actor: Option<&UserId>, page: &PageRequest) -> Result<Page<FeedItem>>;
}
