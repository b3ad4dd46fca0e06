//! Saving a URL: one card for each person and URL, and an event for what is new.

use std::collections::BTreeSet;

use cardwire_domain::collection::AccessType;
use cardwire_domain::use_cases::AddUrlToLibrary;
use cardwire_domain::{CollectionId, DomainEvent, Error};
use cardwire_events::Queue;

use super::scene::{at_once, person, refused, saving, sorted};
use super::{Stores, Tested};

const URL: &str = "https://example.com/page";

pub async fn a_new_url_makes_one_card_and_one_event(stores: Stores) -> Tested {
    let alice = person("alice");
    let saved = stores.save(&alice, " https://Example.com/page ").await?;
    assert!(saved.created);
    assert_eq!(saved.note_card_id, None);
    let library = stores.library_of(&alice).await?;
    assert_eq!(library.len(), 1);
    assert_eq!(library[0].card.id, saved.url_card_id);
    assert_eq!(library[0].card.url, "https://Example.com/page", "the URL is kept as given, trimmed");
    assert_eq!(library[0].owner.handle, "alice", "a person without an account is called by the end of the DID");
    for queue in Queue::ALL {
        let events = stores.deliver(queue).await?;
        assert_eq!(events.len(), 1, "{queue}");
        assert_eq!(events[0].occurred_at, library[0].added_at);
        assert!(
            matches!(&events[0].event, DomainEvent::CardAddedToLibrary { card_id, actor_id, .. }
                if *card_id == saved.url_card_id && *actor_id == alice),
            "{queue}: {:?}",
            events[0].event
        );
    }
    Ok(())
}

pub async fn saving_again_returns_the_same_card_and_no_event(stores: Stores) -> Tested {
    let alice = person("alice");
    let first = stores.save(&alice, URL).await?;
    let before = stores.log.backlog().await?;
    for again in [URL, "https://EXAMPLE.com:443/page#part", "https://example.com/page?utm_source=x&fbclid=y"] {
        let saved = stores.save(&alice, again).await?;
        assert!(!saved.created, "{again}");
        assert_eq!(saved.url_card_id, first.url_card_id, "{again}");
    }
    assert_eq!(stores.log.backlog().await?, before);
    let library = stores.library_of(&alice).await?;
    assert_eq!(library.len(), 1);
    assert_eq!(library[0].card.url, URL, "the first spelling stays");
    Ok(())
}

pub async fn the_note_is_replaced_kept_or_dropped(stores: Stores) -> Tested {
    let alice = person("alice");
    let mut ids = BTreeSet::new();
    for (given, expected) in [
        (None, None),
        (Some("first"), Some("first")),
        (None, Some("first")),
        (Some("first"), Some("first")),
        (Some(" second\n"), Some("second")),
        (Some("  "), None),
    ] {
        let saved = stores.save_with(&alice, URL, given, &[]).await?;
        let note = stores.library.library_card(saved.url_card_id, Some(&alice)).await?.note;
        assert_eq!(note.as_ref().map(|note| note.text.as_str()), expected, "after {given:?}");
        assert_eq!(saved.note_card_id, note.as_ref().map(|note| note.id), "after {given:?}");
        ids.extend(saved.note_card_id);
    }
    assert_eq!(ids.len(), 1, "a note that is replaced stays the same card");
    let events = stores.deliver(Queue::Search).await?;
    let changed = events.iter().filter(|event| matches!(event.event, DomainEvent::CardNoteChanged { .. }));
    assert_eq!((changed.count(), events.len()), (3, 4), "set, replaced and dropped; and the save itself");
    Ok(())
}

pub async fn only_collections_that_are_new_are_added(stores: Stores) -> Tested {
    let alice = person("alice");
    let one = stores.collection(&alice, "one", AccessType::Closed).await?;
    let two = stores.collection(&alice, "two", AccessType::Closed).await?;
    let saved = stores.save_with(&alice, URL, None, &[one]).await?;
    assert_eq!(collected(&stores).await?, [one]);
    stores.save_with(&alice, URL, None, &[one, two, two]).await?;
    assert_eq!(collected(&stores).await?, [two], "only what is new");
    stores.collect(&alice, saved.url_card_id, &[two, one]).await?;
    assert_eq!(collected(&stores).await?, []);
    let card = stores.library.library_card(saved.url_card_id, None).await?;
    let names: Vec<_> = card.collections.iter().map(|collection| collection.name.as_str()).collect();
    assert_eq!(sorted(names), ["one", "two"]);
    Ok(())
}

/// The collections of the additions that were not delivered yet.
async fn collected(stores: &Stores) -> anyhow::Result<Vec<CollectionId>> {
    let events = stores.deliver(Queue::Feeds).await?;
    let ids = events.iter().filter_map(|event| match event.event {
        DomainEvent::CardAddedToCollection { collection_id, .. } => Some(collection_id),
        _ => None,
    });
    Ok(ids.collect())
}

pub async fn a_card_remembers_through_which_it_was_found(stores: Stores) -> Tested {
    let (alice, bob) = (person("alice"), person("bob"));
    let hers = stores.save(&alice, URL).await?.url_card_id;
    let command = AddUrlToLibrary { via_card_id: Some(hers.to_string()), ..saving(URL, None, &[]) };
    let his = stores.run(&bob, &command).await?.url_card_id;
    let mut tx = stores.store.begin().await?;
    let (hers, his) = (tx.card(hers).await?, tx.card(his).await?);
    drop(tx);
    assert_eq!(his.and_then(|card| card.via), hers.map(|card| card.id));
    let unknown = AddUrlToLibrary {
        via_card_id: Some(cardwire_domain::CardId::generate().to_string()),
        ..saving("https://example.com/other", None, &[])
    };
    refused(stores.run(&bob, &unknown).await, |error| matches!(error, Error::NotFound { what: "card", .. }))
}

pub async fn two_people_have_a_card_each(stores: Stores) -> Tested {
    let (alice, bob) = (person("alice"), person("bob"));
    let hers = stores.save_with(&alice, URL, Some("hers"), &[]).await?;
    let his = stores.save_with(&bob, URL, Some("his"), &[]).await?;
    assert!(hers.created && his.created);
    assert_ne!(hers.url_card_id, his.url_card_id);
    for (owner, saved, text) in [(&alice, &hers, "hers"), (&bob, &his, "his")] {
        let library = stores.library_of(owner).await?;
        assert_eq!(library.len(), 1);
        assert_eq!(library[0].card.id, saved.url_card_id);
        assert_eq!(library[0].note.as_ref().map(|note| note.text.as_str()), Some(text));
    }
    Ok(())
}

pub async fn parallel_saves_of_one_url_make_one_card(stores: Stores) -> Tested {
    let saves = (0..50).map(|_| {
        let stores = stores.clone();
        async move { stores.save(&person("alice"), URL).await }
    });
    let saved = at_once(saves).await?.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    let ids: BTreeSet<_> = saved.iter().map(|saved| saved.url_card_id).collect();
    assert_eq!(ids.len(), 1, "one card");
    assert_eq!(saved.iter().filter(|saved| saved.created).count(), 1, "one save created it");
    for queue in Queue::ALL {
        assert_eq!(stores.deliver(queue).await?.len(), 1, "one event to {queue}");
    }
    assert_eq!(stores.library_of(&person("alice")).await?.len(), 1);
    Ok(())
}

pub async fn parallel_saves_lose_no_collection_and_no_note(stores: Stores) -> Tested {
    let alice = person("alice");
    let collections = stores.collections_at_once(&alice, 20).await?;
    stores.deliver(Queue::Feeds).await?;
    let saves = collections.iter().copied().enumerate().map(|(number, collection)| {
        let stores = stores.clone();
        let note = format!("note {number}");
        async move { stores.save_with(&person("alice"), URL, Some(&note), &[collection]).await }
    });
    for saved in at_once(saves).await? {
        saved?;
    }
    assert_eq!(sorted(collected(&stores).await?), sorted(collections.clone()), "each addition is told once");
    let library = stores.library_of(&alice).await?;
    assert_eq!(library.len(), 1);
    let shown: Vec<_> = library[0].collections.iter().map(|collection| collection.id).collect();
    assert_eq!(sorted(shown), sorted(collections));
    let note = library[0].note.as_ref().map(|note| note.text.as_str().to_owned()).unwrap_or_default();
    assert!((0..20).any(|number| note == format!("note {number}")), "{note:?} is one of the notes");
    Ok(())
}

pub async fn parallel_saves_of_many_people_do_not_meet(stores: Stores) -> Tested {
    let saves = (0..20).map(|number| {
        let stores = stores.clone();
        async move { stores.save(&person(&format!("person{number}")), URL).await }
    });
    let saved = at_once(saves).await?.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    assert!(saved.iter().all(|saved| saved.created));
    let ids: BTreeSet<_> = saved.iter().map(|saved| saved.url_card_id).collect();
    assert_eq!(ids.len(), 20);
    assert_eq!(stores.deliver(Queue::Analytics).await?.len(), 20);
    Ok(())
}
