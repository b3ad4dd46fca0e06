//! What a card allows, and what each change of it says.

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
    for (own, others, expected) in [("a", "a", Some("a")), ("", "b", Some("b")), ("a", "", Some("a")), ("", "", None)] {
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
    for (own, others, expected) in [("a", "b", Some("a")), ("a", "", Some("a")), ("", "b", Some("b")), ("", "", None)] {
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
    for (own, others, expected) in
        [(Public, Public, Public), (Public, Private, Private), (Private, Public, Private), (Private, Private, Private)]
    {
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
