//! A request that is sent again under its key takes effect once and gets the same answer.

use std::collections::BTreeSet;
use std::time::Duration;

use cardwire_domain::changes::{Idempotency, IdempotencyKey};
use cardwire_domain::imports::{ImportRow, RowOutcome};
use cardwire_domain::use_cases::{AddUrlToLibrary, Request, UrlAdded, UrlsImported, execute};
use cardwire_domain::{Error, ImportId, UserId};
use cardwire_events::Queue;

use super::scene::{at_once, importing, person, refused, saving};
use super::{Stores, Tested};

const URL: &str = "https://example.com/page";
const HOUR: Duration = Duration::from_secs(3_600);

async fn send(
    stores: &Stores,
    by: &UserId,
    key: &str,
    fingerprint: &str,
    command: &AddUrlToLibrary,
) -> cardwire_domain::Result<UrlAdded> {
    let idempotency = Some(Idempotency { key: IdempotencyKey::of_client(key)?, fingerprint: fingerprint.into() });
    execute(&*stores.store, &Request { idempotency, ..Request::by(by.clone()) }, command).await
}

pub async fn the_same_request_gets_the_same_answer(stores: Stores) -> Tested {
    let alice = person("alice");
    let command = saving(URL, Some("note"), &[]);
    let first = send(&stores, &alice, "key", "print", &command).await?;
    assert!(first.created);
    assert_eq!(send(&stores, &alice, "key", "print", &command).await?, first, "also that it was created");
    assert_eq!(stores.deliver(Queue::Feeds).await?.len(), 1);
    stores.remove(&alice, first.url_card_id).await?;
    assert_eq!(send(&stores, &alice, "key", "print", &command).await?, first);
    assert_eq!(stores.library_of(&alice).await?, [], "the answer is given again, the command is not run again");
    Ok(())
}

pub async fn another_request_under_the_same_key_is_refused(stores: Stores) -> Tested {
    let alice = person("alice");
    send(&stores, &alice, "key", "print", &saving(URL, None, &[])).await?;
    let before = stores.log.backlog().await?;
    let other = send(&stores, &alice, "key", "other", &saving("https://example.com/other", None, &[])).await;
    refused(other, |error| matches!(error, Error::Invalid { field, .. } if field == "Idempotency-Key"))?;
    assert_eq!(stores.log.backlog().await?, before);
    assert_eq!(stores.library_of(&alice).await?.len(), 1);
    Ok(())
}

pub async fn keys_belong_to_people(stores: Stores) -> Tested {
    let (alice, bob) = (person("alice"), person("bob"));
    let hers = send(&stores, &alice, "key", "hers", &saving(URL, None, &[])).await?;
    let his = send(&stores, &bob, "key", "his", &saving(URL, None, &[])).await?;
    assert!(his.created);
    assert_ne!(hers.url_card_id, his.url_card_id);
    Ok(())
}

pub async fn answers_are_kept_for_a_day(stores: Stores) -> Tested {
    let alice = person("alice");
    let command = saving(URL, None, &[]);
    assert!(send(&stores, &alice, "key", "print", &command).await?.created);
    stores.time.advance(23 * HOUR).await;
    assert!(send(&stores, &alice, "key", "print", &command).await?.created, "the answer is still kept");
    stores.time.advance(2 * HOUR).await;
    assert!(!send(&stores, &alice, "key", "print", &command).await?.created, "the command ran again");
    let kept = send(&stores, &alice, "key", "print", &command).await?;
    assert!(!kept.created, "the new answer is kept in its turn");
    let other = send(&stores, &alice, "key", "other", &command).await;
    refused(other, |error| matches!(error, Error::Invalid { .. }))
}

pub async fn a_refused_request_may_be_tried_again(stores: Stores) -> Tested {
    let alice = person("alice");
    let bad = send(&stores, &alice, "key", "bad", &saving(URL, Some("\0"), &[])).await;
    refused(bad, |error| matches!(error, Error::Invalid { field, .. } if field == "note"))?;
    assert!(send(&stores, &alice, "key", "good", &saving(URL, Some("good"), &[])).await?.created);
    Ok(())
}

pub async fn parallel_requests_under_one_key_take_effect_once(stores: Stores) -> Tested {
    let requests = (0..20).map(|_| {
        let stores = stores.clone();
        async move { send(&stores, &person("alice"), "key", "print", &saving(URL, Some("note"), &[])).await }
    });
    let answers = at_once(requests).await?.into_iter().collect::<cardwire_domain::Result<Vec<_>>>()?;
    assert!(answers.iter().all(|answer| answer.created), "all get the answer of the one that took effect");
    let cards: BTreeSet<_> = answers.iter().map(|answer| (answer.url_card_id, answer.note_card_id)).collect();
    assert_eq!(cards.len(), 1);
    for queue in Queue::ALL {
        assert_eq!(stores.deliver(queue).await?.len(), 1, "{queue}");
    }
    Ok(())
}

pub async fn a_client_cannot_take_the_key_of_an_import_or_a_form(stores: Stores) -> Tested {
    let (alice, import) = (person("alice"), ImportId::generate());
    let (rows, form) = (IdempotencyKey::of_rows(import, 1, 10, 10), IdempotencyKey::of_form("digest"));
    let mut tried = 0;
    for key in [&rows, &form] {
        for text in [key.as_str().to_owned(), key.as_str().replace(' ', ":"), key.as_str().replace(' ', "")] {
            let url = format!("https://example.com/{tried}");
            match send(&stores, &alice, &text, "poison", &saving(&url, None, &[])).await {
                Ok(_) => tried += 1,
                Err(Error::Invalid { field, .. }) if field == "Idempotency-Key" => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    assert_eq!(tried, 4, "only what holds a space is refused");
    for key in [rows, form] {
        let idempotency = Some(Idempotency { fingerprint: key.as_str().to_owned(), key });
        let rows = vec![ImportRow::new(&format!("{URL}/{tried}"), None)];
        tried += 1;
        let command = importing(rows);
        let request = Request { idempotency, ..Request::by(alice.clone()) };
        let UrlsImported(outcomes) = execute(&*stores.store, &request, &command).await?;
        assert!(matches!(outcomes[..], [RowOutcome::Saved(_)]), "{outcomes:?}");
    }
    Ok(())
}
