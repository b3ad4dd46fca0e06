//! A URL card: somebody's saved link, where it is kept, and their note on it.

use jiff::Timestamp;

use crate::changes::{Change, Changes};
use crate::collection::Collection;
use crate::error::{Error, Result};
use crate::event::DomainEvent;
use crate::ids::{CardId, CollectionId, LinkId, UserId};
use crate::note::{Note, NoteText};
use crate::url::CardUrl;

/// A stay of the card in a collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectionLink {
    pub id: LinkId,
    pub collection_id: CollectionId,
}

/// There is one card for each (owner, normalised URL). It outlives its removal from the library, so that a URL that is
/// saved again is the same card again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    pub id: CardId,
    pub owner: UserId,
    pub url: CardUrl,
    /// The card through which the owner found this URL.
    pub via: Option<CardId>,
    pub note: Option<Note>,
    /// `None` while the card is not in its owner's library.
    pub library_link: Option<LinkId>,
    pub collection_links: Vec<CollectionLink>,
    /// Set by the store when it inserts the card.
    pub created_at: Option<Timestamp>,
}

impl Card {
    /// Removing a card ends all its stays in one commit, so their number is bounded.
    pub const MAX_COLLECTIONS: usize = 1_000;

    /// A new card, not yet in the library.
    pub fn create(owner: UserId, url: CardUrl, via: Option<CardId>, changes: &mut Changes) -> Self {
        let card = Self {
            id: CardId::generate(),
            owner,
            url,
            via,
            note: None,
            library_link: None,
            collection_links: Vec::new(),
            created_at: None,
        };
        changes.rows.push(Change::InsertCard {
            card_id: card.id,
            owner: card.owner.clone(),
            url: card.url.clone(),
            via: card.via,
        });
        card
    }

    /// A card that its owner removed is gone for everybody, until they save it again.
    pub fn in_library(self) -> Result<Self> {
        if self.library_link.is_some() { Ok(self) } else { Err(Error::not_found("card", self.id)) }
    }

    pub fn owned_by(self, person: &UserId) -> Result<Self> {
        if self.owner == *person {
            Ok(self)
        } else {
            Err(Error::Forbidden(format!("card {} belongs to somebody else", self.id)))
        }
    }

    /// Puts the card into its owner's library; true if it was not there.
    pub fn add_to_library(&mut self, changes: &mut Changes) -> bool {
        if self.library_link.is_some() {
            return false;
        }
        let link_id = LinkId::generate();
        self.library_link = Some(link_id);
        changes.rows.push(Change::AddToLibrary { card_id: self.id, link_id });
        changes.events.push(DomainEvent::CardAddedToLibrary {
            card_id: self.id,
            actor_id: self.owner.clone(),
            link_id,
        });
        true
    }

    /// Takes the card out of the library, out of every collection, and drops the note.
    pub fn remove_from_library(&mut self, changes: &mut Changes) {
        let Some(link_id) = self.library_link.take() else {
            return;
        };
        for link in std::mem::take(&mut self.collection_links) {
            self.unlink(&self.owner.clone(), link, changes);
        }
        if self.note.take().is_some() {
            changes.rows.push(Change::SetNote { card_id: self.id, note: None });
        }
        changes.rows.push(Change::RemoveFromLibrary { card_id: self.id, link_id });
        changes.events.push(DomainEvent::CardRemovedFromLibrary {
            card_id: self.id,
            actor_id: self.owner.clone(),
            link_id,
        });
    }

    /// Does nothing where the card is in the collection already.
    pub fn add_to_collection(&mut self, collection: &Collection, changes: &mut Changes) -> Result<()> {
        collection.may_add(&self.owner)?;
        if self.collection_links.iter().any(|link| link.collection_id == collection.id) {
            return Ok(());
        }
        if self.collection_links.len() >= Self::MAX_COLLECTIONS {
            let rule = format!(
                "a card can be in at most {} collections: remove it from another one first",
                Self::MAX_COLLECTIONS
            );
            return Err(Error::invalid("collectionIds", rule));
        }
        let link = CollectionLink { id: LinkId::generate(), collection_id: collection.id };
        changes.rows.push(Change::AddToCollection {
            card_id: self.id,
            link_id: link.id,
            collection_id: link.collection_id,
        });
        changes.events.push(DomainEvent::CardAddedToCollection {
            card_id: self.id,
            actor_id: self.owner.clone(),
            collection_id: collection.id,
            link_id: link.id,
        });
        self.collection_links.push(link);
        Ok(())
    }

    /// Does nothing where the card is not in the collection. `by` is the card's owner or may curate the collection.
    pub fn remove_from_collection(
        &mut self,
        by: &UserId,
        collection: &Collection,
        changes: &mut Changes,
    ) -> Result<()> {
        if self.owner != *by && collection.author != *by {
            return Err(Error::Forbidden(format!(
                "only the card's owner and the author of collection {} may remove this card from it",
                collection.id
            )));
        }
        if let Some(index) = self.collection_links.iter().position(|link| link.collection_id == collection.id) {
            let link = self.collection_links.swap_remove(index);
            self.unlink(by, link, changes);
        }
        Ok(())
    }

    /// Replaces the note; `None` drops it. `was_saved`: the card was in the library before, so this is news to search.
    pub fn set_note(&mut self, text: Option<NoteText>, was_saved: bool, changes: &mut Changes) {
        if self.note.as_ref().map(|note| &note.text) == text.as_ref() {
            return;
        }
        let id = self.note.as_ref().map_or_else(CardId::generate, |note| note.id);
        self.note = text.map(|text| Note { id, text });
        changes.rows.push(Change::SetNote { card_id: self.id, note: self.note.clone() });
        if was_saved {
            changes.events.push(DomainEvent::CardNoteChanged { card_id: self.id, actor_id: self.owner.clone() });
        }
    }

    fn unlink(&self, by: &UserId, link: CollectionLink, changes: &mut Changes) {
        changes.rows.push(Change::RemoveFromCollection { card_id: self.id, link_id: link.id });
        changes.events.push(DomainEvent::CardRemovedFromCollection {
            card_id: self.id,
            actor_id: by.clone(),
            collection_id: link.collection_id,
            link_id: link.id,
        });
    }
}
