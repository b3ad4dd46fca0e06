//! The web process as its users start it, with everything in memory.

// Unmet preconditions panic, in helper functions too.
#![allow(clippy::unwrap_used)]

mod import;
mod invites;
mod memory;
mod metrics;
mod nobody_left;
mod one_file;
mod otlp;
mod pages;
mod people;
mod proxies;
mod trace;

use std::collections::BTreeMap;
use std::time::Duration;

use cardwire_testkit::process::Process;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

fn mock() -> BTreeMap<String, String> {
    ["USE_IN_MEMORY_EVENTS", "USE_MOCK_REPOS", "USE_MOCK_AUTH", "USE_FAKE_PUBLISHERS"]
        .map(|name| (name.to_owned(), "true".to_owned()))
        .into_iter()
        .chain([("APP_ENV".to_owned(), "development".to_owned())])
        .collect()
}

async fn save(client: &reqwest::Client, web: &Process, url: &str) -> Value {
    let answer = client.post(web.url("/api/cards/library/urls")).json(&json!({ "url": url })).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 201);
    answer.json().await.unwrap()
}

#[tokio::test]
async fn a_save_is_one_activity_within_three_and_a_half_seconds() {
    let mut web = Process::start("web", &mock());
    web.ready().await;
    let client = cardwire_testkit::net::http_client();
    let started = Instant::now();
    let saved = save(&client, &web, "https://example.com/").await;
    let feed = loop {
        let answer = client.get(web.url("/api/feeds/global")).send().await.unwrap();
        let feed: Value = answer.json().await.unwrap();
        if feed["items"].as_array().is_some_and(|items| !items.is_empty()) {
            break feed;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "no activity");
        sleep(Duration::from_millis(20)).await;
    };
    // Half a second on top of the window; a loaded machine gets some more.
    assert!(started.elapsed() < Duration::from_millis(3_500 + 2_000), "{:?}", started.elapsed());
    assert_eq!(feed["items"].as_array().unwrap().len(), 1);
    assert_eq!(feed["items"][0]["card"]["id"], saved["urlCardId"]);
    println!("visible after {:?}", started.elapsed());
}

#[tokio::test]
async fn told_to_stop_with_open_windows_it_writes_them_and_exits_zero() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut web = Process::start("web", &mock());
        web.ready().await;
        let client = cardwire_testkit::net::http_client();
        for n in 0..25 {
            save(&client, &web, &format!("https://example.com/{n}")).await;
        }
        web.signal(signal);
        let status = web.ended().await;
        assert_eq!(status.code(), Some(0), "{signal}:\n{}", web.log());
        let drained = web.log().lines().find(|line| line.contains("workers drained")).map(str::to_owned);
        let drained: Value = serde_json::from_str(&drained.unwrap_or_else(|| panic!("{}", web.log()))).unwrap();
        assert_eq!(drained["windows"], 25, "{drained}");
        assert_eq!(drained["owed"], 0, "{drained}");
    }
}

#[tokio::test]
async fn contradictions_exit_78_with_one_line_that_says_why() {
    let mut environment = mock();
    environment.insert("USE_IN_MEMORY_EVENTS".into(), "false".into());
    let mut web = Process::start("web", &environment);
    assert_eq!(web.ended().await.code(), Some(78));
    let log = web.log();
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.contains("USE_MOCK_REPOS"), "{log}");
}

#[tokio::test]
async fn the_effective_settings_are_printed_without_secrets() {
    let mut environment = mock();
    environment.insert("USE_MOCK_REPOS".into(), "false".into());
    environment.insert("DATABASE_URL".into(), "postgres://cardwire:hunter2@localhost/cardwire".into());
    let mut web = Process::start_with("web", &["--check-config"], &environment);
    assert_eq!(web.ended().await.code(), Some(0));
    let log = web.log();
    assert!(log.contains("DATABASE_URL=") && !log.contains("hunter2"), "{log}");
}
