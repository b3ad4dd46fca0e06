//! The troubles of docs/operate/OPERATING.md, brought about on purpose: what the console and `/readyz` say of each, and that it passes.

use std::time::Duration;

use cardwire_testkit::history::History;
use cardwire_testkit::process::readyz;
use cardwire_testkit::stack::{Client, Plan, Stack};
use nix::sys::signal::Signal;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

const ADMIN: &str = "did:plc:mock123";
const SEARCH: usize = 1;
const PATIENCE: Duration = Duration::from_secs(60);

/// What the console knows of a queue.
async fn queue(client: &Client, name: &str) -> (Value, Value) {
    let (status, answer) = client.ask(Method::GET, ADMIN, "/api/admin/queues", None).await.unwrap();
    assert_eq!(status, 200, "{answer}");
    let found = answer["queues"].as_array().unwrap().iter().find(|queue| queue["queue"] == name).unwrap().clone();
    (found, answer)
}

async fn eventually(what: &str, holds: impl AsyncFn() -> bool) -> Duration {
    let started = Instant::now();
    while !holds().await {
        assert!(started.elapsed() < PATIENCE, "{what}");
        sleep(Duration::from_millis(100)).await;
    }
    started.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_late_when_a_worker_stands_still_and_the_console_says_which() {
    let stack = Stack::start(&Plan::default()).await;
    let client = stack.client();
    stack.signal_worker(SEARCH, Signal::SIGSTOP);
    let mut history = History::default();
    for n in 0..5 {
        assert!(client.save("did:plc:alice", &format!("https://example.com/{n}"), &[], &mut history).await);
    }
    let seen = eventually("search is owed and its oldest event grows old, feeds is done", async || {
        let (search, _) = queue(&client, "search").await;
        let (feeds, _) = queue(&client, "feeds").await;
        search["owed"] == 5 && search["oldestAgeSeconds"].as_u64().unwrap_or(0) >= 5 && feeds["owed"] == 0
    });
    println!("the console shows it after {:?}", seen.await);
    let silent = eventually("its worker is silent", async || {
        let (_, all) = queue(&client, "search").await;
        let workers = all["workers"].as_array().unwrap();
        workers.iter().any(|worker| worker["queue"] == "search" && worker["alive"] == false)
    });
    println!("and its worker as silent after {:?}", silent.await);
    stack.signal_worker(SEARCH, Signal::SIGCONT);
    stack.settled(Duration::from_secs(90)).await;
    stack.check(&history).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_redis_lost_everything_the_console_says_what_is_owed_and_delivering_again_mends_it() {
    let stack = Stack::start(&Plan::default()).await;
    let client = stack.client();
    stack.signal_worker(SEARCH, Signal::SIGSTOP);
    let mut history = History::default();
    for n in 0..5 {
        assert!(client.save("did:plc:alice", &format!("https://example.com/{n}"), &[], &mut history).await);
    }
    stack.redis.flushall();
    let (search, all) = queue(&client, "search").await;
    assert_eq!((&search["owed"], &all["transport"]), (&json!(5), &json!("ok")), "the log still owes all: {search}");
    assert_eq!(search["waiting"], 0, "the queue is empty: {search}");
    stack.signal_worker(SEARCH, Signal::SIGCONT);
    let (status, answer) = client.post(ADMIN, "/api/admin/queues/search/redeliver", &Value::Null).await.unwrap();
    assert_eq!(status, 202, "{answer}");
    stack.settled(Duration::from_secs(90)).await;
    stack.check(&history).await;
}

/// What PostgreSQL says when no room is left on its disk.
const FULL: &str = "\
CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;
CREATE TRIGGER no_room BEFORE INSERT ON events FOR EACH STATEMENT EXECUTE FUNCTION no_room();
CREATE TRIGGER no_room BEFORE INSERT OR UPDATE ON activities FOR EACH STATEMENT EXECUTE FUNCTION no_room()";

const ROOM_AGAIN: &str = "DROP FUNCTION no_room CASCADE";

#[tokio::test(flavor = "multi_thread")]
async fn when_postgresql_is_full_saves_are_answered_503_and_reads_go_on() {
    let stack = Stack::start(&Plan::default()).await;
    let client = stack.client();
    let mut history = History::default();
    assert!(client.save("did:plc:alice", "https://example.com/before", &[], &mut history).await);
    sqlx::raw_sql(FULL).execute(stack.pool()).await.unwrap();
    let body = json!({ "url": "https://example.com/full" });
    let (status, answer) = client.post("did:plc:alice", "/api/cards/library/urls", &body).await.unwrap();
    assert_eq!((status, &answer["type"]), (503, &json!("/problems/unavailable")), "{answer}");
    assert!(!answer.to_string().contains("No space"), "what the server said is in the log alone: {answer}");
    assert_eq!(readyz(stack.web.metrics_port).await, Some(200), "pages can be read, so web stays ready");
    let (feeds, _) = queue(&client, "feeds").await;
    assert_eq!(feeds["dead"], 0, "nobody's event is at fault: {feeds}");
    // The window of the first save closes meanwhile, and cannot be written.
    let owed = eventually("what cannot be written stays owed", async || {
        let (feeds, _) = queue(&client, "feeds").await;
        feeds["owed"] == 1 && feeds["oldestAgeSeconds"].as_u64().unwrap_or(0) >= 5
    });
    println!("the console shows what is owed after {:?}", owed.await);
    sqlx::raw_sql(ROOM_AGAIN).execute(stack.pool()).await.unwrap();
    assert!(client.save("did:plc:alice", "https://example.com/full", &[], &mut history).await, "the same again");
    stack.settled(Duration::from_secs(90)).await;
    stack.check(&history).await;
    let (feeds, _) = queue(&client, "feeds").await;
    assert_eq!(feeds["dead"], 0, "{feeds}");
}
