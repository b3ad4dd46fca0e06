//! Whose page is fetched next: they take turns over people and registrable domains.

use std::collections::BTreeMap;
use std::time::Duration;

use cardwire_domain::UserId;
use cardwire_domain::fetch_room::FetchRoom;
use cardwire_domain::metadata::{FetchJob, FetchPolicy};

use super::pages::titled;
use super::scene::person;
use super::{Stores, Tested};

const MANY: usize = 800;

/// Of a fetcher with 32 places that has these pages in its hands.
fn room(running: &[FetchJob]) -> FetchRoom<FetchJob> {
    FetchRoom { free: 32 - running.len(), running: running.to_vec(), per_host: 2, share: 16 }
}

impl Stores {
    async fn leased(&self, room: &FetchRoom<FetchJob>) -> anyhow::Result<Vec<FetchJob>> {
        Ok(self.pages.lease_fetches(room, &FetchPolicy::default()).await?)
    }

    async fn saved_and_indexed(&self, saves: &[(UserId, String)]) -> Tested {
        self.save_at_once(saves).await?;
        self.index_all().await?;
        Ok(())
    }

    /// Somebody who waits behind others saves one page, which comes next although they have all the places that they may have.
    async fn the_next_lease_has(&self, running: &[FetchJob], name: &str, url: &str) -> anyhow::Result<FetchJob> {
        self.saved_and_indexed(&[(person(name), url.to_owned())]).await?;
        let mut next = self.leased(&room(running)).await?;
        assert_eq!(next.iter().map(|job| job.url.as_str()).collect::<Vec<_>>(), [url]);
        Ok(next.remove(0))
    }
}

/// Places by whatever they are held for.
fn counted<K: Ord>(jobs: &[FetchJob], key: impl Fn(&FetchJob) -> K) -> BTreeMap<K, usize> {
    let mut counts = BTreeMap::new();
    for job in jobs {
        *counts.entry(key(job)).or_default() += 1;
    }
    counts
}

pub async fn many_hosts_of_one_person_keep_nobody_waiting(stores: Stores) -> Tested {
    let flood: Vec<_> = (0..MANY).map(|n| (person("mallory"), format!("https://slow{n}.example/"))).collect();
    stores.saved_and_indexed(&flood).await?;
    stores.saved_and_indexed(&[(person("bob"), "https://one.example/".into())]).await?;
    let mut running = stores.leased(&room(&[])).await?;
    let people = counted(&running, |job| job.asked_by.clone());
    assert_eq!(people, BTreeMap::from([(person("bob"), 1), (person("mallory"), 16)]));
    assert_eq!(stores.leased(&room(&running)).await?, [], "the other places are for others");
    running.push(stores.the_next_lease_has(&running, "carol", "https://two.example/").await?);
    let done = running.iter().position(|job| job.asked_by == person("mallory")).expect("sixteen are hers");
    running.remove(done);
    let again = stores.leased(&room(&running)).await?;
    assert_eq!(counted(&again, |job| job.asked_by.clone()), BTreeMap::from([(person("mallory"), 1)]));
    Ok(())
}

pub async fn many_subdomains_of_one_domain_keep_nobody_waiting(stores: Stores) -> Tested {
    let by = |n: usize| person(&format!("crowd{n}"));
    let flood: Vec<_> = (0..MANY).map(|n| (by(n), format!("https://s{n}.flood.co.uk/"))).collect();
    stores.saved_and_indexed(&flood).await?;
    stores.saved_and_indexed(&[(person("bob"), "https://another.co.uk/".into())]).await?;
    let mut running = stores.leased(&room(&[])).await?;
    let domains = counted(&running, |job| job.domain.clone());
    assert_eq!(domains, BTreeMap::from([("another.co.uk".to_owned(), 1), ("flood.co.uk".to_owned(), 16)]));
    running.push(stores.the_next_lease_has(&running, "carol", "https://two.example/").await?);
    Ok(())
}

pub async fn many_pages_of_one_domain_come_after_the_first_of_somebody_else(stores: Stores) -> Tested {
    let flood: Vec<_> = (0..MANY).map(|n| (person("mallory"), format!("https://popular.example/{n}"))).collect();
    stores.saved_and_indexed(&flood).await?;
    stores.saved_and_indexed(&[(person("bob"), "https://popular.example/his".into())]).await?;
    let three = FetchRoom { per_host: 3, ..room(&[]) };
    let people = counted(&stores.leased(&three).await?, |job| job.asked_by.clone());
    assert_eq!(people, BTreeMap::from([(person("bob"), 1), (person("mallory"), 2)]));
    Ok(())
}

pub async fn a_busy_domain_delays_none_of_its_savers_other_pages(stores: Stores) -> Tested {
    let by = |n: usize| person(&format!("crowd{n}"));
    let mut saves: Vec<_> = (0..100).map(|n| (by(n), format!("https://s{n}.flood.example/"))).collect();
    saves.extend((0..16).map(|n| (by(n), format!("https://other{n}.example/"))));
    stores.saved_and_indexed(&saves).await?;
    let domains = counted(&stores.leased(&room(&[])).await?, |job| job.domain.clone());
    assert_eq!(domains.get("flood.example"), Some(&16), "{domains:?}");
    assert_eq!(domains.len(), 17, "{domains:?}");
    Ok(())
}

pub async fn a_waiting_page_comes_forward_for_whoever_else_saves_it(stores: Stores) -> Tested {
    let flood: Vec<_> = (0..300).map(|n| (person("mallory"), format!("https://slow{n}.example/"))).collect();
    stores.saved_and_indexed(&flood).await?;
    let mut running = stores.leased(&room(&[])).await?;
    assert_eq!(running.len(), 16);
    let waiting: Vec<_> = flood.iter().filter(|(_, url)| running.iter().all(|job| job.url != *url)).collect();
    for (name, (_, url)) in [("bob", waiting[0]), ("carol", waiting[waiting.len() / 2])] {
        running.push(stores.the_next_lease_has(&running, name, url).await?);
        assert_eq!(running[running.len() - 1].asked_by, person(name));
    }
    Ok(())
}

pub async fn newcomers_do_not_starve_who_has_much_waiting(stores: Stores) -> Tested {
    let own: Vec<_> = (0..50).map(|n| (person("alice"), format!("https://own{n}.example/"))).collect();
    stores.saved_and_indexed(&own).await?;
    for round in 0..20 {
        let new = (person(&format!("new{round}")), format!("https://new{round}.example/"));
        stores.saved_and_indexed(std::slice::from_ref(&new)).await?;
        let people = counted(&stores.leased(&FetchRoom::idle(2)).await?, |job| job.asked_by.clone());
        assert_eq!(people, BTreeMap::from([(person("alice"), 1), (new.0, 1)]), "round {round}");
    }
    Ok(())
}

pub async fn pages_that_are_due_again_let_new_ones_through(stores: Stores) -> Tested {
    let own: Vec<_> = (0..100).map(|n| (person("alice"), format!("https://own{n}.example/"))).collect();
    stores.saved_and_indexed(&own).await?;
    for job in stores.due().await? {
        assert!(stores.pages.finish_fetch(&job, &Ok(titled("Known")), &FetchPolicy::default()).await?);
    }
    stores.time.advance(Duration::from_secs(8 * 86_400)).await;
    let running = stores.leased(&room(&[])).await?;
    assert_eq!(counted(&running, |job| job.asked_by.clone()), BTreeMap::from([(person("alice"), 16)]));
    stores.the_next_lease_has(&running, "bob", "https://new.example/").await?;
    Ok(())
}

pub async fn who_removes_a_page_that_waits_leaves_it_to_who_keeps_it(stores: Stores) -> Tested {
    let url = "https://example.com/shared";
    let hers = stores.save(&person("alice"), url).await?.url_card_id;
    stores.save(&person("bob"), url).await?;
    stores.index_all().await?;
    stores.remove(&person("alice"), hers).await?;
    stores.index_all().await?;
    let jobs = stores.due().await?;
    let told: Vec<_> = jobs.iter().map(|job| (job.url.as_str(), &job.asked_by)).collect();
    assert_eq!(told, [(url, &person("bob"))]);
    Ok(())
}
