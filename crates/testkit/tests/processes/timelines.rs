//! The timeline of one save while others go on saving, in each way to run Cardwire.

use std::collections::BTreeMap;
use std::time::Duration;

use cardwire_testkit::net::http_client;
use cardwire_testkit::postgres::Postgres;
use cardwire_testkit::process::Process;
use cardwire_testkit::stack::{Client, Plan, Stack};
use reqwest::Method;
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

use crate::one_file;

const QUEUES: [&str; 4] = ["feeds", "search", "analytics", "records"];
const WITHIN: Duration = Duration::from_secs(60);

/// A page as an operator sees it.
async fn page(web: &Process, path: &str) -> String {
    let request = http_client().get(web.url(path)).header("cookie", "session=did:plc:mock123");
    let answer = request.header("accept", "text/html").send().await.unwrap();
    assert_eq!(answer.status(), 200, "{path}");
    answer.text().await.unwrap()
}

fn between<'p>(page: &'p str, begin: &str, end: &str) -> &'p str {
    let (_, rest) = page.split_once(begin).unwrap_or_else(|| panic!("no {begin}: {page}"));
    rest.split_once(end).unwrap_or_else(|| panic!("no {end}: {page}")).0
}

/// In which state an event is in a queue, and what the timeline says of it there.
fn way<'p>(page: &'p str, event: &str, queue: &str) -> (&'p str, &'p str) {
    let way = between(page, &format!("<h3 id=\"way-{event}-{queue}\">"), "</section>");
    let (heading, rest) = way.split_once("</h3>").unwrap();
    (heading.rsplit(": ").next().unwrap(), rest)
}

/// Saves a link while others save twenty a second, and follows it to its end.
async fn follow(context: &str, web: &Process) {
    let client = Client::of(web);
    let load = tokio::spawn({
        let client = client.clone();
        async move { client.load(5, 40, Duration::from_millis(250)).await }
    });
    sleep(Duration::from_secs(1)).await;
    let body = json!({ "url": "https://example.com/followed" });
    let saved = client.ask(Method::POST, "did:plc:alice", "/api/cards/library/urls", Some(&body)).await.unwrap().1;
    let begun = Instant::now();
    let card = saved["urlCardId"].as_str().unwrap();
    let found = page(web, &format!("/admin/find?q={card}")).await;
    let event = between(&found, "href=\"/admin/saves/", "\"").to_owned();

    let mut states: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let last = loop {
        let page = page(web, &format!("/admin/saves/{event}")).await;
        for queue in QUEUES {
            let (state, _) = way(&page, &event, queue);
            let states = states.entry(queue).or_default();
            if !states.last().is_some_and(|last| last.starts_with(state)) {
                states.push(format!("{state} after {} ms", begun.elapsed().as_millis()));
            }
        }
        if between(&page, "data-every=\"", "\"") == "0" {
            break page;
        }
        assert!(begun.elapsed() < WITHIN, "{context}: {states:?}");
        sleep(Duration::from_millis(20)).await;
    };
    println!("{context}: {states:?}");
    for (queue, expected) in [
        ("feeds", "written into the feed as activity"),
        ("search", "indexed: search has the card"),
        ("analytics", "counted, if it is a save that everyone can see"),
        ("records", "owed no more"),
    ] {
        let (state, told) = way(&last, &event, queue);
        assert_eq!(state, "done", "{context}: {queue}");
        assert!(told.contains(expected), "{context}: {queue}: {told}");
    }
    let feeds = way(&last, &event, "feeds").1;
    assert!(between(feeds, "<span class=\"after\">+", "</span>").ends_with(" ms"), "{context}: {feeds}");
    let others = timeout(WITHIN, load).await.expect("the others go on saving").unwrap();
    assert_eq!(others.len(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_save_is_followed_from_queue_to_queue_with_workers_of_their_own() {
    let stack = Stack::start(&Plan::default()).await;
    follow("PostgreSQL, Redis and workers", &stack.web).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_save_is_followed_from_queue_to_queue_in_one_process() {
    let server = Postgres::shared().unwrap();
    let database = server.database().await.unwrap();
    let settings = [
        ("APP_ENV", "development"),
        ("DATABASE_URL", database.url()),
        ("USE_IN_MEMORY_EVENTS", "true"),
        ("USE_MOCK_AUTH", "true"),
    ];
    let mut web = Process::start("web", &settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    web.ready().await;
    follow("PostgreSQL, one process", &web).await;
    drop(web);

    let folder = tempfile::tempdir().unwrap();
    let mut web = Process::start("web", &one_file::environment(&folder.path().join("cardwire.db")));
    web.ready().await;
    follow("one file", &web).await;
}
