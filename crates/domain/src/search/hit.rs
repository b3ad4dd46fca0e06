//! What a search lists.

use crate::ids::CardId;
use crate::metadata::PageKind;
use crate::pictures::CardPictures;
use crate::visibility::Visibility;

/// So many of a hit's cards are named.
pub const MAX_HIT_CARDS: usize = 100;

/// One URL, with the cards that hold it.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchHit {
    pub url: String,
    /// What the reader calls it; else, if it is found by what the owner of a card calls it, that; else the page's, or, where it has none, that of
    /// the oldest card that the reader sees.
    pub title: Option<String>,
    pub description: Option<String>,
    pub kind: Option<PageKind>,
    pub pictures: CardPictures,
    /// The oldest that the reader sees, up to [`MAX_HIT_CARDS`].
    pub card_ids: Vec<CardId>,
    /// Private if the reader keeps the URL and their own card is private.
    pub visibility: Visibility,
    /// Higher is better.
    pub rank: f32,
}
