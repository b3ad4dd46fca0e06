//! A refused command leaves nothing behind: no row, no event, no delivery.

use std::time::{Duration, Instant};

use anyhow::ensure;
use cardwire_domain::collection::{AccessType, Collection, Description, Name};
use cardwire_domain::url::CardUrl;
use cardwire_domain::use_cases::{
    AddUrlToLibrary, DeleteCollection, SetCollaborators, UpdateCollection, UpdateUrlCardAssociations,
};
use cardwire_domain::{Card, CardId, Change, Changes, CollectionId, Error, PageRequest, Visibility};

use super::scene::{person, refused, saving, texts};
use super::{Stores, Tested};

const URL: &str = "https://example.com/page";

pub async fn a_refused_command_stores_nothing(stores: Stores) -> Tested {
    let (alice, bob) = (person("alice"), person("bob"));
    let own = stores.collection(&alice, "own", AccessType::Closed).await?;
    let closed = stores.collection(&bob, "closed", AccessType::Closed).await?;
    let before = stores.log.backlog().await?;
    let long = "x".repeat(10_001);
    let nonsense =
        AddUrlToLibrary { collection_ids: vec![own.to_string(), "nonsense".into()], ..saving(URL, None, &[]) };
    let via_nobody = AddUrlToLibrary { via_card_id: Some(CardId::generate().to_string()), ..saving(URL, None, &[own]) };
    let invalid: fn(&Error) -> bool = |error| matches!(error, Error::Invalid { .. });
    let missing: fn(&Error) -> bool = |error| matches!(error, Error::NotFound { .. });
    let forbidden: fn(&Error) -> bool = |error| matches!(error, Error::Forbidden(_));
    for (command, expected) in [
        (saving(URL, Some(&long), &[own]), invalid),
        (saving(URL, Some("a\0b"), &[own]), invalid),
        (saving("javascript:alert(1)", Some("fine"), &[own]), invalid),
        (saving(URL, Some("fine"), &[own, CollectionId::generate()]), missing),
        (nonsense, missing),
        (via_nobody, missing),
        (saving(URL, Some("fine"), &[closed]), forbidden),
        (saving(URL, Some("fine"), &[own, closed]), forbidden),
    ] {
        refused(stores.run(&alice, &command).await, expected)?;
        assert_eq!(stores.library_of(&alice).await?, [], "{command:?}");
        assert_eq!(stores.log.backlog().await?, before, "{command:?}");
        assert_eq!(stores.collections.collection(own, None).await?.card_count, 0, "{command:?}");
    }
    let saved = stores.save_with(&alice, URL, Some("fine"), &[own]).await?;
    assert!(saved.created, "nothing of the refused commands is in the way");
    refused(stores.run(&alice, &saving(URL, Some("other"), &[closed])).await, forbidden)?;
    let note = stores.library.library_card(saved.url_card_id, Some(&alice)).await?.note;
    assert_eq!(note.map(|note| note.text.as_str().to_owned()).as_deref(), Some("fine"), "the note stays too");
    Ok(())
}

pub async fn a_dropped_transaction_stores_nothing(stores: Stores) -> Tested {
    let alice = person("alice");
    let saved = stores.save(&alice, URL).await?;
    let before = stores.log.backlog().await?;
    let mut tx = stores.store.begin().await?;
    let mut card = tx.card(saved.url_card_id).await?.expect("it was saved");
    let mut changes = Changes::default();
    card.remove_from_library(&mut changes);
    drop(tx);
    assert_eq!(stores.log.backlog().await?, before);
    assert_eq!(stores.library_of(&alice).await?.len(), 1);
    // What the dropped transaction had read is free for others.
    let mut tx = stores.store.begin().await?;
    assert!(tx.card_by_url(&alice, URL).await?.is_some());
    tx.commit(changes).await?;
    assert_eq!(stores.library_of(&alice).await?, []);
    Ok(())
}

pub async fn a_second_card_for_a_url_is_stale_and_stores_nothing(stores: Stores) -> Tested {
    let alice = person("alice");
    let saved = stores.save(&alice, URL).await?;
    let before = stores.log.backlog().await?;
    let collection = Collection {
        id: CollectionId::generate(),
        author: alice.clone(),
        name: Name::parse("kept whole or not at all")?,
        description: Description::default(),
        access: AccessType::Open,
        visibility: Visibility::Public,
        collaborators: Default::default(),
        invited: Default::default(),
    };
    let mut changes = Changes::default();
    changes.rows.push(Change::InsertCollection(collection.clone()));
    let mut other = Card::create(alice.clone(), CardUrl::parse(URL)?, None, &mut changes);
    other.add_to_library(Visibility::Public, &mut changes);
    refused(stores.store.begin().await?.commit(changes).await, |error| matches!(error, Error::Stale))?;
    assert_eq!(stores.log.backlog().await?, before);
    let library = stores.library_of(&alice).await?;
    assert_eq!(library.iter().map(|card| card.card.id).collect::<Vec<_>>(), [saved.url_card_id]);
    refused(stores.collections.collection(collection.id, None).await, |error| matches!(error, Error::NotFound { .. }))
}

pub async fn a_deleted_collection_is_not_forgotten_while_a_card_is_in_it(stores: Stores) -> Tested {
    let alice = person("alice");
    let id = stores.collection(&alice, "kept", AccessType::Open).await?;
    let card = stores.save_with(&alice, URL, None, &[id]).await?.url_card_id;
    stores.run(&alice, &DeleteCollection { id: id.to_string() }).await?;
    let changes = Changes { rows: vec![Change::ForgetCollection(id)], ..Changes::default() };
    refused(stores.store.begin().await?.commit(changes).await, |error| matches!(error, Error::Stale))?;
    let deadline = Instant::now() + Duration::from_secs(30);
    let links = loop {
        // Nobody sees it until the refused transaction is rolled back, which the refusal does not wait for.
        if let Some(deleted) = stores.store.begin().await?.deleted_collection(10).await? {
            break deleted.links;
        }
        ensure!(Instant::now() < deadline, "the deleted collection is not there");
        tokio::task::yield_now().await;
    };
    assert_eq!(links.iter().map(|(card, _)| *card).collect::<Vec<_>>(), [card]);
    Ok(())
}

pub async fn strangers_change_nothing(stores: Stores) -> Tested {
    let (alice, bob) = (person("alice"), person("bob"));
    let hers = stores.collection(&alice, "hers", AccessType::Open).await?;
    let his = stores.collection(&bob, "his", AccessType::Open).await?;
    let card = stores.save_with(&alice, URL, Some("hers"), &[hers]).await?.url_card_id;
    let before = stores.log.backlog().await?;
    let forbidden: fn(&Error) -> bool = |error| matches!(error, Error::Forbidden(_));
    let (id, card_id) = (hers.to_string(), card.to_string());
    let note = UpdateUrlCardAssociations { card_id, note: Some("his".into()), ..Default::default() };
    refused(stores.run(&bob, &note).await, forbidden)?;
    let rename = UpdateCollection {
        id: id.clone(),
        name: "his".into(),
        description: None,
        access: AccessType::Closed,
        visibility: None,
    };
    refused(stores.run(&bob, &rename).await, forbidden)?;
    refused(stores.run(&bob, &SetCollaborators { id: id.clone(), user_ids: vec![] }).await, forbidden)?;
    refused(stores.run(&bob, &DeleteCollection { id }).await, forbidden)?;
    for attempt in [
        stores.collect(&bob, card, &[his]).await,
        stores.uncollect(&bob, card, &[hers]).await,
        stores.remove(&bob, card).await,
    ] {
        let error = attempt.expect_err("it is not his card").downcast::<Error>()?;
        assert!(forbidden(&error), "{error}");
    }
    assert_eq!(stores.log.backlog().await?, before);
    let shown = stores.library.library_card(card, Some(&alice)).await?;
    assert_eq!(shown.note.map(|note| note.text.as_str().to_owned()).as_deref(), Some("hers"));
    assert_eq!(texts(&shown.collections.iter().map(|c| c.id).collect::<Vec<_>>()), texts(&[hers]));
    assert_eq!(stores.collections.collection(hers, None).await?.name, "hers");
    assert_eq!(stores.collections.cards_in(his, None, &PageRequest::default()).await?.items, []);
    Ok(())
}
