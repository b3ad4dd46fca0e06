//! The feed: written by the saga, read by everybody.

use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::activity::CollectedWindow;
use crate::error::{Error, Result};
use crate::ids::{ActivityId, CardId, CollectionId, EventId, UserId};
use crate::page::{Page, PageRequest};
use crate::pictures::CardPictures;
use crate::user::User;
use crate::visibility::Visibility;

/// A card as it is shown. To others it always is public and not hidden, for else they do not see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardView {
    pub id: CardId,
    pub url: String,
    /// What its owner calls it, or else what its page is called.
    pub title: Option<String>,
    /// As its owner wants it.
    pub visibility: Visibility,
    /// By an administrator, from everybody but its owner.
    pub is_hidden: bool,
    /// Of the page that it shows.
    pub pictures: CardPictures,
}

impl CardView {
    /// As everybody sees it.
    pub const fn public(id: CardId, url: String, title: Option<String>) -> Self {
        Self { id, url, title, visibility: Visibility::Public, is_hidden: false, pictures: CardPictures::NONE }
    }
}

/// A collection by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectionName {
    pub id: CollectionId,
    pub name: String,
    pub visibility: Visibility,
}

/// An activity as it is shown, to everybody alike: only links that still exist, and no private collections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedItem {
    pub id: ActivityId,
    pub actor: User,
    pub card: CardView,
    /// In the order in which the card was added to them.
    pub collections: Vec<CollectionName>,
    /// What the page behind the link says about itself.
    pub description: Option<String>,
    /// The page has not been read yet.
    pub is_pending: bool,
    pub created_at: Timestamp,
}

/// Where a reader of the live feed stands. Written `{epoch}-{id}`, opaque to readers.
///
/// `epoch` rises in the order in which activities were committed, so that none can come later before what was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamCursor {
    pub epoch: u64,
    pub id: ActivityId,
}

impl fmt::Display for StreamCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.id)
    }
}

impl FromStr for StreamCursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let invalid = || Error::invalid("Last-Event-ID", "Use the id of an event of this stream.");
        let (epoch, id) = text.split_once('-').ok_or_else(invalid)?;
        Ok(Self { epoch: epoch.parse().map_err(|_| invalid())?, id: id.parse().map_err(|_| invalid())? })
    }
}

#[async_trait]
pub trait FeedRepository: Send + Sync {
    /// Takes the windows' events off the `feeds` ledger and, in the same transaction, works those just taken into the
    /// activities of their card and person ([`crate::activity::regroup`]). Events that are no longer owed contribute nothing,
    /// so it may run any number of times, at once, in any order.
    ///
    /// Of a window only the ids of its events count. Card, person, link, collection and time are those that the log has: an event that
    /// is in the wrong window takes effect in its own. One that makes no activity stays on the ledger.
    ///
    /// All windows or none. Returns how many events took effect now.
    async fn add_activities(&self, windows: &[CollectedWindow]) -> Result<usize>;

    /// Takes these events off the `feeds` ledger and, with each that says so, deletes every activity of somebody whose account is gone. As
    /// with [`Self::add_activities`] the log decides what an event is. Returns how many events took effect now.
    async fn forget_people(&self, events: &[EventId]) -> Result<usize>;

    /// Newest first by (created_at, id); activities of which no link is left that everybody may see are not shown.
    async fn feed(&self, actor: Option<&UserId>, page: &PageRequest) -> Result<Page<FeedItem>>;

    /// Where a reader stands who has seen everything up to now.
    async fn stream_end(&self) -> Result<StreamCursor>;

    /// Up to `limit` activities that became known behind `after`, oldest first, each once and none ever skipped, whatever the
    /// order in which their transactions commit. Activities of which no link is left that everybody may see are not shown.
    async fn stream(&self, after: StreamCursor, limit: usize) -> Result<Vec<(StreamCursor, FeedItem)>>;

    /// Returns when there may be something new in the stream: only a hint, so also look now and then. May be dropped
    /// at any time.
    async fn stream_hint(&self);
}
