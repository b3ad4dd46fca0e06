//! What people take along: their cards with all that an import can bring back.

use std::collections::BTreeMap;

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
    /// Names of those that its owner sees, in the order of their bytes, and who else can see them. Of several of one name, one that is private
    /// counts.
    pub collections: BTreeMap<String, Visibility>,
    pub visibility: Visibility,
    pub added_at: Timestamp,
}

impl ExportedCard {
    /// Names of those that not everybody sees.
    pub fn private_collections(&self) -> Vec<&str> {
        let private = self.collections.iter().filter(|(_, visibility)| visibility.is_private());
        private.map(|(name, _)| name.as_str()).collect()
    }
}

/// Collections of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namesakes {
    pub name: String,
    /// In the order of their ids.
    pub collections: Vec<CollectionId>,
}
