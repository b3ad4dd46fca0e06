//! Collections: who may add, and what becomes of cards and collections that part.

use cardwire_domain::collection::AccessType;
use cardwire_domain::use_cases::{CreateCollection, DeleteCollection, SetCollaborators, UpdateCollection};
use cardwire_domain::{CardId, CollectionId, DomainEvent, Error, PageRequest, UserId};
use cardwire_events::Queue;

use super::scene::{all_pages, at_once, page, person, refused, sorted};
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
    let command =
        CreateCollection { name: " Plants ".into(), description: Some("green".into()), access: AccessType::Open };
    let id = stores.run(&alice, &command).await?.id;
    let card = stores.save_with(&person("bob"), URL, None, &[id]).await?.url_card_id;
    let view = stores.collections.collection(id).await?;
    assert_eq!((view.name.as_str(), view.description.as_str(), view.access), ("Plants", "green", AccessType::Open));
    assert_eq!((view.author.id, view.author.handle.as_str()), (alice, "alice"));
    assert_eq!((view.collaborators.len(), view.card_count), (0, 1));
    let cards = stores.collections.cards_in(id, &PageRequest::default()).await?.items;
    assert_eq!(cards.len(), 1);
    assert_eq!((cards[0].card.id, cards[0].added_by.handle.as_str()), (card, "bob"));
    refused(stores.collections.collection(CollectionId::generate()).await, is_missing)?;
    refused(stores.collections.cards_in(CollectionId::generate(), &PageRequest::default()).await, is_missing)
}

pub async fn an_update_replaces_all_but_the_author(stores: Stores) -> Tested {
    let (alice, bob) = (person("alice"), person("bob"));
    let id = stores.collection(&alice, "before", AccessType::Closed).await?;
    let before = stores.collections.collection(id).await?;
    stores.run(&alice, &SetCollaborators { id: id.to_string(), user_ids: vec![bob.to_string()] }).await?;
    let update = UpdateCollection {
        id: id.to_string(),
        name: "after".into(),
        description: Some("new".into()),
        access: AccessType::Open,
    };
    stores.run(&alice, &update).await?;
    let after = stores.collections.collection(id).await?;
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
    stores.run(&alice, &SetCollaborators { id: id.to_string(), user_ids: vec![bob.to_string()] }).await?;
    stores.collect(&bob, card, &[id]).await?;
    for (reader, expected) in [(&alice, &["shared"][..]), (&bob, &["shared"]), (&carol, &[])] {
        assert_eq!(names_of(&stores, reader).await?, expected, "{reader}");
    }
    stores.run(&alice, &SetCollaborators { id: id.to_string(), user_ids: vec![] }).await?;
    assert_eq!(names_of(&stores, &bob).await?, Vec::<String>::new());
    assert_eq!(stores.collections.collection(id).await?.card_count, 1, "what he added stays");
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
    refused(stores.collections.collection(id).await, is_missing)?;
    assert_eq!(names_of(&stores, &alice).await?, ["kept"]);
    for (owner, expected) in [(&alice, &["kept"][..]), (&bob, &[])] {
        let library = stores.library_of(owner).await?;
        let names: Vec<_> = library[0].collections.iter().map(|collection| collection.name.as_str()).collect();
        assert_eq!(names, expected, "{owner}");
    }
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
    assert_eq!(stores.collections.collection(id).await?.card_count, 0);
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
        let read = |page| async move { repository.cards_in(first, &page).await };
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
