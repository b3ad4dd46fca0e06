//! What people see of libraries.

use std::time::Duration;

use cardwire_domain::collection::AccessType;
use cardwire_domain::library::{LibraryFilter, LibraryOrder};
use cardwire_domain::url::CardUrl;
use cardwire_domain::{CardId, DomainEvent, Error, Position, UserId};
use cardwire_events::Queue;

use super::scene::{all_pages, page, person, refused, sorted};
use super::{Stores, Tested};

pub async fn a_library_is_listed_newest_first_and_filtered(stores: Stores) -> Tested {
    let alice = person("alice");
    let collection = stores.collection(&alice, "plants", AccessType::Closed).await?;
    stores.save(&alice, "https://example.com/Rust-book").await?;
    stores.time.advance(Duration::from_secs(1)).await;
    stores.save_with(&alice, "https://example.com/cooking", Some("Slow food"), &[]).await?;
    stores.time.advance(Duration::from_secs(1)).await;
    stores.save_with(&alice, "https://example.com/garden", None, &[collection]).await?;
    stores.save(&person("bob"), "https://example.com/rust").await?;
    for (text, uncollected, expected) in [
        (None, false, &["garden", "cooking", "Rust-book"][..]),
        (Some(""), false, &["garden", "cooking", "Rust-book"]),
        (Some("RUST"), false, &["Rust-book"]),
        (Some("rust-BOOK example"), false, &["Rust-book"]),
        (Some("food slow"), false, &["cooking"]),
        (Some("food cooking"), false, &["cooking"]),
        (Some("food rust"), false, &[]),
        (Some("%"), false, &[]),
        (Some("c_oking"), false, &[]),
        (Some("\\"), false, &[]),
        (Some("\0"), false, &[]),
        (None, true, &["cooking", "Rust-book"]),
        (Some("garden"), true, &[]),
    ] {
        let filter = LibraryFilter { text: text.map(str::to_owned), uncollected, ..LibraryFilter::default() };
        let found = stores.library.library(&alice, &filter, &page(100, None)).await?;
        let paths: Vec<_> = found.items.iter().map(|card| card.card.url.rsplit('/').next().unwrap_or("")).collect();
        assert_eq!(paths, expected, "{filter:?}");
        assert_eq!(found.next, None);
    }
    Ok(())
}

pub async fn pages_of_a_library_neither_skip_nor_repeat(stores: Stores) -> Tested {
    let alice = person("alice");
    // 20 that came at the same time, and some that did not.
    let tied: Vec<(UserId, String)> =
        (0..20).map(|number| (alice.clone(), format!("https://example.com/{number}"))).collect();
    let mut ids = stores.save_at_once(&tied).await?;
    for number in 20..25 {
        ids.push(stores.save(&alice, &format!("https://example.com/{number}")).await?.url_card_id);
    }
    for limit in [1, 7, 25, 100] {
        let (library, owner, all) = (&stores.library, &alice, &LibraryFilter::default());
        let cards = all_pages(limit, |page| async move { library.library(owner, all, &page).await }).await?;
        let order: Vec<_> = cards.iter().map(|card| (card.added_at, card.card.id)).collect();
        let mut newest_first = sorted(order.clone());
        newest_first.reverse();
        assert_eq!(order, newest_first, "in pages of {limit}");
        assert_eq!(sorted(order.into_iter().map(|(_, id)| id).collect()), sorted(ids.clone()), "in pages of {limit}");
    }
    Ok(())
}

pub async fn a_library_is_listed_in_the_order_asked_for(stores: Stores) -> Tested {
    let alice = person("alice");
    let saves = [
        ("https://www.b.example/1", "zebra"),
        ("http://a.example:8080/2", "Apple"),
        ("https://b.example/3", "apple"),
        ("https://a.example/4", "Éclair"),
        ("https://c.example/untitled", ""),
    ];
    let mut ids = Vec::new();
    for (url, title) in saves {
        let id = match title {
            "" => stores.save(&alice, url).await?.url_card_id,
            title => stores.save_called(&alice, url, title).await?,
        };
        ids.push(id);
        stores.time.advance(Duration::from_secs(1)).await;
    }
    stores.save_called(&person("bob"), "https://a.example/1", "aardvark").await?;
    assert_eq!(stores.library.library_size(&alice).await?, 5);
    assert_eq!(stores.library.library_size(&person("nobody")).await?, 0);
    // The two that are called alike come in the order of their ids.
    let (one, other) = if ids[1] < ids[2] { ("2", "3") } else { ("3", "2") };
    for (order, expected) in [
        (LibraryOrder::Newest, ["untitled", "4", "3", "2", "1"]),
        (LibraryOrder::Oldest, ["1", "2", "3", "4", "untitled"]),
        (LibraryOrder::Title, [one, other, "untitled", "1", "4"]),
        (LibraryOrder::Site, ["2", "4", "3", "1", "untitled"]),
    ] {
        // Words find the same cards in the same order.
        for text in [None, Some("example".to_owned())] {
            let filter = LibraryFilter { text, order, ..LibraryFilter::default() };
            for limit in [1, 2, 5, 100] {
                let (library, owner, filter) = (&stores.library, &alice, &filter);
                let cards = all_pages(limit, |page| async move { library.library(owner, filter, &page).await }).await?;
                let paths: Vec<_> =
                    cards.iter().map(|card| card.card.url.rsplit('/').next().unwrap_or_default()).collect();
                assert_eq!(paths, expected, "{filter:?} in pages of {limit}");
            }
        }
    }
    let collection = stores.collection(&alice, "plants", AccessType::Closed).await?;
    stores.collect(&alice, ids[1], &[collection]).await?;
    let filter = LibraryFilter { uncollected: true, order: LibraryOrder::Site, ..LibraryFilter::default() };
    let found = stores.library.library(&alice, &filter, &page(100, None)).await?;
    assert_eq!(found.items.len(), 4, "but for the one in a collection");
    let nonsense = Some(Position { key: 0, id: "é".repeat(20) });
    assert!(stores.library.library(&alice, &filter, &page(10, nonsense)).await.is_err(), "a place that is none");
    Ok(())
}

pub async fn notes_are_for_their_author_only(stores: Stores) -> Tested {
    let (alice, bob) = (person("alice"), person("bob"));
    let url = "https://example.com/page";
    let id = stores.save_with(&alice, url, Some("mine"), &[]).await?.url_card_id;
    for (reader, expected) in [(Some(&alice), Some("mine")), (Some(&bob), None), (None, None)] {
        let card = stores.library.library_card(id, reader).await?;
        assert_eq!(card.card.url, url);
        assert_eq!(card.note.as_ref().map(|note| note.text.as_str()), expected, "to {reader:?}");
    }
    let url = CardUrl::parse(url)?;
    assert!(stores.library.library_card_by_url(&alice, &url).await?.is_some_and(|card| card.note.is_some()));
    assert_eq!(stores.library.library_card_by_url(&bob, &url).await?, None);
    let unknown = stores.library.library_card(CardId::generate(), Some(&alice)).await;
    refused(unknown, |error| matches!(error, Error::NotFound { what: "card", .. }))
}

pub async fn a_removed_card_is_gone_until_it_is_saved_again(stores: Stores) -> Tested {
    let alice = person("alice");
    let url = "https://example.com/page";
    let collection = stores.collection(&alice, "one", AccessType::Closed).await?;
    let id = stores.save_with(&alice, url, Some("note"), &[collection]).await?.url_card_id;
    let first = links(&stores).await?;
    stores.remove(&alice, id).await?;
    assert_eq!(stores.library_of(&alice).await?, []);
    let gone: fn(&Error) -> bool = |error| matches!(error, Error::NotFound { what: "card", .. });
    refused(stores.library.library_card(id, Some(&alice)).await, gone)?;
    assert_eq!(stores.library.library_card_by_url(&alice, &CardUrl::parse(url)?).await?, None);
    assert_eq!(stores.collections.collection(collection, None).await?.card_count, 0);
    let error = stores.remove(&alice, id).await.expect_err("it is gone").downcast::<Error>()?;
    assert!(gone(&error), "{error}");

    let again = stores.save(&alice, url).await?;
    assert!(again.created);
    assert_eq!(again.url_card_id, id, "it is the same card");
    let card = stores.library.library_card(id, Some(&alice)).await?;
    assert_eq!((card.note, card.collections), (None, vec![]));
    let second = links(&stores).await?;
    assert_eq!((first.len(), second.len()), (1, 1));
    assert_ne!(first, second, "it is a new link");
    Ok(())
}

/// The library links of events that were not delivered yet.
async fn links(stores: &Stores) -> anyhow::Result<Vec<cardwire_domain::LinkId>> {
    let events = stores.deliver(Queue::Feeds).await?;
    let links = events.iter().filter_map(|event| match event.event {
        DomainEvent::CardAddedToLibrary { link_id, .. } => Some(link_id),
        _ => None,
    });
    Ok(links.collect())
}
