//! The live feed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::http::Method;
use actix_web::test::TestRequest;
use async_trait::async_trait;
use cardwire_apptest::harness::Api;
use cardwire_domain::feed::{FeedItem, FeedRepository, StreamCursor};
use cardwire_domain::{CollectedWindow, Error, EventId, Page, PageRequest, Result, UserId};
use cardwire_http::{Live, LiveSettings};
use cardwire_storage::SqliteStore;
use tokio::time::Instant;

const STREAM: &str = "/api/feeds/global/stream";

fn from_end() -> TestRequest {
    TestRequest::get().uri(STREAM)
}

fn behind(id: &str) -> TestRequest {
    from_end().insert_header(("last-event-id", id))
}

async fn collect(api: &Api, names: &[&str]) -> Vec<String> {
    let mut cards = Vec::new();
    for name in names {
        cards.push(api.save("alice", &format!("https://example.com/{name}"), &[]).await);
        api.deliver().await;
    }
    cards
}

fn cards(activities: &[(String, serde_json::Value)]) -> Vec<String> {
    activities.iter().map(|(_, data)| data["card"]["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_reader_gets_what_comes_and_resumes_without_gap() {
    let api = Api::new();
    collect(&api, &["before"]).await;
    let mut events = api.open(from_end()).await;
    assert!(events.chunk().await.unwrap().starts_with("retry: 2000\nid: "));
    let first = collect(&api, &["a", "b", "c"]).await;
    let seen = events.activities(3).await;
    assert_eq!(cards(&seen), first, "nothing from before, everything since, in order");
    drop(events);
    let second = collect(&api, &["d", "e"]).await;
    let mut events = api.open(behind(&seen[1].0)).await;
    assert_eq!(cards(&events.activities(3).await), [&first[2..], &second[..]].concat());
    drop(events);
    let mut events = api.open(TestRequest::get().uri(&format!("{STREAM}?lastEventId={}", seen[2].0))).await;
    assert_eq!(cards(&events.activities(2).await), second);
    let wins = behind(&seen[1].0).uri(&format!("{STREAM}?lastEventId={}", seen[0].0));
    let mut events = api.open(wins).await;
    let behind_b = [&first[2..], &second[..]].concat();
    assert_eq!(cards(&events.activities(3).await), behind_b, "the header is the newer word");
}

#[tokio::test(start_paused = true)]
async fn a_reader_cut_off_before_the_first_activity_misses_nothing() {
    let api = Api::new();
    let mut events = api.open(from_end()).await;
    let opening = events.chunk().await.unwrap();
    let id = opening.lines().find_map(|line| line.strip_prefix("id: ")).unwrap();
    drop(events);
    let collected = collect(&api, &["a"]).await;
    let mut events = api.open(behind(id)).await;
    assert_eq!(cards(&events.activities(1).await), collected);
}

#[tokio::test(start_paused = true)]
async fn the_data_of_an_event_is_the_item_of_the_feed() {
    let api = Api::new();
    let mut events = api.open(from_end()).await;
    collect(&api, &["a"]).await;
    let seen = events.activities(1).await;
    let feed = api.get("/api/feeds/global").await.expect(200);
    assert_eq!(seen[0].1, feed["items"][0]);
}

#[tokio::test(start_paused = true)]
async fn a_quiet_stream_beats_every_15_seconds() {
    let api = Api::new();
    let mut events = api.open(from_end()).await;
    events.chunk().await.unwrap();
    for _ in 0..3 {
        let before = Instant::now();
        assert_eq!(events.chunk().await.unwrap(), ": heartbeat\n\n");
        assert_eq!(before.elapsed().as_secs(), 15);
    }
}

#[tokio::test(start_paused = true)]
async fn connections_are_capped_and_free_again() {
    let api = Api::with(LiveSettings { max_connections: 2, ..LiveSettings::default() });
    let first = api.open(from_end()).await;
    let _second = api.open(from_end()).await;
    let refused = api.send(from_end()).await;
    assert_eq!(refused.header("retry-after"), "5");
    refused.expect_problem(503, "too-many-streams");
    let head = api.send(TestRequest::default().method(Method::HEAD).uri(STREAM)).await;
    assert_eq!(head.status, 200, "takes no connection");
    drop(first);
    api.open(from_end()).await;
}

#[tokio::test(start_paused = true)]
async fn one_address_cannot_take_every_connection() {
    let api = Api::with(LiveSettings { max_per_address: 2, ..LiveSettings::default() });
    let from = |address: &str| from_end().peer_addr(SocketAddr::new(address.parse().unwrap(), 4_711));
    let first = api.open(from("2001:db8:1:2::1")).await;
    let _second = api.open(from("2001:db8:1:2::2")).await;
    let refused = api.send(from("2001:db8:1:2::3")).await;
    assert_eq!(refused.header("retry-after"), "5");
    refused.expect_problem(503, "too-many-streams");
    let _other = api.open(from("2001:db8:1:3::1")).await;
    drop(first);
    let _again = api.open(from("2001:db8:1:2::3")).await;
    api.send(from("2001:db8:1:2::1")).await.expect_problem(503, "too-many-streams");
    let mut local = Vec::new();
    for address in ["127.0.0.1", "127.0.0.1", "127.0.0.1", "::1", "::1", "::1"] {
        local.push(api.open(from(address)).await);
    }
}

#[tokio::test(start_paused = true)]
async fn shutdown_ends_the_stream_at_once_and_readiness_too() {
    let api = Api::new();
    let mut events = api.open(from_end()).await;
    events.chunk().await.unwrap();
    api.get("/readyz").await.expect(200);
    let before = Instant::now();
    let (end, ()) = tokio::join!(events.chunk(), async {
        tokio::task::yield_now().await;
        api.shutdown.cancel();
    });
    assert_eq!(end, None);
    assert!(before.elapsed() < Duration::from_secs(1), "not at the next heartbeat");
    api.get("/readyz").await.expect_problem(503, "unavailable");
}

#[tokio::test(start_paused = true)]
async fn an_id_that_is_none_is_refused() {
    let api = Api::new();
    let id = "01JD4A3W5T8Q2V9X7Y6Z1B0C3D";
    for bad in ["x", "1", "1-x", "-1-01JD4A3W5T8Q2V9X7Y6Z1B0C3D", &format!("18446744073709551615-{id}"), id] {
        let problem = api.send(behind(bad)).await.expect_problem(400, "invalid-parameter");
        assert_eq!(problem["field"], "Last-Event-ID");
        let in_query = TestRequest::get().uri(&format!("{STREAM}?lastEventId={bad}"));
        assert_eq!(api.send(in_query).await.expect_problem(400, "invalid-parameter")["field"], "lastEventId");
    }
    api.get(&format!("{STREAM}?since=1")).await.expect_problem(400, "invalid-parameter");
}

/// A store that can go away while somebody reads.
struct Flaky {
    store: SqliteStore,
    away: AtomicBool,
}

#[async_trait]
impl FeedRepository for Flaky {
    async fn add_activities(&self, windows: &[CollectedWindow]) -> Result<usize> {
        self.store.add_activities(windows).await
    }

    async fn forget_people(&self, events: &[EventId]) -> Result<usize> {
        self.store.forget_people(events).await
    }

    async fn feed(&self, actor: Option<&UserId>, page: &PageRequest) -> Result<Page<FeedItem>> {
        self.store.feed(actor, page).await
    }

    async fn stream_end(&self) -> Result<StreamCursor> {
        self.store.stream_end().await
    }

    async fn stream(&self, after: StreamCursor, limit: usize) -> Result<Vec<(StreamCursor, FeedItem)>> {
        if self.away.load(Ordering::SeqCst) {
            return Err(Error::Unavailable("away".into()));
        }
        self.store.stream(after, limit).await
    }

    async fn stream_hint(&self) {
        self.store.stream_hint().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_outlives_an_outage_of_the_store() {
    let mut api = Api::new();
    let flaky = Arc::new(Flaky { store: api.store.clone(), away: AtomicBool::new(true) });
    api.state.feed = flaky.clone();
    api.state.live =
        Live::new(flaky.clone(), cardwire_api::feed::to_json, LiveSettings::default(), api.shutdown.clone());
    let mut events = api.open(from_end()).await;
    events.chunk().await.unwrap();
    let collected = collect(&api, &["a"]).await;
    assert_eq!(events.chunk().await.unwrap(), ": heartbeat\n\n", "still open");
    flaky.away.store(false, Ordering::SeqCst);
    assert_eq!(cards(&events.activities(1).await), collected);
}

#[tokio::test(start_paused = true)]
async fn readers_near_and_far_behind_get_the_same() {
    let api = Api::new();
    let mut near = api.open(from_end()).await;
    let start = near.chunk().await.unwrap();
    let start = start.lines().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned();
    let mut collected = Vec::new();
    for n in 0..1_150 {
        collected.push(api.save("alice", &format!("https://example.com/{n}"), &[]).await);
        if n % 50 == 49 {
            api.deliver().await;
            assert_eq!(cards(&near.activities(50).await), collected[n - 49..=n]);
        }
    }
    // More than the process keeps in memory, so it reads the store first.
    let mut far = api.open(behind(&start)).await;
    let seen = far.activities(1_150).await;
    assert_eq!(cards(&seen), collected);
    let mut middle = api.open(behind(&seen[600].0)).await;
    assert_eq!(cards(&middle.activities(549).await), collected[601..]);
    let last = collect(&api, &["last"]).await;
    for events in [&mut near, &mut far, &mut middle] {
        assert_eq!(cards(&events.activities(1).await), last);
    }
}
