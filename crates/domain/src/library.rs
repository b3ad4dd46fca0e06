//! A person's library: the cards they keep.

use std::str::FromStr;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::error::{Error, Result};
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
    pub order: LibraryOrder,
}

/// The order in which a library is listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LibraryOrder {
    #[default]
    Newest,
    Oldest,
    /// By what the owner calls the card, or else the title of its page, or else its address.
    Title,
    /// By the host without `www.`, then by title.
    Site,
}

impl LibraryOrder {
    pub const ALL: [Self; 4] = [Self::Newest, Self::Oldest, Self::Title, Self::Site];
    /// Titles are compared as far as this.
    pub const KEY_CHARS: usize = 200;

    pub const fn name(self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::Oldest => "oldest",
            Self::Title => "title",
            Self::Site => "site",
        }
    }

    /// Whether positions in the list are times.
    pub const fn is_by_time(self) -> bool {
        matches!(self, Self::Newest | Self::Oldest)
    }

    /// What cards are compared by, byte by byte; equal ones by their ids. Empty where time is what counts. ASCII letters are compared in lower
    /// case, as both stores can do it.
    pub fn key(self, url: &str, title: Option<&str>) -> String {
        let address = url.split_once("://").map_or(url, |(_, rest)| rest);
        let title = title.unwrap_or(address).to_ascii_lowercase();
        let cut = |text: String| text.chars().take(Self::KEY_CHARS).collect();
        match self {
            Self::Newest | Self::Oldest => String::new(),
            Self::Title => cut(title),
            Self::Site => {
                let address = address.to_ascii_lowercase();
                let host = address.split(['/', '?', '#', ':']).next().unwrap_or_default();
                let host = host.strip_prefix("www.").unwrap_or(host);
                cut(format!("{host}\u{1}{title}"))
            }
        }
    }
}

impl FromStr for LibraryOrder {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let known = Self::ALL.into_iter().find(|order| order.name() == text);
        known.ok_or_else(|| Error::invalid("sort", "Use newest, oldest, title or site."))
    }
}

/// Reads about libraries. Cards that are in no library do not exist here.
#[async_trait]
pub trait LibraryRepository: Send + Sync {
    /// Newest first by (added_at, id) unless the filter asks for another order. As its owner sees it, with what is private and hidden. In an
    /// order other than newest first, words find the 10,000 newest cards that have them.
    async fn library(&self, owner: &UserId, filter: &LibraryFilter, page: &PageRequest) -> Result<Page<LibraryCard>>;
    /// How many cards somebody keeps.
    async fn library_size(&self, owner: &UserId) -> Result<u64>;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_are_compared_by_title_or_by_site() {
        let title = |url, title| LibraryOrder::Title.key(url, title);
        assert_eq!(title("https://example.com/A", Some("Zebra")), "zebra");
        assert_eq!(title("https://Example.com/A", None), "example.com/a");
        assert_eq!(title("https://example.com/", Some(&"x".repeat(500))).len(), LibraryOrder::KEY_CHARS);
        let site = |url| LibraryOrder::Site.key(url, Some("T"));
        assert_eq!(site("https://www.Example.com:8080/a"), "example.com\u{1}t");
        assert_eq!(site("http://example.com?x"), "example.com\u{1}t");
        assert!(site("https://example.com/") < site("https://example.com.au/"), "hosts are compared as a whole");
    }

    #[test]
    fn orders_are_read_by_their_names() {
        for order in LibraryOrder::ALL {
            assert_eq!(order.name().parse::<LibraryOrder>().unwrap(), order);
        }
        assert!("Newest".parse::<LibraryOrder>().is_err());
    }
}
