//! How much one person may add within 24 hours.

use std::num::NonZeroU32;
use std::time::Duration;

use cardwire_domain::changes::{Idempotency, IdempotencyKey};
use cardwire_domain::imports::{ImportRow, NewImport, RowOutcome};
use cardwire_domain::quotas::{Quota, Quotas};
use cardwire_domain::use_cases::{Request, UseCase, admit, execute};
use cardwire_domain::{AccessType, Error, ImportId, Result, UserId};

use super::scene::{begin_import, creating, importing, person, saving};
use super::{Stores, Tested};

const HOUR: Duration = Duration::from_secs(3_600);

fn three_of_each() -> Quotas {
    let most = NonZeroU32::new(3);
    Quotas { cards: most, collections: most, imports: most }
}

async fn add<C: UseCase>(stores: &Stores, by: &UserId, key: Option<&str>, command: &C) -> Result<C::Answer> {
    let idempotency = key.map(|key| Idempotency { key: IdempotencyKey::of_form(key), fingerprint: key.into() });
    let request = Request { idempotency, quotas: three_of_each(), ..Request::by(by.clone()) };
    execute(&*stores.store, &request, command).await
}

/// Refused for about so long.
fn used_up<T: std::fmt::Debug>(result: Result<T>, quota: Quota, hours: u32) {
    match result {
        Err(Error::OverQuota { quota: told, most, free_in }) => {
            assert_eq!((told, most.get()), (quota, 3));
            let left = HOUR * hours;
            assert!(free_in <= left && free_in > left - Duration::from_secs(600), "{free_in:?} of {hours} hours");
        }
        other => panic!("{quota} are not used up: {other:?}"),
    }
}

pub async fn cards_are_counted_for_a_day_removed_ones_too(stores: Stores) -> Tested {
    let alice = person("alice");
    let url = |n: usize| saving(&format!("https://example.com/{n}"), None, &[]);
    let first = add(&stores, &alice, Some("first"), &url(0)).await?;
    stores.time.advance(HOUR).await;
    add(&stores, &alice, None, &url(1)).await?;
    stores.remove(&alice, first.url_card_id).await?;
    add(&stores, &alice, None, &url(2)).await?;
    used_up(add(&stores, &alice, None, &url(3)).await, Quota::Cards, 23);
    assert_eq!(stores.library_of(&alice).await?.len(), 2, "nothing was stored");
    assert_eq!(add(&stores, &alice, Some("first"), &url(0)).await?, first, "a repetition is answered");
    add(&stores, &alice, None, &url(0)).await?;
    add(&stores, &alice, None, &saving("https://example.com/1", Some("a note on a card that is there"), &[])).await?;
    add(&stores, &person("bob"), None, &url(3)).await?;
    stores.time.advance(23 * HOUR + Duration::from_secs(1)).await;
    add(&stores, &alice, None, &url(3)).await?;
    used_up(add(&stores, &alice, None, &url(4)).await, Quota::Cards, 1);
    Ok(())
}

pub async fn what_imports_make_does_not_count(stores: Stores) -> Tested {
    let alice = person("alice");
    let row = |n: usize| ImportRow {
        collections: vec![format!("Folder {n}")],
        ..ImportRow::new(&format!("https://example.org/{n}"), None)
    };
    let imported = add(&stores, &alice, None, &importing((0..5).map(row).collect())).await?;
    assert!(imported.0.iter().all(|row| matches!(row, RowOutcome::Saved(_))), "{imported:?}");
    for n in 0..3 {
        add(&stores, &alice, None, &saving(&format!("https://example.com/{n}"), None, &[])).await?;
    }
    used_up(add(&stores, &alice, None, &saving("https://example.com/3", None, &[])).await, Quota::Cards, 24);
    for n in 0..3 {
        add(&stores, &alice, None, &creating(&format!("Shelf {n}"), AccessType::Closed)).await?;
    }
    used_up(add(&stores, &alice, None, &creating("Shelf 3", AccessType::Closed)).await, Quota::Collections, 24);
    Ok(())
}

pub async fn collections_are_counted_for_a_day(stores: Stores) -> Tested {
    let alice = person("alice");
    let named = |n: usize| creating(&format!("Shelf {n}"), AccessType::Closed);
    for n in 0..3 {
        add(&stores, &alice, None, &named(n)).await?;
    }
    used_up(add(&stores, &alice, None, &named(3)).await, Quota::Collections, 24);
    add(&stores, &alice, None, &saving("https://example.com/", None, &[])).await?;
    add(&stores, &person("bob"), None, &named(3)).await?;
    stores.time.advance(24 * HOUR + Duration::from_secs(1)).await;
    add(&stores, &alice, None, &named(3)).await?;
    Ok(())
}

pub async fn imports_are_counted_for_a_day(stores: Stores) -> Tested {
    let (alice, quotas) = (person("alice"), three_of_each());
    let ask = async || admit(&quotas, Quota::Imports, &alice, &mut *stores.store.begin().await?).await;
    for _ in 0..3 {
        ask().await?;
        let import = NewImport {
            id: ImportId::generate(),
            owner: alice.clone(),
            file_name: "bookmarks.html".into(),
            collection: None,
            is_check: false,
        };
        begin_import(&*stores.imports, &import, &[ImportRow::new("https://example.com/", None)]).await?;
        let Some(leased) = stores.imports.lease_rows(10, Duration::from_secs(60)).await? else {
            panic!("it has a row")
        };
        stores.imports.finish_rows(&leased, &[(1, RowOutcome::Refused("no".into()))]).await?;
    }
    used_up(ask().await, Quota::Imports, 24);
    stores.time.advance(24 * HOUR + Duration::from_secs(1)).await;
    ask().await?;
    Ok(())
}
