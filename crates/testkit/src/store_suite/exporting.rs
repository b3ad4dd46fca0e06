//! Exports: every card once with all that its owner put into it, in the order of the library.

use std::collections::BTreeMap;
use std::time::Duration;

use cardwire_domain::collection::AccessType;
use cardwire_domain::exports::{ExportedCard, Namesakes};
use cardwire_domain::use_cases::{AddUrlToLibrary, CreateCollection, DeleteCollection, UpdateCollection};
use cardwire_domain::{CollectionId, UserId, Visibility};

use super::pages::titled;
use super::scene::{all_pages, creating, person, saving, sorted};
use super::{Stores, Tested};

impl Stores {
    /// In pages of `limit`.
    async fn exported(
        &self,
        owner: &UserId,
        collections: Option<&[CollectionId]>,
        limit: u64,
    ) -> anyhow::Result<Vec<ExportedCard>> {
        let library = &self.library;
        all_pages(limit, |page| async move { library.exported(owner, collections, &page).await }).await
    }
}

fn names(names: &[(&str, Visibility)]) -> BTreeMap<String, Visibility> {
    names.iter().map(|(name, visibility)| ((*name).to_owned(), *visibility)).collect()
}

pub async fn a_card_is_exported_with_all_that_its_owner_put_into_it(stores: Stores) -> Tested {
    let (alice, bob) = (person("alice"), person("bob"));
    let own = stores.collection(&alice, "Winter", AccessType::Closed).await?;
    let twin = CreateCollection { visibility: Visibility::Private, ..creating("Winter", AccessType::Closed) };
    let twin = stores.run(&alice, &twin).await?.id;
    let open = stores.collection(&bob, "Everybody's garden", AccessType::Open).await?;
    let gone = stores.collection(&alice, "Gone", AccessType::Closed).await?;
    let command = AddUrlToLibrary {
        title: Some("Leeks".into()),
        visibility: Some(Visibility::Private),
        ..saving("https://leeks.example/?utm_source=x#top", Some("two\nlines"), &[own, twin, open, gone])
    };
    stores.run(&alice, &command).await?;
    stores.time.advance(Duration::from_secs(2)).await;
    stores.save(&alice, "https://example.com/bare").await?;
    let removed = stores.save(&alice, "https://example.com/removed").await?.url_card_id;
    stores.remove(&alice, removed).await?;
    stores.save(&bob, "https://his.example/").await?;
    stores.run(&alice, &DeleteCollection { id: gone.to_string() }).await?;
    stores.index_all().await?;
    let library = stores.library_of(&alice).await?;
    let exported = stores.exported(&alice, None, 100).await?;
    assert_eq!(exported.len(), 2);
    assert!(exported.iter().zip(&library).all(|(one, kept)| one.added_at == kept.added_at), "newest first");
    assert_eq!((exported[0].url.given(), &exported[0].title), ("https://example.com/bare", &None));
    let leeks = &exported[1];
    assert_eq!(leeks.url.given(), "https://leeks.example/?utm_source=x#top", "as it was saved");
    assert_eq!((leeks.title.as_deref(), leeks.visibility), (Some("Leeks"), Visibility::Private));
    assert_eq!(leeks.note.as_ref().map(|note| note.as_str()), Some("two\nlines"));
    let seen = names(&[("Winter", Visibility::Private), ("Everybody's garden", Visibility::Public)]);
    assert_eq!(leeks.collections, seen, "of one name, one, and private if one of them is");
    stores.fetched("https://example.com/bare", titled("Bare")).await?;
    assert_eq!(stores.exported(&alice, None, 100).await?[0].title.as_deref(), Some("Bare"), "what it is called");

    // What she does not see any more is not told.
    let closed = UpdateCollection {
        id: open.to_string(),
        name: "His secret".into(),
        description: None,
        access: AccessType::Open,
        visibility: Some(Visibility::Private),
    };
    stores.run(&bob, &closed).await?;
    assert_eq!(stores.exported(&alice, None, 100).await?[1].collections, names(&[("Winter", Visibility::Private)]));
    let winter = Namesakes { name: "Winter".into(), collections: sorted(vec![own, twin]) };
    assert_eq!(stores.library.names_of_collections(&alice, None, 100).await?, [winter]);
    assert_eq!(stores.exported(&alice, Some(&[open]), 100).await?, []);
    assert_eq!(stores.exported(&alice, Some(&[]), 100).await?, []);
    assert_eq!(stores.exported(&alice, Some(&[own, open, twin]), 100).await?.len(), 1, "once, although it is in two");
    assert_eq!(stores.exported(&bob, Some(&[own, open, twin]), 100).await?, [], "he keeps none of them");
    Ok(())
}

/// Some that came at the same time, and some that did not.
pub async fn pages_of_an_export_neither_skip_nor_repeat(stores: Stores) -> Tested {
    let alice = person("alice");
    let shelf = stores.collection(&alice, "shelf", AccessType::Closed).await?;
    for second in 0..3 {
        let at_once: Vec<(UserId, String)> =
            (0..7).rev().map(|n| (alice.clone(), format!("https://example.com/{second}/{n}"))).collect();
        let cards = stores.save_at_once(&at_once).await?;
        stores.time.advance(Duration::from_millis(50)).await;
        stores.save(&alice, &format!("https://example.com/{second}/x")).await?;
        for card in cards.into_iter().step_by(2) {
            stores.collect(&alice, card, &[shelf]).await?;
        }
        stores.time.advance(Duration::from_millis(1_400)).await;
    }
    let library: Vec<_> = stores.library_of(&alice).await?.into_iter().map(|kept| kept.card.id).collect();
    for collection in [None, Some(&[shelf][..])] {
        let whole = stores.exported(&alice, collection, 100).await?;
        assert_eq!(whole.len(), if collection.is_none() { 24 } else { 12 });
        let exported: Vec<_> = whole.iter().map(|card| card.id).collect();
        let expected: Vec<_> = library.iter().copied().filter(|id| exported.contains(id)).collect();
        assert_eq!(exported, expected, "in the order of the library");
        for limit in [1, 5, 8] {
            assert_eq!(stores.exported(&alice, collection, limit).await?, whole, "{collection:?} in pages of {limit}");
        }
    }
    Ok(())
}

pub async fn names_of_collections_are_listed_in_order_and_in_pages(stores: Stores) -> Tested {
    let (alice, bob) = (person("alice"), person("bob"));
    let mut ids = Vec::new();
    for name in ["b", "B", "ä", "a", "b", "b, c"] {
        ids.push(stores.collection(&alice, name, AccessType::Closed).await?);
    }
    stores.collection(&alice, "empty", AccessType::Closed).await?;
    stores.save_with(&alice, "https://example.com/1", None, &ids).await?;
    stores.save_with(&alice, "https://example.com/2", None, &ids[..2]).await?;
    let namesakes = |name: &str, collections: Vec<CollectionId>| Namesakes { name: name.into(), collections };
    let expected = [
        namesakes("B", vec![ids[1]]),
        namesakes("a", vec![ids[3]]),
        namesakes("b", sorted(vec![ids[0], ids[4]])),
        namesakes("b, c", vec![ids[5]]),
        namesakes("ä", vec![ids[2]]),
    ];
    assert_eq!(stores.library.names_of_collections(&alice, None, 100).await?, expected);
    let mut found: Vec<Namesakes> = Vec::new();
    for _ in 0..3 {
        let after = found.last().map(|last| last.name.clone());
        found.extend(stores.library.names_of_collections(&alice, after.as_deref(), 2).await?);
    }
    assert_eq!(found, expected);
    assert_eq!(stores.library.names_of_collections(&bob, None, 100).await?, []);
    Ok(())
}
