//! People change who sees their cards while workers are killed. In the end others see the truth, over HTTP.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cardwire_testkit::history::History;
use cardwire_testkit::longer::told;
use cardwire_testkit::stack::{Client, Plan, Stack};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::random::Random;

const PEOPLE: usize = 8;
/// The same ones for everybody.
const URLS: usize = 6;
/// Of everybody; the first is public, and the second is private.
const COLLECTIONS: usize = 2;
const SAVE: &str = "/api/cards/library/urls";
const ASSOCIATIONS: &str = "/api/cards/url/associations";
const OTHER: &str = "did:plc:other";

/// What one person's accepted commands come to.
#[derive(Default)]
struct Kept {
    history: History,
    /// By URL: the card, whether it is in the library, and whether others see it.
    cards: BTreeMap<usize, (String, bool, bool)>,
    collections: Vec<String>,
    commands: usize,
}

fn url(number: usize) -> String {
    format!("https://example.com/{number}")
}

/// Only workers are killed, so every command is answered.
async fn ask(client: &Client, method: Method, person: &str, path: &str, body: Option<Value>) -> Value {
    let (status, answer) = client.ask(method, person, path, body.as_ref()).await.expect("the web process answers");
    assert!(matches!(status, 200 | 201), "{path} was answered {status}: {answer}");
    answer
}

impl Kept {
    async fn change(&mut self, client: &Client, person: &str, random: &mut Random) {
        let number = random.below(URLS);
        let is_public = random.below(2) == 0;
        let visibility = if is_public { "PUBLIC" } else { "PRIVATE" };
        self.commands += 1;
        match self.cards.get_mut(&number) {
            Some((card, is_kept @ true, _)) if random.below(5) == 0 => {
                ask(client, Method::DELETE, person, &format!("/api/cards/{card}/library"), None).await;
                *is_kept = false;
            }
            Some((card, true, was_public)) => {
                let body = json!({ "cardId": card, "visibility": visibility });
                ask(client, Method::PUT, person, ASSOCIATIONS, Some(body)).await;
                if *was_public != is_public {
                    self.history.begun_anew(card);
                }
                *was_public = is_public;
            }
            known => {
                let body = json!({ "url": url(number), "visibility": visibility, "collectionIds": self.collections });
                let saved = ask(client, Method::POST, person, SAVE, Some(body)).await;
                if known.is_some() {
                    self.history.begun_anew(saved["urlCardId"].as_str().unwrap());
                }
                self.history.accept(person, &url(number), &saved);
                let card = saved["urlCardId"].as_str().unwrap().to_owned();
                self.cards.insert(number, (card, true, is_public));
            }
        }
    }
}

async fn live(client: Client, number: usize, seed: u64, until: Instant) -> Kept {
    let (person, mut random) = (format!("did:plc:person{number}"), Random(seed * 1_000 + number as u64));
    let mut kept = Kept::default();
    for (name, visibility) in [("public", "PUBLIC"), ("private", "PRIVATE")] {
        let body = json!({ "name": name, "visibility": visibility });
        let made = ask(&client, Method::POST, &person, "/api/collections", Some(body)).await;
        kept.collections.push(made["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(kept.collections.len(), COLLECTIONS);
    while Instant::now() < until {
        kept.change(&client, &person, &mut random).await;
        sleep(Duration::from_millis(random.below(120) as u64)).await;
    }
    kept
}

/// Every item of a list.
async fn all(client: &Client, path: &str) -> Vec<Value> {
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = ask(client, Method::GET, OTHER, &format!("{path}limit=100{cursor}"), None).await;
        items.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return items,
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// What somebody else is shown, against what was accepted.
async fn check(client: &Client, people: &[Kept]) {
    let mut shown: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut by_url: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for kept in people {
        let mut of_person = BTreeSet::new();
        for (number, (card, is_kept, is_public)) in &kept.cards {
            let (status, _) = client.ask(Method::GET, OTHER, &format!("/api/cards/{card}"), None).await.unwrap();
            let is_shown = *is_kept && *is_public;
            assert_eq!(status, if is_shown { 200 } else { 404 }, "{card}");
            if is_shown {
                of_person.insert(card.clone());
                shown.insert(card.clone(), BTreeSet::from([kept.collections[0].clone()]));
                by_url.entry(url(*number)).or_default().insert(card.clone());
            }
        }
        let path = format!("/api/collections/{}?limit=100", kept.collections[0]);
        let public = ask(client, Method::GET, OTHER, &path, None).await;
        let cards = public["cards"]["items"].as_array().unwrap().iter().map(|card| text(&card["id"])).collect();
        assert_eq!(of_person, cards, "what is in a public collection");
        assert_eq!(public["cardCount"], of_person.len());
        let path = format!("/api/collections/{}", kept.collections[1]);
        assert_eq!(client.ask(Method::GET, OTHER, &path, None).await.unwrap().0, 404, "a private collection");
    }
    let mut in_feed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for item in all(client, "/api/feeds/global?").await {
        let names = item["collections"].as_array().unwrap().iter().map(|one| text(&one["id"]));
        in_feed.entry(text(&item["card"]["id"])).or_default().extend(names);
    }
    assert_eq!(in_feed, shown, "the feed");
    let hits = all(client, "/api/search?q=example&").await;
    let found = hits.iter().map(|hit| {
        let cards = hit["cardIds"].as_array().unwrap().iter().map(text).collect();
        (text(&hit["url"]), cards)
    });
    assert_eq!(found.collect::<BTreeMap<String, BTreeSet<String>>>(), by_url, "search");
    let top = ask(client, Method::GET, OTHER, "/api/analytics/top-urls?limit=100", None).await;
    let trending =
        top["items"].as_array().unwrap().iter().map(|top| (text(&top["url"]), top["saves"].as_u64().unwrap()));
    let expected = by_url.iter().map(|(url, cards)| (url.clone(), cards.len() as u64));
    assert_eq!(trending.collect::<BTreeMap<_, _>>(), expected.collect::<BTreeMap<_, _>>(), "trends");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_see_what_changes_while_workers_are_killed_others_see_the_truth() {
    let (seconds, seed) = (told("FAULT_SECONDS", 10), told("FAULT_SEED", 1));
    let mut random = Random(seed);
    let mut stack = Stack::start(&Plan { feed_workers: 2, ..Plan::default() }).await;
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut living = JoinSet::new();
    for number in 0..PEOPLE {
        living.spawn(live(stack.client(), number, seed, until));
    }
    let mut kills = 0;
    while Instant::now() < until {
        sleep(Duration::from_millis(500)).await;
        let victim = random.below(stack.workers.len());
        stack.kill_and_restart(victim);
        kills += 1;
    }
    let people = living.join_all().await;
    let took = stack.settled(Duration::from_secs(180)).await;
    let mut history = History::default();
    let commands: usize = people.iter().map(|kept| kept.commands).sum();
    people.iter().for_each(|kept| history.merge(kept.history.clone()));
    let checked = stack.check(&history).await;
    check(&stack.client(), &people).await;
    println!(
        "FAULT_SEED={seed}: {commands} commands, {kills} kills in {seconds} s, settled {took:?} after: {checked:?}"
    );
}
