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
            Err(Error::Forbidden(format!("card {} belongs to somebody else", card.id)))
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
        self.reworded(was_saved, changes);
    }

    /// Replaces the title; `None` leaves it to the page. Only for a card in the library. `was_saved`: as with the note.
    pub fn set_title(&mut self, title: Option<Title>, was_saved: bool, changes: &mut Changes) {
        let Some(link_id) = self.library_link.filter(|_| self.title != title) else { return };
        self.title = title;
        changes.rows.push(Change::SetTitle { card_id: self.id, link_id, title: self.title.clone() });
        self.reworded(was_saved, changes);
    }

    /// Search reads the card again. Once is enough, whatever changed.
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

    /// Of the same owner, saved later, with a note.
    fn other(visibility: Visibility, note: &str) -> Card {
        let mut card = saved(visibility);
        card.set_note(NoteText::parse(note).unwrap(), false, &mut Changes::default());
        card
    }

    #[test]
    fn a_card_takes_over_what_another_holds() {
        let (mut card, mut gone) = (other(Visibility::Public, "one"), other(Visibility::Public, "two"));
        // One collection is the same.
        gone.collection_links[0].collection_id = card.collection_links[0].collection_id;
        let (mut old, kept, moved) = (links(&gone), links(&card), gone.collection_links[1].clone());
        let mut changes = Changes::default();
        card.absorb(gone, &mut changes);
        assert_eq!(card.note.as_ref().map(|note| note.text.as_str()), Some("one\n\ntwo"));
        assert_eq!(card.collection_links.len(), 3);
        assert_eq!(card.collection_links[2].collection_id, moved.collection_id);
        assert_eq!(links(&card)[..3], kept, "what it has stays as it is");
        changes.events.retain(|event| !matches!(event, DomainEvent::CardNoteChanged { .. }));
        old.sort_unstable();
        assert_eq!(told(&changes), (old, vec![(card.collection_links[2].id, Visibility::Public)]));
    }

    #[test]
    fn equal_notes_are_not_doubled_and_what_is_missing_is_taken() {
        for (own, others, expected) in
            [("a", "a", Some("a")), ("", "b", Some("b")), ("a", "", Some("a")), ("", "", None)]
        {
            let mut card = other(Visibility::Public, own);
            card.absorb(other(Visibility::Public, others), &mut Changes::default());
            assert_eq!(card.note.as_ref().map(|note| note.text.as_str()), expected);
        }
    }

    #[test]
    fn a_merged_card_keeps_its_own_title_or_takes_the_others() {
        let called = |title: &str| {
            let mut card = saved(Visibility::Public);
            card.set_title(Title::parse(title).unwrap(), false, &mut Changes::default());
            card
        };
        for (own, others, expected) in
            [("a", "b", Some("a")), ("a", "", Some("a")), ("", "b", Some("b")), ("", "", None)]
        {
            let (mut card, mut changes) = (called(own), Changes::default());
            card.absorb(called(others), &mut changes);
            assert_eq!(card.title.as_ref().map(Title::as_str), expected, "{own:?} {others:?}");
            let is_news = changes.events.iter().any(|event| matches!(event, DomainEvent::CardNoteChanged { .. }));
            assert_eq!(is_news, own.is_empty() && !others.is_empty(), "{own:?} {others:?}");
        }
    }

    #[test]
    fn a_merged_card_is_as_private_and_as_hidden_as_either_was() {
        use Visibility::{Private, Public};
        for (own, others, expected) in [
            (Public, Public, Public),
            (Public, Private, Private),
            (Private, Public, Private),
            (Private, Private, Private),
        ] {
            let (mut card, mut changes) = (saved(own), Changes::default());
            card.absorb(saved(others), &mut changes);
            assert_eq!(card.visibility, expected);
            assert!(told(&changes).1.iter().all(|(_, visibility)| *visibility == expected), "{changes:?}");
        }
        let (mut card, mut gone) = (saved(Public), saved(Public));
        gone.set_hidden(true, &mut Changes::default());
        gone.remove_from_library(&mut Changes::default());
        card.absorb(gone, &mut Changes::default());
        assert!(card.is_hidden && card.visibility == Public);
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
    fn whatever_is_changed_of_a_card_changes_its_fingerprint() {
        let card = saved(Visibility::Public);
        let change = |change: fn(&mut Card, &mut Changes)| {
            let mut changed = card.clone();
            change(&mut changed, &mut Changes::default());
            changed.fingerprint()
        };
        let prints = [
            card.fingerprint(),
            change(|card, changes| card.set_visibility(Visibility::Private, changes)),
            change(|card, changes| card.set_title(Title::parse("a").unwrap(), true, changes)),
            change(|card, changes| card.set_note(NoteText::parse("a").unwrap(), true, changes)),
            change(|card, changes| card.set_note(NoteText::parse("b").unwrap(), true, changes)),
            change(|card, changes| card.add_to_collection(&collection(&alice()), changes).unwrap()),
            change(|card, changes| {
                card.remove_from_library(changes);
                card.add_to_library(Visibility::Public, changes);
            }),
        ];
        assert_eq!(BTreeSet::from(prints).len(), prints.len(), "{prints:?}");
        assert_eq!(change(|card, _| card.collection_links.reverse()), card.fingerprint(), "their order is nobody's");
    }

    #[test]
    fn title_and_note_change_with_one_event_and_go_with_the_card() {
        let mut card = saved(Visibility::Public);
        let mut changes = Changes::default();
        let title = Title::parse("Mine").unwrap();
        card.set_title(title.clone(), true, &mut changes);
        card.set_note(NoteText::parse("sesame").unwrap(), true, &mut changes);
        card.set_title(title.clone(), true, &mut changes);
        assert_eq!((changes.rows.len(), changes.events.len()), (2, 1), "{changes:?}");
        let link_id = card.library_link.unwrap();
        let mut changes = Changes::default();
        card.remove_from_library(&mut changes);
        assert_eq!((&card.title, &card.note), (&None, &None));
        assert!(changes.rows.contains(&Change::SetTitle { card_id: card.id, link_id, title: None }));
        let mut changes = Changes::default();
        card.set_title(title, true, &mut changes);
        assert!(changes.rows.is_empty() && card.title.is_none(), "it is in no library");
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
