//! People and public collections, found by their names.

use cardwire_domain::Visibility;
use cardwire_domain::accounts::{Account, Admission};
use cardwire_domain::collection::AccessType;
use cardwire_domain::profile::{DisplayName, Edit, ProfileChange};
use cardwire_domain::search::Renewal;
use cardwire_domain::use_cases::{CreateCollection, DeleteCollection, UpdateCollection};
use cardwire_domain::user::User;
use cardwire_domain::{CollectionId, UserId};

use super::scene::person;
use super::{Stores, Tested};

async fn sign_up(stores: &Stores, handle: &str, display_name: Option<&str>) -> anyhow::Result<Account> {
    let user = User { id: UserId::generate(), handle: handle.into() };
    let account = Account { user, password_hash: "$argon2id$".into() };
    stores.accounts.create_account(&account, &Admission::Open).await?;
    if let Some(name) = display_name {
        call(stores, &account, Some(name)).await?;
    }
    Ok(account)
}

async fn call(stores: &Stores, account: &Account, name: Option<&str>) -> Tested {
    let display_name = Edit::<DisplayName>::parse(name)?;
    stores
        .accounts
        .change_profile(&account.user.id, &ProfileChange { display_name, ..ProfileChange::default() })
        .await?;
    Ok(())
}

async fn renew(stores: &Stores) -> Tested {
    let mut from = Renewal::default();
    while stores.search.renew(&mut from, 2).await?.count > 0 {}
    Ok(())
}

/// The handles found, best first.
async fn people(stores: &Stores, text: &str) -> anyhow::Result<Vec<String>> {
    let found = stores.search.find_people(text).await?;
    Ok(found.into_iter().map(|found| found.user.handle).collect())
}

/// The names found, best first.
async fn collections(stores: &Stores, text: &str) -> anyhow::Result<Vec<String>> {
    let found = stores.search.find_collections(text).await?;
    Ok(found.into_iter().map(|found| found.name).collect())
}

async fn make(
    stores: &Stores,
    by: &UserId,
    name: &str,
    more: &str,
    visibility: Visibility,
) -> anyhow::Result<CollectionId> {
    let description = Some(more.to_owned());
    let command = CreateCollection { name: name.into(), description, access: AccessType::Open, visibility };
    Ok(stores.run(by, &command).await?.id)
}

pub async fn people_are_found_by_handle_and_display_name(stores: Stores) -> Tested {
    let alice = sign_up(&stores, "alice", Some("Ålice Müller")).await?;
    let bob = sign_up(&stores, "bob-the-builder", None).await?;
    let alicia = sign_up(&stores, "alicia", Some("東京太郎")).await?;
    assert_eq!(people(&stores, "alice").await?, Vec::<String>::new(), "the index is behind");
    renew(&stores).await?;
    for (text, expected) in [
        ("alice", &["alice"][..]),
        ("@Alice", &["alice"]),
        ("muller alice", &["alice"]),
        ("ali", &["alice", "alicia"]),
        ("builder", &["bob-the-builder"]),
        ("bob-the", &["bob-the-builder"]),
        ("太郎", &["alicia"]),
        ("bob alice", &[]),
        ("lice", &[]),
        ("&", &[]),
    ] {
        assert_eq!(people(&stores, text).await?, expected, "{text}");
    }
    let found = stores.search.find_people("müller").await?;
    assert_eq!((found.len(), found[0].user.id.clone()), (1, alice.user.id.clone()));
    assert_eq!(found[0].display_name.as_deref(), Some("Ålice Müller"));

    call(&stores, &alice, Some("Zoë")).await?;
    call(&stores, &alicia, None).await?;
    renew(&stores).await?;
    for (text, expected) in [("zoe", &["alice"][..]), ("muller", &[]), ("太郎", &[]), ("alicia", &["alicia"])] {
        assert_eq!(people(&stores, text).await?, expected, "{text}");
    }
    assert!(stores.accounts.suspend(&bob.user.id).await?);
    assert_eq!(people(&stores, "builder").await?, Vec::<String>::new(), "gone with the answer");
    assert!(stores.accounts.restore(&bob.user.id).await?);
    assert_eq!(people(&stores, "builder").await?, ["bob-the-builder"]);
    assert!(stores.accounts.delete_account(&alice).await?);
    for text in ["alice", "zoe"] {
        assert_eq!(people(&stores, text).await?, Vec::<String>::new(), "{text}");
    }
    Ok(())
}

pub async fn public_collections_are_found_by_name_and_description(stores: Stores) -> Tested {
    let alice = sign_up(&stores, "alice", None).await?;
    let by = &alice.user.id;
    let reading = make(&stores, by, "Café reading", "Books about C++ and 図書館", Visibility::Public).await?;
    make(&stores, by, "Bookshelf", "", Visibility::Public).await?;
    make(&stores, &person("unregistered"), "Other", "a book, a reader", Visibility::Public).await?;
    make(&stores, by, "Secret books", "reading", Visibility::Private).await?;
    let doomed = make(&stores, by, "Doomed reading", "", Visibility::Public).await?;
    renew(&stores).await?;
    stores.run(by, &DeleteCollection { id: doomed.to_string() }).await?;
    for (text, expected) in [
        ("cafe", &["Café reading"][..]),
        ("reading books", &["Café reading"]),
        ("c++", &["Café reading"]),
        ("図書館", &["Café reading"]),
        ("book", &["Other", "Bookshelf", "Café reading"]),
        ("secret", &[]),
        ("doomed", &[]),
        ("read book", &["Café reading", "Other"]),
        ("helf", &[]),
    ] {
        let mut found = collections(&stores, text).await?;
        if text == "read book" {
            found.sort();
        }
        assert_eq!(found, expected, "{text}");
    }
    let url = "https://example.com/";
    stores.save_with(by, url, None, &[reading]).await?;
    stores.save_privately(by, "https://example.com/private", None, &[reading]).await?;
    let found = stores.search.find_collections("cafe").await?.remove(0);
    assert_eq!((found.id, found.card_count), (reading, 1), "what everybody sees is counted");
    assert_eq!((found.author.handle.as_str(), found.description.as_str()), ("alice", "Books about C++ and 図書館"));

    let update = UpdateCollection {
        id: reading.to_string(),
        name: "Tea".into(),
        description: None,
        access: AccessType::Open,
        visibility: None,
    };
    stores.run(by, &update).await?;
    assert_eq!(collections(&stores, "cafe").await?, Vec::<String>::new(), "the old name is gone with the answer");
    renew(&stores).await?;
    assert_eq!(collections(&stores, "tea").await?, ["Tea"]);
    let hidden = UpdateCollection { visibility: Some(Visibility::Private), ..update };
    stores.run(by, &hidden).await?;
    assert_eq!(collections(&stores, "tea").await?, Vec::<String>::new());
    assert!(stores.accounts.suspend(by).await?);
    assert_eq!(collections(&stores, "bookshelf").await?, Vec::<String>::new(), "it names its author");
    assert_eq!(collections(&stores, "other").await?, ["Other"]);
    Ok(())
}

pub async fn two_words_of_a_name_may_be_typed_without_a_space(stores: Stores) -> Tested {
    let alice = sign_up(&stores, "alice", None).await?;
    for name in ["ใช่ คนที่", "東京 図書館"] {
        make(&stores, &alice.user.id, name, "", Visibility::Public).await?;
    }
    renew(&stores).await?;
    for (text, expected) in
        [("คนที่ใช่", "ใช่ คนที่"), ("ใช่คนที่", "ใช่ คนที่"), ("図書館東京", "東京 図書館"), ("東京図書館", "東京 図書館")]
    {
        assert_eq!(collections(&stores, text).await?, [expected], "{text}");
    }
    assert_eq!(collections(&stores, "คนไหน").await?, Vec::<String>::new(), "one of the two is not in the name");
    Ok(())
}

pub async fn the_best_ten_names_are_listed(stores: Stores) -> Tested {
    let by = person("alice");
    for number in 0..12 {
        make(&stores, &by, &format!("Readers {number}"), "", Visibility::Public).await?;
        sign_up(&stores, &format!("reader{number}"), None).await?;
    }
    make(&stores, &by, "Reader", "", Visibility::Public).await?;
    sign_up(&stores, "reader", None).await?;
    renew(&stores).await?;
    let (people, collections) = (people(&stores, "reader").await?, collections(&stores, "reader").await?);
    assert_eq!((people.len(), collections.len()), (10, 10));
    assert_eq!((people[0].as_str(), collections[0].as_str()), ("reader", "Reader"), "whole words first");
    Ok(())
}
