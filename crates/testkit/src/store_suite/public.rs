//! What everybody sees of people, of collections and of who saved a link.

use std::collections::BTreeSet;
use std::time::Duration;

use cardwire_domain::accounts::{Account, Admission};
use cardwire_domain::collection::AccessType;
use cardwire_domain::profile::{Bio, DisplayName, Edit, ProfileChange};
use cardwire_domain::public::{ListedCollection, Named, RelatedLink, SavedCard};
use cardwire_domain::url::CardUrl;
use cardwire_domain::use_cases::{CreateCollection, DeleteCollection, HideCard, UpdateCollection};
use cardwire_domain::user::User;
use cardwire_domain::{CardId, CollectionId, UserId, Visibility};

use super::scene::{all_pages, page, person};
use super::{Stores, Tested};

const URL: &str = "https://example.com/shared";

async fn sign_up(stores: &Stores, handle: &str) -> anyhow::Result<Account> {
    let user = User { id: UserId::generate(), handle: handle.into() };
    let account = Account { user, password_hash: "$argon2id$".into() };
    stores.accounts.create_account(&account, &Admission::Open).await?;
    Ok(account)
}

async fn hide(stores: &Stores, card: CardId) -> Tested {
    let command = HideCard { card_id: card.to_string(), reason: "spam".into() };
    stores.run(&person("admin"), &command).await?;
    Ok(())
}

async fn private_collection(stores: &Stores, by: &UserId, name: &str) -> anyhow::Result<CollectionId> {
    let command = CreateCollection {
        name: name.into(),
        description: None,
        access: AccessType::Open,
        visibility: Visibility::Private,
    };
    Ok(stores.run(by, &command).await?.id)
}

/// A moment later, so that each thing has a time of its own.
async fn later(stores: &Stores) {
    stores.time.advance(Duration::from_secs(1)).await;
}

async fn saved_by(stores: &Stores, reader: Option<&UserId>) -> anyhow::Result<Vec<SavedCard>> {
    let url = &CardUrl::parse(URL)?;
    all_pages(2, |page| async move { stores.public.saved_by(url, reader, &page).await }).await
}

async fn listed(stores: &Stores, author: Option<&UserId>) -> anyhow::Result<Vec<ListedCollection>> {
    all_pages(2, |page| async move { stores.public.public_collections(author, &page).await }).await
}

fn names(collections: &[ListedCollection]) -> Vec<&str> {
    collections.iter().map(|collection| collection.name.as_str()).collect()
}

fn urls(cards: &[SavedCard]) -> Vec<&str> {
    cards.iter().map(|card| card.card.url.as_str()).collect()
}

pub async fn a_person_is_found_by_their_handle_until_their_account_goes(stores: Stores) -> Tested {
    let account = sign_up(&stores, "alice.b").await?;
    let id = account.user.id.clone();
    let change = ProfileChange {
        display_name: Edit::<DisplayName>::parse(Some("Alice"))?,
        bio: Edit::<Bio>::parse(Some("Reads a lot."))?,
        ..ProfileChange::default()
    };
    stores.accounts.change_profile(&id, &change).await?;
    for name in [Named::Handle("alice.b"), Named::Handle("Alice.B"), Named::Id(&id)] {
        let found = stores.public.person(name).await?.expect("she has an account");
        assert_eq!((&found.user, found.is_suspended), (&account.user, false));
        assert_eq!((found.display_name.as_deref(), found.bio.as_deref()), (Some("Alice"), Some("Reads a lot.")));
    }
    for name in [Named::Handle("alice"), Named::Handle("alice%"), Named::Id(&person("nobody"))] {
        assert_eq!(stores.public.person(name).await?, None, "{name:?}");
    }
    stores.accounts.suspend(&id).await?;
    assert!(stores.public.person(Named::Id(&id)).await?.expect("it is still there").is_suspended);
    stores.accounts.restore(&id).await?;
    assert!(stores.accounts.delete_account(&account).await?);
    assert_eq!(stores.public.person(Named::Id(&id)).await?, None);
    assert_eq!(stores.public.person(Named::Handle("alice.b")).await?, None);
    Ok(())
}

pub async fn the_public_cards_of_a_person_are_listed_in_pages(stores: Stores) -> Tested {
    let alice = sign_up(&stores, "alice").await?.user;
    let open = stores.collection(&alice.id, "open", AccessType::Open).await?;
    let closed = private_collection(&stores, &alice.id, "closed").await?;
    for number in 0..5 {
        stores.save_with(&alice.id, &format!("https://example.com/{number}"), Some("note"), &[open, closed]).await?;
        later(&stores).await;
    }
    stores.save_privately(&alice.id, "https://example.com/private", None, &[open]).await?;
    let hidden = stores.save(&alice.id, "https://example.com/hidden").await?.url_card_id;
    hide(&stores, hidden).await?;
    stores.save(&person("bob"), "https://example.com/bob").await?;

    let cards = |limit| {
        let (stores, alice) = (&stores, &alice);
        all_pages(limit, move |page| async move { stores.public.cards_of(&alice.id, &page).await })
    };
    let all = cards(2).await?;
    let expected: Vec<String> = (0..5).rev().map(|number| format!("https://example.com/{number}")).collect();
    assert_eq!(urls(&all), expected);
    assert_eq!(all, cards(100).await?);
    for card in &all {
        assert_eq!(card.owner, alice);
        assert_eq!(card.collections.iter().map(|one| one.id).collect::<Vec<_>>(), [open], "the other is private");
    }
    stores.accounts.suspend(&alice.id).await?;
    assert_eq!(cards(100).await?, []);
    Ok(())
}

pub async fn public_collections_are_listed_by_their_newest_public_card(stores: Stores) -> Tested {
    let alice = sign_up(&stores, "alice").await?.user.id;
    let bob = person("bob");
    let first = stores.collection(&alice, "first", AccessType::Open).await?;
    later(&stores).await;
    let second = stores.collection(&bob, "second", AccessType::Open).await?;
    later(&stores).await;
    stores.collection(&alice, "empty", AccessType::Open).await?;
    let gone = stores.collection(&alice, "gone", AccessType::Open).await?;
    let closed = private_collection(&stores, &alice, "closed").await?;
    stores.save_with(&alice, "https://example.com/0", None, &[gone, closed]).await?;
    stores.run(&alice, &DeleteCollection { id: gone.to_string() }).await?;
    later(&stores).await;
    stores.save_with(&bob, "https://example.com/1", None, &[second]).await?;
    later(&stores).await;
    let newest = stores.save_with(&alice, "https://example.com/2", None, &[first]).await?.url_card_id;
    assert_eq!(names(&listed(&stores, None).await?), ["first", "second"]);
    assert_eq!(names(&listed(&stores, Some(&alice)).await?), ["first", "empty"], "the empty one since it was made");

    // What not everybody sees moves nothing and counts for nothing.
    later(&stores).await;
    stores.save_privately(&bob, "https://example.com/3", None, &[second]).await?;
    let all = listed(&stores, None).await?;
    assert_eq!(names(&all), ["first", "second"]);
    assert_eq!(all.iter().map(|one| one.card_count).collect::<Vec<_>>(), [1, 1]);
    stores.let_see(&alice, newest, Visibility::Private).await?;
    assert_eq!(names(&listed(&stores, None).await?), ["second"]);
    stores.let_see(&alice, newest, Visibility::Public).await?;
    assert_eq!(names(&listed(&stores, None).await?), ["first", "second"]);

    let command = UpdateCollection {
        id: second.to_string(),
        name: "second".into(),
        description: None,
        access: AccessType::Open,
        visibility: Some(Visibility::Private),
    };
    stores.run(&bob, &command).await?;
    assert_eq!(names(&listed(&stores, None).await?), ["first"]);
    stores.accounts.suspend(&alice).await?;
    assert_eq!(listed(&stores, None).await?, []);
    assert_eq!(listed(&stores, Some(&alice)).await?, []);
    Ok(())
}

pub async fn a_link_is_shown_with_those_who_saved_it(stores: Stores) -> Tested {
    let [alice, bob, carol, dave] = ["alice", "bob", "carol", "dave"].map(person);
    let suspended = sign_up(&stores, "mallory").await?.user.id;
    let open = stores.collection(&alice, "open", AccessType::Open).await?;
    let closed = private_collection(&stores, &alice, "closed").await?;
    stores.save_with(&alice, URL, Some("note"), &[open, closed]).await?;
    later(&stores).await;
    stores.save(&bob, URL).await?;
    later(&stores).await;
    stores.save_privately(&carol, URL, None, &[]).await?;
    let hidden = stores.save(&dave, URL).await?.url_card_id;
    hide(&stores, hidden).await?;
    stores.save(&suspended, URL).await?;
    stores.accounts.suspend(&suspended).await?;
    stores.save(&alice, "https://example.com/other").await?;

    let people = |cards: &[SavedCard]| cards.iter().map(|card| card.owner.id.clone()).collect::<Vec<_>>();
    let all = saved_by(&stores, None).await?;
    assert_eq!(people(&all), [bob.clone(), alice.clone()]);
    assert_eq!(all[1].collections.iter().map(|one| one.id).collect::<Vec<_>>(), [open]);
    assert_eq!(people(&saved_by(&stores, Some(&bob)).await?), [bob.clone(), alice.clone()]);
    let hers = saved_by(&stores, Some(&alice)).await?;
    assert_eq!(hers[1].collections.iter().map(|one| one.id).collect::<BTreeSet<_>>(), [open, closed].into());
    let carols = saved_by(&stores, Some(&carol)).await?;
    assert_eq!(people(&carols), [carol, bob.clone(), alice.clone()], "her own as well");
    assert!(carols[0].card.visibility.is_private());
    let daves = saved_by(&stores, Some(&dave)).await?;
    assert_eq!(people(&daves), [dave, bob, alice]);
    assert!(daves[0].card.is_hidden);
    Ok(())
}

pub async fn links_in_the_same_collections_and_of_the_same_people_are_related(stores: Stores) -> Tested {
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(person);
    let open = stores.collection(&alice, "open", AccessType::Open).await?;
    let closed = private_collection(&stores, &alice, "closed").await?;
    let related = async || -> anyhow::Result<Vec<String>> {
        let found: Vec<RelatedLink> = stores.public.related(&CardUrl::parse(URL)?, 10).await?;
        Ok(found.into_iter().map(|link| link.url).collect())
    };
    stores.save(&carol, "https://example.com/elsewhere").await?;
    assert_eq!(related().await?, Vec::<String>::new());
    stores.save_with(&alice, URL, None, &[open, closed]).await?;
    stores.save(&alice, "https://example.com/hers").await?;
    stores.save_with(&bob, "https://example.com/beside", None, &[open]).await?;
    stores.save_with(&alice, "https://example.com/both", None, &[open]).await?;
    // Nothing of what not everybody sees.
    stores.save_privately(&alice, "https://example.com/secret", None, &[open]).await?;
    stores.save_privately(&carol, URL, None, &[]).await?;
    let hidden = stores.save_with(&bob, "https://example.com/hidden", None, &[open]).await?.url_card_id;
    hide(&stores, hidden).await?;
    let expected = ["both", "beside", "hers"].map(|path| format!("https://example.com/{path}"));
    assert_eq!(related().await?, expected);
    assert_eq!(stores.public.related(&CardUrl::parse(URL)?, 1).await?.len(), 1);
    let everything = stores.public.cards_of(&alice, &page(100, None)).await?.items;
    assert_eq!(everything.len(), 3, "the cases above are about what is there: {everything:?}");
    Ok(())
}
