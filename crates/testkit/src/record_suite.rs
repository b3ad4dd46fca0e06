//! The contract of publishing: in the end, every repository holds what is public here, each record once, and nothing else. It is kept over a
//! stand-in, over a scripted server and over a real one.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use cardwire_atproto::Repos;
use cardwire_domain::UserId;
use cardwire_domain::collection::AccessType;
use cardwire_domain::records::RecordKind;
use cardwire_domain::use_cases::{DeleteCollection, UpdateUrlCardAssociations};
use cardwire_domain::{CollectionId, Visibility};
use cardwire_events::Queue;
use serde_json::Value;

use crate::store_suite::{Stores, Tested};

pub type Working = Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>>;

/// A store, repositories, and whoever publishes from the one to the others.
pub struct Bench {
    pub stores: Stores,
    pub repos: Arc<dyn Repos>,
    /// Two people whose ids are those of their repositories.
    pub people: [UserId; 2],
    /// Takes turns until nobody is due.
    pub work: Box<dyn Fn() -> Working + Send + Sync>,
}

impl Bench {
    /// Works off the queue, and publishes all that is due.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn publish(&self) -> Tested {
        // What waits for somebody else's collection is looked at again.
        for _ in 0..2 {
            self.stores.records.owe(&self.stores.deliver(Queue::Records).await?, false).await?;
            (self.work)().await?;
        }
        Ok(())
    }

    async fn connect(&self) -> Tested {
        for person in &self.people {
            self.stores.records.connect(person, person.as_str()).await?;
        }
        Ok(())
    }

    /// What somebody's repository holds.
    ///
    /// # Errors
    /// When its server does not answer.
    pub async fn held(&self, person: &UserId, kind: RecordKind) -> anyhow::Result<Vec<Value>> {
        let nsid = format!("network.cosmik.{}", kind.name());
        let mut held = Vec::new();
        let mut cursor = None::<String>;
        loop {
            let mut parameters = vec![("repo", person.as_str()), ("collection", nsid.as_str()), ("limit", "100")];
            if let Some(cursor) = &cursor {
                parameters.push(("cursor", cursor));
            }
            let page = self.repos.query(person, "com.atproto.repo.listRecords", &parameters).await?;
            let records = page["records"].as_array().context("records")?;
            held.extend(records.iter().cloned());
            cursor = page["cursor"].as_str().map(str::to_owned);
            if cursor.is_none() || records.is_empty() {
                return Ok(held);
            }
        }
    }

    async fn urls(&self, person: &UserId) -> anyhow::Result<BTreeSet<String>> {
        let cards = self.held(person, RecordKind::Card).await?;
        let urls: Vec<&str> = cards.iter().filter_map(|record| record["value"]["url"].as_str()).collect();
        let each: BTreeSet<String> = urls.iter().map(ToString::to_string).collect();
        ensure!(each.len() == cards.len(), "a card was published twice: {urls:?}");
        Ok(each)
    }
}

fn set(urls: &[&str]) -> BTreeSet<String> {
    urls.iter().map(ToString::to_string).collect()
}

pub async fn what_is_public_is_published_and_nothing_else(bench: Bench) -> Tested {
    let [alice, bob] = &bench.people;
    let stores = &bench.stores;
    let shared = stores.collection(alice, "Shared", AccessType::Open).await?;
    // Before there is a repository.
    stores.save_with(alice, "https://a.example/", Some("whispered"), &[shared]).await?;
    stores.save_privately(alice, "https://secret.example/", None, &[shared]).await?;
    bench.connect().await?;
    bench.publish().await?;
    ensure!(bench.urls(alice).await? == set(&["https://a.example/"]));
    // After.
    stores.save_with(bob, "https://b.example/", Some("hushed"), &[shared]).await?;
    bench.publish().await?;
    ensure!(bench.urls(bob).await? == set(&["https://b.example/"]));
    for (person, collections) in [(alice, 1), (bob, 0)] {
        ensure!(bench.held(person, RecordKind::Collection).await?.len() == collections);
        let links = bench.held(person, RecordKind::Link).await?;
        ensure!(links.len() == 1, "{links:?}");
        let cards = bench.held(person, RecordKind::Card).await?;
        ensure!(
            links[0]["value"]["card"]["uri"] == cards[0]["uri"] && links[0]["value"]["card"]["cid"] == cards[0]["cid"]
        );
        ensure!(links[0]["value"]["addedBy"] == person.as_str());
        let all = format!("{cards:?} {links:?}");
        ensure!(!["whispered", "hushed", "secret"].iter().any(|word| all.contains(word)), "{all}");
    }
    let collection = bench.held(alice, RecordKind::Collection).await?.remove(0);
    let link = bench.held(bob, RecordKind::Link).await?.remove(0);
    ensure!(link["value"]["collection"]["uri"] == collection["uri"]);
    Ok(())
}

pub async fn changes_follow_and_what_is_withdrawn_goes(bench: Bench) -> Tested {
    let [alice, bob] = &bench.people;
    let stores = &bench.stores;
    bench.connect().await?;
    let shared = stores.collection(alice, "Shared", AccessType::Open).await?;
    let a = stores.save_with(alice, "https://a.example/", None, &[shared]).await?.url_card_id;
    let b = stores.save_with(bob, "https://b.example/", None, &[shared]).await?.url_card_id;
    bench.publish().await?;
    let title = Some("A title of one's own".to_owned());
    stores
        .run(alice, &UpdateUrlCardAssociations { card_id: a.to_string(), title: title.clone(), ..Default::default() })
        .await?;
    bench.publish().await?;
    let card = bench.held(alice, RecordKind::Card).await?.remove(0);
    ensure!(card["value"]["content"]["metadata"]["title"].as_str() == title.as_deref(), "{card}");

    stores.uncollect(alice, b, &[shared]).await?;
    bench.publish().await?;
    ensure!(bench.held(bob, RecordKind::Link).await?.is_empty());
    ensure!(bench.held(alice, RecordKind::Removal).await?.len() == 1, "the author says that it was removed");

    stores.let_see(alice, a, Visibility::Private).await?;
    stores.remove(bob, b).await?;
    bench.publish().await?;
    for (person, kind) in [(alice, RecordKind::Card), (alice, RecordKind::Link), (bob, RecordKind::Card)] {
        ensure!(bench.held(person, kind).await?.is_empty(), "{person} {kind:?}");
    }
    stores.let_see(alice, a, Visibility::Public).await?;
    bench.publish().await?;
    let (cards, links) = (bench.held(alice, RecordKind::Card).await?, bench.held(alice, RecordKind::Link).await?);
    ensure!(cards.len() == 1 && links.len() == 1 && links[0]["value"]["card"]["cid"] == cards[0]["cid"]);

    delete(stores, alice, shared).await?;
    bench.publish().await?;
    for kind in [RecordKind::Collection, RecordKind::Link, RecordKind::Removal] {
        ensure!(bench.held(alice, kind).await?.is_empty(), "{kind:?}");
    }
    ensure!(bench.urls(alice).await? == set(&["https://a.example/"]));
    Ok(())
}

pub async fn publishing_again_changes_nothing(bench: Bench) -> Tested {
    let [alice, _] = &bench.people;
    bench.connect().await?;
    for number in 0..5 {
        bench.stores.save(alice, &format!("https://{number}.example/")).await?;
    }
    bench.publish().await?;
    let before = bench.held(alice, RecordKind::Card).await?;
    ensure!(before.len() == 5);
    bench.stores.records.publish_again(alice).await?;
    bench.publish().await?;
    ensure!(bench.held(alice, RecordKind::Card).await? == before);
    Ok(())
}

async fn delete(stores: &Stores, by: &UserId, collection: CollectionId) -> Tested {
    stores.run(by, &DeleteCollection { id: collection.to_string() }).await?;
    stores.let_all_go(100).await
}

/// One test for each case of the contract.
#[macro_export]
macro_rules! record_suite {
    ($make:path, $runtime:tt, $prefix:ident) => {
        mod $prefix {
            use super::*;
            $crate::record_suite!(@cases $make, $runtime, [
                what_is_public_is_published_and_nothing_else,
                changes_follow_and_what_is_withdrawn_goes,
                publishing_again_changes_nothing,
            ]);
        }
    };
    (@cases $make:path, $runtime:tt, [$($case:ident),* $(,)?]) => {
        $(
            #[::tokio::test $runtime]
            async fn $case() -> $crate::store_suite::Tested {
                $crate::record_suite::$case($make().await?).await
            }
        )*
    };
}
