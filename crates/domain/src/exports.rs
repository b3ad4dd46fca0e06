//! What people take along: their cards with all that an import can bring back.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::ids::{CardId, CollectionId};
use crate::note::NoteText;
use crate::url::CardUrl;
use crate::visibility::Visibility;

/// A card as it is exported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportedCard {
    /// It is in no file: where the card is imported, it gets another.
    pub id: CardId,
    pub url: CardUrl,
    /// What its owner calls it, or else what its page is called.
    pub title: Option<String>,
    pub note: Option<NoteText>,
    /// Names of those that its owner sees, in the order of their bytes.
    pub collections: BTreeSet<String>,
    pub visibility: Visibility,
    pub added_at: Timestamp,
}

/// Collections of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namesakes {
    pub name: String,
    /// In the order of their ids.
    pub collections: Vec<CollectionId>,
}
