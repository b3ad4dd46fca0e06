//! Collections: who may add, and what becomes of cards and collections that part.

use cardwire_domain::collection::AccessType;
use cardwire_domain::library::LibraryFilter;
use cardwire_domain::use_cases::{
    CreateCollection, DeleteCollection, UpdateCollection, UpdateUrlCardAssociations, let_cards_go,
};
use cardwire_domain::{Card, CardId, CollectionId, DomainEvent, Error, LinkId, PageRequest, RecordedEvent, UserId};
use cardwire_events::Queue;

use super::scene::{all_pages, at_once, creating, page, person, refused, sorted};
use super::{Stores, Tested};

const URL: &str = "https://example.com/page";

fn is_forbidden(error: &Error) -> bool {
    matches!(error, Error::Forbidden(_))
}

fn is_missing(error: &Error) -> bool {
    matches!(error, Error::NotFound { .. })
}

async fn names_of(stores: &Stores, owner: &UserId) -> anyhow::Result<Vec<String>> {
    let collections = stores.collections.collections_of(owner, &page(100, None)).await?;
    Ok(sorted(collections.items.into_iter().map(|collection| collection.name).collect()))
}

pub async fn a_collection_shows_what_it_is_and_whose(stores: Stores) -> Tested {
    let alice = person("alice");
    let command = CreateCollection { description: Some("green".into()), ..creating(" Plants ", AccessType::Open) };
    let id = stores.run(&alice, &command).await?.id;
    let card = stores.save_with(&person("bob"), URL, None, &[id]).await?.url_card_id;
    let view = stores.collections.collection(id, None).await?;
    assert_eq!((view.name.as_str(), view.description.as_str(), view.access), ("Plants", "green", AccessType::Open));
    assert_eq!((view.author.id, view.author.handle.as_str()), (alice, "alice"));
    assert_eq!((view.collaborators.len(), view.card_count), (0, 1));
    let cards = stores.collections.cards_in(id, None, &PageRequest::default()).await?.items;
    assert_eq!(cards.len(), 1);
    assert_eq!((cards[0].card.id, cards[0].added_by.handle.as_str()), (card, "bob"));
    refused(stores.collections.collection(CollectionId::generate(), None).await, is_missing)?;
    refused(stores.collections.cards_in(CollectionId::generate(), None, &PageRequest::default()).await, is_missing)
}

pub async fn an_update_replaces_all_but_the_author(stores: Stores) -> Tested {
    let (alice, bob) = (person("alice"), person("bob"));
    let id = stores.collection(&alice, "before", AccessType::Closed).await?;
    let before = stores.collections.collection(id, None).await?;
    stores.invite(&alice, id, &[&bob]).await?;
    stores.accept(&bob, id).await?;
    let update = UpdateCollection {
        id: id.to_string(),
        name: "after".into(),
        description: Some("new".into()),
        access: AccessType::Open,
        visibility: None,
    };
    stores.run(&alice, &update).await?;
    let after = stores.collections.collection(id, None).await?;
    assert_eq!((after.name.as_str(), after.description.as_str(), after.access), ("after", "new", AccessType::Open));
    assert_eq!((after.author, after.created_at), (before.author, before.created_at));
    assert_eq!(after.collaborators.iter().map(|user| &user.id).collect::<Vec<_>>(), [&bob]);
    assert!(after.updated_at >= before.updated_at);
    Ok(())
}

pub async fn collaborators_may_add_and_see_it_among_theirs(stores: Stores) -> Tested {
    let (alice, bob, carol) = (person("alice"), person("bob"), person("carol"));
    let id = stores.collection(&alice, "shared", AccessType::Closed).await?;
    let card = stores.save(&bob, URL).await?.url_card_id;
    let refuse = async || -> Tested {
        let error = stores.collect(&bob, card, &[id]).await.expect_err("he may not add").downcast::<Error>()?;
        assert!(is_forbidden(&error), "{error}");
        Ok(())
    };
    refuse().await?;
    stores.invite(&alice, id, &[&bob]).await?;
    stores.accept(&bob, id).await?;
    stores.collect(&bob, card, &[id]).await?;
    for (reader, expected) in [(&alice, &["shared"][..]), (&bob, &["shared"]), (&carol, &[])] {
        assert_eq!(names_of(&stores, reader).await?, expected, "{reader}");
    }
    stores.invite(&alice, id, &[]).await?;
    assert_eq!(names_of(&stores, &bob).await?, Vec::<String>::new());
    assert_eq!(stores.collections.collection(id, None).await?.card_count, 1, "what he added stays");
    stores.uncollect(&bob, card, &[id]).await?;
    refuse().await
}

pub async fn a_deleted_collection_lets_its_cards_go(stores: Stores) -> Tested {
    let (alice, bob) = (person("alice"), person("bob"));
    let id = stores.collection(&alice, "doomed", AccessType::Open).await?;
    let kept = stores.collection(&alice, "kept", AccessType::Open).await?;
    stores.save_with(&alice, URL, None, &[id, kept]).await?;
    let his = stores.save_with(&bob, URL, None, &[id]).await?.url_card_id;
    stores.deliver(Queue::Feeds).await?;
    stores.run(&alice, &DeleteCollection { id: id.to_string() }).await?;
    refused(stores.collections.collection(id, None).await, is_missing)?;
    assert_eq!(names_of(&stores, &alice).await?, ["kept"]);
    for (owner, expected) in [(&alice, &["kept"][..]), (&bob, &[])] {
        let library = stores.library_of(owner).await?;
        let names: Vec<_> = library[0].collections.iter().map(|collection| collection.name.as_str()).collect();
        assert_eq!(names, expected, "{owner}");
    }
    stores.let_all_go(10).await?;
    let events = stores.deliver(Queue::Feeds).await?;
    let removed = |event: &DomainEvent| matches!(event, DomainEvent::CardRemovedFromCollection { collection_id, .. } if *collection_id == id);
    assert_eq!(events.len(), 2);
    assert!(events.iter().all(|event| removed(&event.event)), "{events:?}");
    let error = stores.collect(&bob, his, &[id]).await.expect_err("it is gone").downcast::<Error>()?;
    assert!(is_missing(&error), "{error}");
    Ok(())
}

pub async fn cards_leave_collections_by_their_owner_or_the_author(stores: Stores) -> Tested {
    let (alice, bob, carol) = (person("alice"), person("bob"), person("carol"));
    let id = stores.collection(&alice, "open", AccessType::Open).await?;
    let his = stores.save_with(&bob, URL, None, &[id]).await?.url_card_id;
    let theirs = stores.save_with(&carol, URL, None, &[id]).await?.url_card_id;
    let error = stores.uncollect(&carol, his, &[id]).await.expect_err("not hers").downcast::<Error>()?;
    assert!(is_forbidden(&error), "{error}");
    stores.uncollect(&bob, his, &[id]).await?;
    stores.uncollect(&alice, theirs, &[id]).await?;
    assert_eq!(stores.collections.collection(id, None).await?.card_count, 0);
    let before = stores.log.backlog().await?;
    stores.uncollect(&bob, his, &[id]).await?;
    assert_eq!(stores.log.backlog().await?, before, "what is not in it cannot leave it again");
    assert_eq!(stores.library_of(&bob).await?.len(), 1, "it stays in the library");
    Ok(())
}

pub async fn pages_of_collections_neither_skip_nor_repeat(stores: Stores) -> Tested {
    let alice = person("alice");
    let collections = stores.collections_at_once(&alice, 23).await?;
    let people: Vec<(UserId, String)> =
        (0..23).map(|number| (person(&format!("person{number}")), URL.to_owned())).collect();
    let cards = stores.save_at_once(&people).await?;
    for ((owner, _), card) in people.iter().zip(&cards) {
        stores.collect(owner, *card, &collections[..1]).await?;
    }
    let (repository, author, first) = (&stores.collections, &alice, collections[0]);
    for limit in [1, 5, 23, 100] {
        let read = |page| async move { repository.collections_of(author, &page).await };
        let listed = all_pages(limit, read).await?;
        let order: Vec<_> = listed.iter().map(|view| (view.created_at, view.id)).collect();
        assert!(order.is_sorted_by(|a, b| a > b), "collections in pages of {limit}: {order:?}");
        assert_eq!(order.len(), collections.len());
        let read = |page| async move { repository.cards_in(first, None, &page).await };
        let listed = all_pages(limit, read).await?;
        let order: Vec<(_, CardId)> = listed.iter().map(|card| (card.added_at, card.card.id)).collect();
        assert!(order.is_sorted_by(|a, b| a > b), "cards in pages of {limit}: {order:?}");
        assert_eq!(order.len(), cards.len());
    }
    Ok(())
}

pub async fn adding_while_the_collection_is_deleted_leaves_no_orphan(stores: Stores) -> Tested {
    let alice = person("alice");
    let id = stores.collection(&alice, "doomed", AccessType::Open).await?;
    let adders = (0..12).map(|number| {
        let stores = stores.clone();
        async move {
            if number == 6 {
                let deleted = stores.run(&person("alice"), &DeleteCollection { id: id.to_string() }).await;
                return deleted.map(|_| ()).map_err(anyhow::Error::from);
            }
            match stores.save_with(&person(&format!("person{number}")), URL, None, &[id]).await {
                Ok(_) => Ok(()),
                Err(error) if error.downcast_ref().is_some_and(is_missing) => Ok(()),
                Err(error) => Err(error),
            }
        }
    });
    for result in at_once(adders).await? {
        result?;
    }
    stores.let_all_go(5).await?;
    let events = stores.deliver(Queue::Feeds).await?;
    let links = |wanted: fn(&DomainEvent) -> Option<cardwire_domain::LinkId>| {
        sorted(events.iter().filter_map(|event| wanted(&event.event)).collect::<Vec<_>>())
    };
    let added = links(|event| match event {
        DomainEvent::CardAddedToCollection { link_id, .. } => Some(*link_id),
        _ => None,
    });
    let removed = links(|event| match event {
        DomainEvent::CardRemovedFromCollection { link_id, .. } => Some(*link_id),
        _ => None,
    });
    assert_eq!(added, removed, "whoever came before the deletion was let go by it");
    for number in (0..12).filter(|number| *number != 6) {
        for card in stores.library_of(&person(&format!("person{number}"))).await? {
            assert_eq!(card.collections, [], "{number}");
        }
    }
    Ok(())
}

/// The links whose end was told, in the order of the events.
async fn ended(stores: &Stores) -> anyhow::Result<Vec<LinkId>> {
    let ended = |event: &RecordedEvent| match event.event {
        DomainEvent::CardRemovedFromCollection { link_id, .. } => Some(link_id),
        _ => None,
    };
    Ok(stores.deliver(Queue::Feeds).await?.iter().filter_map(ended).collect())
}

/// An OPEN collection with the cards of that many people.
async fn crowded(stores: &Stores, author: &UserId, people: usize) -> anyhow::Result<(CollectionId, Vec<CardId>)> {
    let id = stores.collection(author, "crowded", AccessType::Open).await?;
    let saves: Vec<_> = (0..people).map(|number| (person(&format!("person{number}")), format!("{URL}/{id}"))).collect();
    let cards = stores.save_at_once(&saves).await?;
    for ((owner, _), card) in saves.iter().zip(&cards) {
        stores.collect(owner, *card, &[id]).await?;
    }
    stores.flush_feed().await?;
    Ok((id, cards))
}

pub async fn a_deleted_collection_is_gone_at_once_and_its_cards_leave_it_in_portions(stores: Stores) -> Tested {
    let alice = person("alice");
    let (id, cards) = crowded(&stores, &alice, 23).await?;
    stores.run(&alice, &DeleteCollection { id: id.to_string() }).await?;
    refused(stores.collections.collection(id, None).await, is_missing)?;
    refused(stores.collections.cards_in(id, None, &PageRequest::default()).await, is_missing)?;
    refused(stores.run(&alice, &DeleteCollection { id: id.to_string() }).await, is_missing)?;
    assert_eq!(names_of(&stores, &alice).await?, Vec::<String>::new());
    let (owner, card) = (person("person0"), cards[0]);
    assert_eq!(stores.library.library_card(card, None).await?.collections, []);
    assert!(stores.feed_told().await?.iter().all(|(_, collections)| collections.is_empty()));
    let associations = UpdateUrlCardAssociations { card_id: card.to_string(), ..Default::default() };
    assert_eq!(stores.run(&owner, &associations).await?.collection_ids, []);
    let uncollected = LibraryFilter { uncollected: true, ..LibraryFilter::default() };
    assert_eq!(stores.library.library(&owner, &uncollected, &PageRequest::default()).await?.items.len(), 1);
    assert_eq!(ended(&stores).await?, [], "no card had to leave it for that");
    // Its removal is told by whoever empties the collection, not a second time.
    stores.remove(&owner, card).await?;

    let mut told = Vec::new();
    let mut portions = 0;
    while let_cards_go(&*stores.store, 10).await? {
        let ended = ended(&stores).await?;
        assert!(ended.len() <= 10, "{}", ended.len());
        told.extend(ended);
        portions += 1;
    }
    assert_eq!((portions, told.len()), (3, 23));
    told.sort_unstable();
    told.dedup();
    assert_eq!(told.len(), 23, "each once");
    assert!(!let_cards_go(&*stores.store, 10).await?, "nothing is left to do");
    Ok(())
}

pub async fn portions_at_once_let_each_card_go_once(stores: Stores) -> Tested {
    let alice = person("alice");
    for _ in 0..2 {
        let (id, _) = crowded(&stores, &alice, 20).await?;
        stores.run(&alice, &DeleteCollection { id: id.to_string() }).await?;
    }
    let workers = (0..4).map(|_| {
        let stores = stores.clone();
        async move { stores.let_all_go(3).await }
    });
    for worker in at_once(workers).await? {
        worker?;
    }
    // One may have found the other at the last collection.
    stores.let_all_go(3).await?;
    let mut told = ended(&stores).await?;
    assert_eq!(told.len(), 40);
    told.sort_unstable();
    told.dedup();
    assert_eq!(told.len(), 40, "each once");
    Ok(())
}

pub async fn a_card_is_in_a_bounded_number_of_collections(stores: Stores) -> Tested {
    let alice = person("alice");
    let card = stores.save(&alice, URL).await?.url_card_id;
    let collections = stores.collections_at_once(&alice, Card::MAX_COLLECTIONS + 1).await?;
    for some in collections[..Card::MAX_COLLECTIONS].chunks(100) {
        stores.collect(&alice, card, some).await?;
    }
    let one_more = &collections[Card::MAX_COLLECTIONS..];
    let error = stores.collect(&alice, card, one_more).await.expect_err("it is in enough").downcast::<Error>()?;
    assert!(matches!(&error, Error::Invalid { field, .. } if field == "collectionIds"), "{error}");
    stores.uncollect(&alice, card, &collections[..1]).await?;
    stores.collect(&alice, card, one_more).await?;
    stores.remove(&alice, card).await?;
    Ok(())
}
