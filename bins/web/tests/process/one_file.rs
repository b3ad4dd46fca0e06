//! One process over one file, as somebody runs it on a server of their own.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use cardwire_testkit::process::Process;
use nix::sys::signal::Signal;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::save;

fn environment(file: &Path) -> BTreeMap<String, String> {
    [
        ("APP_ENV", "development".to_owned()),
        ("USE_MOCK_AUTH", "true".to_owned()),
        ("DATABASE_URL", format!("sqlite:{}", file.display())),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

async fn cards_in_feed(web: &Process) -> Vec<String> {
    let answer = cardwire_testkit::net::http_client().get(web.url("/api/feeds/global?limit=100")).send().await.unwrap();
    let feed: Value = answer.json().await.unwrap();
    let mut cards: Vec<_> =
        feed["items"].as_array().unwrap().iter().map(|item| item["card"]["id"].as_str().unwrap().to_owned()).collect();
    cards.sort_unstable();
    cards
}

/// Waits until the feed shows these cards, each once.
async fn shows(web: &Process, cards: &[String]) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let shown = cards_in_feed(web).await;
        if shown == cards {
            return;
        }
        assert!(Instant::now() < deadline, "{shown:?} instead of {cards:?}");
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn what_was_saved_is_there_after_a_kill_and_its_activity_comes_once() {
    let folder = tempfile::tempdir().unwrap();
    let environment = environment(&folder.path().join("data/cardwire.db"));
    let mut web = Process::start("web", &environment);
    web.ready().await;
    let client = cardwire_testkit::net::http_client();
    let mut cards = Vec::new();
    for n in 0..20 {
        let saved = save(&client, &web, &format!("https://example.com/{n}")).await;
        cards.push(saved["urlCardId"].as_str().unwrap().to_owned());
    }
    cards.sort_unstable();
    // Their windows are open.
    web.kill();
    let mut web = Process::start("web", &environment);
    web.ready().await;
    let started = Instant::now();
    shows(&web, &cards).await;
    println!("all in the feed {:?} after the start", started.elapsed());
    // Another kill, with everything done.
    web.kill();
    let mut web = Process::start("web", &environment);
    web.ready().await;
    sleep(Duration::from_secs(4)).await;
    assert_eq!(cards_in_feed(&web).await, cards);
}

#[tokio::test]
async fn a_file_is_for_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cardwire.db");
    let mut web = Process::start("web", &environment(&file));
    web.ready().await;
    let refused = async |name: &str, more: &[(&str, &str)], line: &str| {
        let mut environment = environment(&file);
        environment.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let mut process = Process::start(name, &environment);
        assert_eq!(process.ended().await.code(), Some(78), "{}", process.log());
        assert!(process.log().contains(line), "{}", process.log());
    };
    refused("web", &[], "another process of Cardwire has this file open").await;
    refused("feed-worker", &[], "is for one process").await;
    refused("web", &[("REDIS_URL", "redis://127.0.0.1:1")], "REDIS_URL: events do not go through Redis").await;
    assert!(web.is_running());
}

#[tokio::test]
async fn a_backup_is_made_while_it_runs_and_starts_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let environment = environment(&folder.path().join("cardwire.db"));
    let mut web = Process::start("web", &environment);
    web.ready().await;
    let client = cardwire_testkit::net::http_client();
    let saved = save(&client, &web, "https://example.com/before").await;
    let cards = vec![saved["urlCardId"].as_str().unwrap().to_owned()];
    shows(&web, &cards).await;

    let copy = folder.path().join("copy.db");
    let backup = async || {
        let mut backup = Process::start_with("web", &["backup", copy.to_str().unwrap()], &environment);
        (backup.ended().await.code(), backup.log())
    };
    let (code, log) = backup().await;
    assert_eq!(code, Some(0), "{log}");
    let (code, log) = backup().await;
    assert!(code != Some(0) && log.contains("a copy overwrites nothing"), "{log}");
    save(&client, &web, "https://example.com/after").await;

    let mut restored = Process::start("web", &self::environment(&copy));
    restored.ready().await;
    shows(&restored, &cards).await;
}

#[tokio::test]
async fn once_it_has_ended_everything_is_in_the_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cardwire.db");
    let mut web = Process::start("web", &environment(&file));
    web.ready().await;
    let client = cardwire_testkit::net::http_client();
    let saved = save(&client, &web, "https://example.com/").await;
    // Readers are open, too.
    cards_in_feed(&web).await;
    web.signal(Signal::SIGTERM);
    assert_eq!(web.ended().await.code(), Some(0), "{}", web.log());
    let copy = folder.path().join("copy.db");
    std::fs::copy(&file, &copy).unwrap();
    let mut restored = Process::start("web", &environment(&copy));
    restored.ready().await;
    shows(&restored, &[saved["urlCardId"].as_str().unwrap().to_owned()]).await;
}
