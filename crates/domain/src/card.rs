//! A URL card: somebody's saved link, where it is kept, and their note on it.

use jiff::Timestamp;

use crate::changes::{Change, Changes};
use crate::collection::Collection;
use crate::error::{Error, Result};
use crate::event::DomainEvent;
use crate::ids::{CardId, CollectionId, LinkId, UserId};
use crate::note::{Note, NoteText};
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
        let card = Self {
            id: CardId::generate(),
            owner,
            url,
            via,
            note: None,
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
            Err(Error::Forbidden(format!("card {} belongs to somebody else", card.id)))
        }
    }

    /// Puts the card into its owner's library, with this visibility; true if it was not there. A card that is there keeps its own.
    pub fn add_to_library(&mut self, visibility: Visibility, changes: &mut Changes) -> bool {
        if self.library_link.is_some() {
            return false;
        }
        let link_id = LinkId::generate();
        self.library_link = Some(link_id);
        self.visibility = visibility;
        changes.rows.push(Change::AddToLibrary { card_id: self.id, link_id, visibility });
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

    /// Takes the card out of the library, out of every collection, and drops the note.
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
        changes.rows.push(Change::RemoveFromLibrary { card_id: self.id, link_id });
        changes.events.push(self.removed(link_id));
    }

    /// Does nothing where the card is in the collection already.
    pub fn add_to_collection(&mut self, collection: &Collection, changes: &mut Changes) -> Result<()> {
        collection.may_add(&self.owner)?;
        if self.is_in(collection.id) {
            return Ok(());
        }
        if self.collection_links.len() >= Self::MAX_COLLECTIONS {
            let rule = format!(
                "a card can be in at most {} collections: remove it from another one first",
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
                "only the card's owner and the author of collection {} may remove this card from it",
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
        if was_saved {
            changes.events.push(DomainEvent::CardNoteChanged { card_id: self.id, actor_id: self.owner.clone() });
        }
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
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::collection::{AccessType, Description, Name};

    fn alice() -> UserId {
        UserId::parse("did:plc:alice").unwrap()
    }

    fn collection(author: &UserId) -> Collection {
        Collection {
            id: CollectionId::generate(),
            author: author.clone(),
            name: Name::parse("n").unwrap(),
            description: Description::default(),
            access: AccessType::Open,
            visibility: Visibility::Public,
            collaborators: BTreeSet::new(),
            invited: BTreeSet::new(),
        }
    }

    /// In the library and in two collections.
    fn saved(visibility: Visibility) -> Card {
        let mut changes = Changes::default();
        let url = CardUrl::parse("https://example.com/").unwrap();
        let mut card = Card::create(alice(), url, None, &mut changes);
        assert!(card.add_to_library(visibility, &mut changes));
        for _ in 0..2 {
            card.add_to_collection(&collection(&alice()), &mut changes).unwrap();
        }
        card
    }

    fn links(card: &Card) -> Vec<LinkId> {
        card.library_link.into_iter().chain(card.collection_links.iter().map(|link| link.id)).collect()
    }

    /// The links that end, and those that begin, with what others see of them.
    fn told(changes: &Changes) -> (Vec<LinkId>, Vec<(LinkId, Visibility)>) {
        let (mut ended, mut begun) = (Vec::new(), Vec::new());
        for event in &changes.events {
            match event {
                DomainEvent::CardRemovedFromLibrary { link_id, .. }
                | DomainEvent::CardRemovedFromCollection { link_id, .. } => ended.push(*link_id),
                DomainEvent::CardAddedToLibrary { link_id, visibility, .. }
                | DomainEvent::CardAddedToCollection { link_id, visibility, .. } => begun.push((*link_id, *visibility)),
                other => panic!("{other:?}"),
            }
        }
        ended.sort_unstable();
        (ended, begun)
    }

    #[test]
    fn a_change_of_what_others_see_ends_every_stay_and_begins_new_ones() {
        for (from, to) in [(Visibility::Public, Visibility::Private), (Visibility::Private, Visibility::Public)] {
            let mut card = saved(from);
            let mut old = links(&card);
            let mut changes = Changes::default();
            card.set_visibility(to, &mut changes);
            let (ended, begun) = told(&changes);
            old.sort_unstable();
            assert_eq!(ended, old);
            assert_eq!(begun, links(&card).into_iter().map(|link| (link, to)).collect::<Vec<_>>());
            assert_eq!(changes.rows.len(), 3, "one row for each stay");
            let mut again = Changes::default();
            card.set_visibility(to, &mut again);
            assert!(again.rows.is_empty() && again.events.is_empty());
        }
    }

    #[test]
    fn what_others_see_is_up_to_the_owner_and_the_administrators() {
        let mut card = saved(Visibility::Public);
        let mut changes = Changes::default();
        card.set_hidden(true, &mut changes);
        let bob = UserId::parse("did:plc:bob").unwrap();
        assert!(card.shown().is_private() && card.is_seen_by(&alice()) && !card.is_seen_by(&bob));
        assert_eq!(told(&changes).1.len(), 3);
        let (before, mut quiet) = (links(&card), Changes::default());
        card.set_visibility(Visibility::Private, &mut quiet);
        assert!(quiet.events.is_empty() && quiet.rows.len() == 1, "others see no difference: {quiet:?}");
        card.set_hidden(false, &mut quiet);
        assert!(quiet.events.is_empty(), "it is private anyway: {quiet:?}");
        assert_eq!(links(&card), before);
        card.set_visibility(Visibility::Public, &mut quiet);
        assert_eq!(told(&quiet).1.len(), 3);
    }

    #[test]
    fn a_hidden_card_that_is_saved_again_stays_hidden() {
        let mut card = saved(Visibility::Public);
        let mut changes = Changes::default();
        card.set_hidden(true, &mut changes);
        card.remove_from_library(&mut changes);
        let mut changes = Changes::default();
        assert!(card.add_to_library(Visibility::Public, &mut changes));
        assert_eq!((card.visibility, card.shown()), (Visibility::Public, Visibility::Private));
        assert_eq!(told(&changes).1, [(card.library_link.unwrap(), Visibility::Private)]);
    }

    #[test]
    fn a_card_that_others_do_not_see_does_not_exist_for_them() {
        let bob = UserId::parse("did:plc:bob").unwrap();
        let check = |visibility, expected: fn(&Error) -> bool| {
            let refused = saved(visibility).owned_by(&bob).unwrap_err();
            assert!(expected(&refused), "{refused}");
        };
        check(Visibility::Public, |error| matches!(error, Error::Forbidden(_)));
        check(Visibility::Private, |error| matches!(error, Error::NotFound { what: "card", .. }));
    }
}
