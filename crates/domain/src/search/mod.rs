//! Finding cards of everybody's libraries, people, and public collections.
//!
//! Texts and what is looked for come to words by the same rules ([`Wording`], [`SearchQuery`]), so that both stores find the same.

mod address;
mod hit;
mod letters;
mod matching;
mod names;
mod near;
mod passes;
mod pieces;
mod port;
#[cfg(test)]
mod properties;
mod query;
mod wording;

pub use address::pasted;
pub use hit::{MAX_HIT_CARDS, SearchHit};
pub use matching::{holds, holds_split, is_inside, nearly_holds};
pub use names::{CollectionFound, MAX_NAMES, PersonFound};
pub use near::{
    Alternatives, MAX_LONGER_WORDS, MAX_MISSPELT, MAX_NEAR_WORDS, MAX_PARTS, MAX_SLIPS, MISSPELT_CHARS, PART_CHARS,
    is_in_lexicon, is_near,
};
pub use passes::{Gathering, Pass, score};
pub use pieces::{Piece, Unit, Word, pieces};
pub use port::{Found, Reindexed, Renewal, Renewed, SearchIndex, SearchRequest};
pub use query::{SearchQuery, Term, corrected};
pub use wording::{Forms, SPELLED, WORDING, Wording, spelled};
