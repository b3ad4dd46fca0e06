//! A URL card: somebody's saved link, where it is kept, and what they call it and note on it.

use jiff::Timestamp;

use crate::changes::{Change, Changes};
use crate::collection::Collection;
use crate::error::{Error, Result};
use crate::event::DomainEvent;
use crate::ids::{CardId, CollectionId, LinkId, UserId};
use crate::imports::Fingerprint;
use crate::note::{Note, NoteText};
use crate::title::Title;
use crate::url::CardUrl;
use crate::visibility::Visibility;

/// A stay of the card in a collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectionLink {
    pub id: LinkId,
    pub collection_id: CollectionId,
    /// Whether the card's owner sees the collection. A card stays in a collection that its author made private, but the owner is not told.
    pub is_seen: bool,
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
    /// What its owner calls it; `None`: what its page is called. Only while it is in the library.
    pub title: Option<Title>,
    /// Who may see it, as its owner wants it. See [`Card::shown`].
    pub visibility: Visibility,
    /// An administrator hides it from everybody but its owner. It stays hidden when it is removed and saved again.
    pub is_hidden: bool,
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
        Self::create_as(CardId::generate(), owner, url, via, changes)
    }

    /// The same under this id, which is nobody's yet.
    pub fn create_as(id: CardId, owner: UserId, url: CardUrl, via: Option<CardId>, changes: &mut Changes) -> Self {
        let card = Self {
            id,
            owner,
            url,
            via,
            note: None,
            title: None,
            visibility: Visibility::Public,
            is_hidden: false,
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

    /// What others see of it: it is private unless both its owner and the administrators let it be seen.
    pub const fn shown(&self) -> Visibility {
        if self.is_hidden { Visibility::Private } else { self.visibility }
    }

    pub fn is_seen_by(&self, person: &UserId) -> bool {
        self.owner == *person || !self.shown().is_private()
    }

    pub fn is_in(&self, collection: CollectionId) -> bool {
        self.collection_links.iter().any(|link| link.collection_id == collection)
    }

    /// Somebody else's card that is not shown does not exist for this person.
    pub fn seen_by(self, person: &UserId) -> Result<Self> {
        if self.is_seen_by(person) { Ok(self) } else { Err(Error::not_found("card", self.id)) }
    }

    pub fn owned_by(self, person: &UserId) -> Result<Self> {
        let card = self.seen_by(person)?;
        if card.owner == *person {
            Ok(card)
        } else {
            Err(Error::Forbidden(format!("Card {} belongs to somebody else.", card.id)))
        }
    }

    /// Puts the card into its owner's library, with this visibility; true if it was not there. A card that is there keeps its own.
    pub fn add_to_library(&mut self, visibility: Visibility, changes: &mut Changes) -> bool {
        self.add_to_library_since(None, visibility, changes)
    }

    /// The same with another date than now, which is past.
    pub fn add_to_library_since(
        &mut self,
        at: Option<Timestamp>,
        visibility: Visibility,
        changes: &mut Changes,
    ) -> bool {
        if self.library_link.is_some() {
            return false;
        }
        let link_id = LinkId::generate();
        self.library_link = Some(link_id);
        self.visibility = visibility;
        changes.rows.push(Change::AddToLibrary { card_id: self.id, link_id, visibility, at });
        changes.events.push(self.added(link_id));
        true
    }

    /// Shows it to others, or stops showing it. Only for a card in the library.
    pub fn set_visibility(&mut self, visibility: Visibility, changes: &mut Changes) {
        if self.visibility != visibility {
            let before = self.shown();
            self.visibility = visibility;
            self.renew(before, changes);
        }
    }

    /// Hides it from others even if its owner made it public, or shows it again. Only for a card in the library.
    pub fn set_hidden(&mut self, is_hidden: bool, changes: &mut Changes) {
        if self.is_hidden != is_hidden {
            let before = self.shown();
            self.is_hidden = is_hidden;
            self.renew(before, changes);
        }
    }

    /// Where what others see changes, every stay ends and a new one begins, with the dates of the old: what was made known of the old stays
    /// is not shown any more, and what there is to tell of the new ones is told.
    fn renew(&mut self, before: Visibility, changes: &mut Changes) {
        let Some(old) = self.library_link else { return };
        let is_renewed = before != self.shown();
        let new = if is_renewed { LinkId::generate() } else { old };
        self.library_link = Some(new);
        changes.rows.push(Change::RenewStay {
            card_id: self.id,
            before: old,
            after: new,
            visibility: self.visibility,
            is_hidden: self.is_hidden,
        });
        if !is_renewed {
            return;
        }
        let old_links = self.collection_links.clone();
        changes.events.extend(old_links.iter().map(|link| self.left(&self.owner, link)));
        changes.events.push(self.removed(old));
        changes.events.push(self.added(new));
        for link in &mut self.collection_links {
            link.id = LinkId::generate();
        }
        for (old, new) in old_links.iter().zip(&self.collection_links) {
            let visibility = self.shown();
            changes.rows.push(Change::RenewLink { card_id: self.id, before: old.id, after: new.id, visibility });
            changes.events.push(self.joined(new));
        }
    }

    /// Takes the card out of the library, out of every collection, and drops the note and the title.
    pub fn remove_from_library(&mut self, changes: &mut Changes) {
        let Some(link_id) = self.library_link.take() else {
            return;
        };
        for link in std::mem::take(&mut self.collection_links) {
            self.unlink(&self.owner, &link, changes);
        }
        if self.note.take().is_some() {
            changes.rows.push(Change::SetNote { card_id: self.id, note: None });
        }
        if self.title.take().is_some() {
            changes.rows.push(Change::SetTitle { card_id: self.id, link_id, title: None });
        }
        changes.rows.push(Change::RemoveFromLibrary { card_id: self.id, link_id });
        changes.events.push(self.removed(link_id));
    }

    /// Does nothing where the card is in the collection already.
    pub fn add_to_collection(&mut self, collection: &Collection, changes: &mut Changes) -> Result<()> {
        self.add_to_collection_since(None, collection, changes)
    }

    /// The same with another date than now, which is past.
    pub fn add_to_collection_since(
        &mut self,
        at: Option<Timestamp>,
        collection: &Collection,
        changes: &mut Changes,
    ) -> Result<()> {
        collection.may_add(&self.owner)?;
        if self.is_in(collection.id) {
            return Ok(());
        }
        if self.collection_links.len() >= Self::MAX_COLLECTIONS {
            let rule = format!(
                "A link can be in at most {} collections. Remove it from another one first.",
                Self::MAX_COLLECTIONS
            );
            return Err(Error::invalid("collectionIds", rule));
        }
        let is_seen = collection.is_seen_by(&self.owner);
        let link = CollectionLink { id: LinkId::generate(), collection_id: collection.id, is_seen };
        changes.rows.push(Change::AddToCollection {
            card_id: self.id,
            link_id: link.id,
            collection_id: link.collection_id,
            visibility: self.shown(),
            at,
        });
        changes.events.push(self.joined(&link));
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
                "Only the person who saved this link and the author of collection {} can remove it from there.",
                collection.id
            )));
        }
        if let Some(index) = self.collection_links.iter().position(|link| link.collection_id == collection.id) {
            let link = self.collection_links.swap_remove(index);
            self.unlink(by, &link, changes);
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
        self.reworded(was_saved, changes);
    }

    /// Replaces the title; `None` leaves it to the page. Only for a card in the library. `was_saved`: as with the note.
    pub fn set_title(&mut self, title: Option<Title>, was_saved: bool, changes: &mut Changes) {
        let Some(link_id) = self.library_link.filter(|_| self.title != title) else { return };
        self.title = title;
        changes.rows.push(Change::SetTitle { card_id: self.id, link_id, title: self.title.clone() });
        self.reworded(was_saved, changes);
    }

    /// Search reads the card again. One event is enough for any number of changes.
    fn reworded(&self, was_saved: bool, changes: &mut Changes) {
        let event = DomainEvent::CardNoteChanged { card_id: self.id, actor_id: self.owner.clone() };
        if was_saved && !changes.events.contains(&event) {
            changes.events.push(event);
        }
    }

    /// Gives the card its URL as the present rules have it.
    pub fn identify(&mut self, url: CardUrl, changes: &mut Changes) {
        let is_changed = self.url != url;
        self.url = url.clone();
        changes.rows.push(Change::Identify { card_id: self.id, url });
        if is_changed && self.library_link.is_some() {
            let (card_id, actor_id) = (self.id, self.owner.clone());
            changes.events.push(DomainEvent::CardUrlChanged { card_id, actor_id });
        }
    }

    /// Takes over what another card of the owner holds, which turned out to be of the same link. Notes are joined, collections united, and
    /// its own title goes before the other's; it is public only if both are, and hidden if one is. The other leaves the library, and no URL
    /// leads to it any more.
    ///
    /// If the other is in the library, so is this one.
    pub fn absorb(&mut self, mut other: Self, changes: &mut Changes) {
        changes.rows.push(Change::Retire { card_id: other.id, url: other.url.merged(other.id) });
        if other.is_hidden {
            self.set_hidden(true, changes);
        }
        if other.library_link.is_none() {
            return;
        }
        if other.visibility.is_private() {
            self.set_visibility(Visibility::Private, changes);
        }
        let text = match (&self.note, &other.note) {
            (Some(own), Some(others)) if own.text != others.text => Some(own.text.joined(&others.text)),
            (own, others) => own.as_ref().or(others.as_ref()).map(|note| note.text.clone()),
        };
        self.set_note(text, true, changes);
        let title = self.title.clone().or_else(|| other.title.clone());
        self.set_title(title, true, changes);
        for link in std::mem::take(&mut other.collection_links) {
            if self.collection_links.iter().any(|own| own.collection_id == link.collection_id) {
                other.unlink(&other.owner, &link, changes);
            } else {
                self.take_over(&other, &link, changes);
            }
        }
        other.remove_from_library(changes);
    }

    fn take_over(&mut self, other: &Self, link: &CollectionLink, changes: &mut Changes) {
        let taken = CollectionLink { id: LinkId::generate(), ..link.clone() };
        let (from, to, visibility) = (other.id, self.id, self.shown());
        changes.rows.push(Change::MoveLink { from, to, before: link.id, after: taken.id, visibility });
        changes.events.push(other.left(&other.owner, link));
        changes.events.push(self.joined(&taken));
        self.collection_links.push(taken);
    }

    /// Of what people can change of it: two of one card differ if somebody changed it in between.
    pub fn fingerprint(&self) -> Fingerprint {
        let id = |ulid: ulid::Ulid| ulid.to_bytes().to_vec();
        let mut links: Vec<Vec<u8>> = self.collection_links.iter().map(|link| id(link.id.ulid())).collect();
        links.sort_unstable();
        let library = self.library_link.map(|link| id(link.ulid())).unwrap_or_default();
        let note = self.note.as_ref().map_or("", |note| note.text.as_str());
        let title = self.title.as_ref().map_or("", Title::as_str);
        let parts = [library, self.visibility.name().into(), title.into(), note.into()];
        Fingerprint::of(parts.iter().chain(&links).map(Vec::as_slice))
    }

    fn unlink(&self, by: &UserId, link: &CollectionLink, changes: &mut Changes) {
        changes.rows.push(Change::RemoveFromCollection { card_id: self.id, link_id: link.id });
        changes.events.push(self.left(by, link));
    }

    fn added(&self, link_id: LinkId) -> DomainEvent {
        DomainEvent::CardAddedToLibrary {
            card_id: self.id,
            actor_id: self.owner.clone(),
            link_id,
            visibility: self.shown(),
        }
    }

    fn removed(&self, link_id: LinkId) -> DomainEvent {
        DomainEvent::CardRemovedFromLibrary { card_id: self.id, actor_id: self.owner.clone(), link_id }
    }

    fn joined(&self, link: &CollectionLink) -> DomainEvent {
        DomainEvent::CardAddedToCollection {
            card_id: self.id,
            actor_id: self.owner.clone(),
            collection_id: link.collection_id,
            link_id: link.id,
            visibility: self.shown(),
        }
    }

    fn left(&self, by: &UserId, link: &CollectionLink) -> DomainEvent {
        DomainEvent::CardRemovedFromCollection {
            card_id: self.id,
            actor_id: by.clone(),
            collection_id: link.collection_id,
            link_id: link.id,
        }
    }
}

#[cfg(test)]
mod tests;
