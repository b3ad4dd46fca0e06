//! Five people save, collect, note, edit and delete while their publisher is killed every half second and the server twice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cardwire_atproto::Repos;
use cardwire_domain::collection::AccessType;
use cardwire_domain::records::{PublishingState, RecordKind};
use cardwire_domain::{UserId, Visibility};
use cardwire_events::Queue;
use cardwire_testkit::real_pds::{Passwords, RealPds};
use cardwire_testkit::store_suite::Stores;
use serde_json::Value;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{publishing, stores};

const SAVES: usize = 100;
const KILL_EVERY: Duration = Duration::from_millis(500);
const SETTLES_WITHIN: Duration = Duration::from_secs(300);

async fn list(repos: &dyn Repos, person: &UserId, kind: RecordKind) -> BTreeMap<String, Value> {
    let nsid = format!("network.cosmik.{}", kind.name());
    let mut found = BTreeMap::new();
    let mut cursor = String::new();
    loop {
        let mut parameters = vec![("repo", person.as_str()), ("collection", nsid.as_str()), ("limit", "100")];
        if !cursor.is_empty() {
            parameters.push(("cursor", &cursor));
        }
        let page = repos.query(person, "com.atproto.repo.listRecords", &parameters).await.unwrap();
        for record in page["records"].as_array().unwrap() {
            found.insert(record["uri"].as_str().unwrap().to_owned(), record["value"].clone());
        }
        match page["cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => return found,
        }
    }
}

/// One person's part of the workload.
async fn live(stores: Stores, person: UserId, number: usize) -> anyhow::Result<()> {
    let open = stores.collection(&person, "Open", AccessType::Open).await?;
    for save in 0..SAVES {
        let url = format!("https://{save}.of{number}.example/");
        match save % 10 {
            0 => {
                stores
                    .save_privately(&person, &format!("https://secret{save}.example/"), Some("whispered"), &[open])
                    .await?;
            }
            1 => {
                let card = stores.save_with(&person, &url, None, &[open]).await?.url_card_id;
                stores.remove(&person, card).await?;
            }
            2 => {
                let card = stores.save_with(&person, &url, Some("whispered"), &[open]).await?.url_card_id;
                stores.let_see(&person, card, Visibility::Private).await?;
            }
            3 => {
                let card = stores.save_privately(&person, &url, None, &[open]).await?;
                stores.let_see(&person, card, Visibility::Public).await?;
            }
            4 => {
                let card = stores.save_with(&person, &url, None, &[open]).await?.url_card_id;
                stores.uncollect(&person, card, &[open]).await?;
            }
            _ => {
                stores.save_with(&person, &url, Some("whispered"), &[open]).await?;
            }
        }
        sleep(Duration::from_millis(30)).await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn real_pds_every_repository_equals_the_truth_whatever_is_killed() {
    let mut pds = RealPds::start().await.unwrap();
    let passwords = Arc::new(Passwords::on(&pds.service()));
    let stores = stores().unwrap();
    let mut people = Vec::new();
    for number in 0..5 {
        let person = passwords.sign_up(&format!("person{number}")).await.unwrap();
        stores.records.connect(&person, person.as_str()).await.unwrap();
        people.push(person);
    }
    let lives = people.iter().enumerate().map(|(number, who)| tokio::spawn(live(stores.clone(), who.clone(), number)));
    let lives: Vec<_> = lives.collect();
    let begun = Instant::now();
    let mut kills = 0;
    loop {
        // A publisher that is dropped at any point leaves what a killed process leaves.
        let (publishing, stop) = (publishing(&stores, passwords.clone()), CancellationToken::new());
        let one = tokio::spawn(async move { publishing.run(stop).await });
        let until = Instant::now() + KILL_EVERY;
        while Instant::now() < until {
            let events = stores.deliver(Queue::Records).await.unwrap();
            stores.records.owe(&events, false).await.unwrap();
            sleep(Duration::from_millis(50)).await;
        }
        one.abort();
        kills += 1;
        if kills == 4 || kills == 8 {
            pds.restart().await.unwrap();
        }
        if kills > 8 && lives.iter().all(tokio::task::JoinHandle::is_finished) {
            break;
        }
        assert!(begun.elapsed() < SETTLES_WITHIN, "the workload does not end");
    }
    for life in lives {
        life.await.unwrap().unwrap();
    }
    settle(&stores, &passwords, &people, begun).await;
    check(&stores, &passwords, &people).await;
    assert!(kills > 8);
}

/// Continues to publish, undisturbed, until nothing is owed.
async fn settle(stores: &Stores, passwords: &Arc<Passwords>, people: &[UserId], begun: Instant) {
    let (publishing, stop) = (publishing(stores, passwords.clone()), CancellationToken::new());
    let stopped = stop.clone();
    let running = tokio::spawn(async move { publishing.run(stopped).await });
    loop {
        let events = stores.deliver(Queue::Records).await.unwrap();
        stores.records.owe(&events, false).await.unwrap();
        let mut waiting = 0;
        for person in people {
            let counts = stores.records.record_counts(person).await.unwrap().unwrap();
            waiting += counts.waiting;
            // The pause after a restart can be skipped here.
            if counts.state == PublishingState::Failing && counts.paused_until.is_some() {
                stores.records.publish_again(person).await.unwrap();
            }
        }
        if waiting == 0 {
            break;
        }
        assert!(begun.elapsed() < SETTLES_WITHIN, "{waiting} still wait");
        sleep(Duration::from_millis(500)).await;
    }
    stop.cancel();
    running.await.unwrap();
}

async fn check(stores: &Stores, passwords: &Arc<Passwords>, people: &[UserId]) {
    for (number, person) in people.iter().enumerate() {
        let cards = list(&**passwords, person, RecordKind::Card).await;
        let mut urls: Vec<&str> = cards.values().map(|card| card["url"].as_str().unwrap()).collect();
        urls.sort_unstable();
        let mut truth: Vec<String> =
            (0..SAVES).filter(|save| save % 10 > 2).map(|save| format!("https://{save}.of{number}.example/")).collect();
        truth.sort_unstable();
        assert_eq!(urls, truth, "{person}");
        let links = list(&**passwords, person, RecordKind::Link).await;
        assert_eq!(links.len(), (0..SAVES).filter(|save| save % 10 > 2 && save % 10 != 4).count(), "{person}");
        for link in links.values() {
            let uri = link["card"]["uri"].as_str().unwrap();
            assert!(cards.contains_key(uri), "{person}: {uri} is not there");
        }
        assert_eq!(list(&**passwords, person, RecordKind::Collection).await.len(), 1, "{person}");
        let everything = format!("{cards:?} {links:?}");
        assert!(!everything.contains("whispered") && !everything.contains("secret"), "{person}");
        // Everything is compared again, without a single new commit.
        let before = passwords.revision(person).await.unwrap();
        stores.records.publish_again(person).await.unwrap();
        let publishing = publishing(stores, passwords.clone());
        while publishing.take_turn().await.unwrap() {}
        assert_eq!(passwords.revision(person).await.unwrap(), before, "{person}");
    }
}
