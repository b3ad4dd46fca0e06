//! What clients see of the whole, over real sockets.

use std::collections::BTreeMap;
use std::time::Duration;

use cardwire_testkit::history::History;
use cardwire_testkit::stack::{Plan, Stack};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

const PERSON: &str = "did:plc:alice";
const SAVE: &str = "/api/cards/library/urls";

#[tokio::test(flavor = "multi_thread")]
async fn fifty_parallel_saves_of_one_url_are_one_card_and_one_activity() {
    let stack = Stack::start(&Plan::default()).await;
    let client = stack.client();
    let mut saves = JoinSet::new();
    for _ in 0..50 {
        let client = client.clone();
        saves.spawn(async move { client.post(PERSON, SAVE, &json!({ "url": "https://example.com/" })).await.unwrap() });
    }
    let answers = saves.join_all().await;
    let created = answers.iter().filter(|(status, answer)| *status == 201 && answer["created"] == true).count();
    assert_eq!(created, 1, "{answers:?}");
    let mut history = History::default();
    for (status, answer) in &answers {
        assert!(matches!(status, 200 | 201), "{status}: {answer}");
        history.accept(PERSON, "https://example.com/", answer);
    }
    stack.settled(Duration::from_secs(20)).await;
    let checked = stack.check(&history).await;
    assert_eq!((checked.events, checked.activities), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_idempotency_key_twenty_times_in_parallel_is_one_effect_and_one_answer() {
    let stack = Stack::start(&Plan::default()).await;
    let http = cardwire_testkit::net::http_client();
    let mut requests = JoinSet::new();
    for _ in 0..20 {
        let request = http
            .post(stack.web.url("/api/collections"))
            .bearer_auth(PERSON)
            .header("Idempotency-Key", "one-and-the-same")
            .json(&json!({ "name": "reading", "accessType": "OPEN" }));
        requests.spawn(async move {
            let answer = request.send().await.unwrap();
            (answer.status().as_u16(), answer.text().await.unwrap())
        });
    }
    let answers = requests.join_all().await;
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!(answers[0].0, 201);
    let stored: i64 = sqlx::query_scalar("SELECT count(*) FROM collections").fetch_one(stack.pool()).await.unwrap();
    assert_eq!(stored, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_postgresql_a_save_is_503_within_three_seconds_and_nothing_is_half_done() {
    let mut stack = Stack::start(&Plan::default()).await;
    let http = cardwire_testkit::net::http_client();
    let save = || http.post(stack.web.url(SAVE)).bearer_auth(PERSON).json(&json!({ "url": "https://example.com/" }));
    let (first, again) = (save(), save());
    stack.postgres.stop().unwrap();
    let started = Instant::now();
    let answer = first.send().await.unwrap();
    let took = started.elapsed();
    assert_eq!(answer.status().as_u16(), 503);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    assert!(answer.headers().contains_key("retry-after"));
    println!("503 after {took:?}: {}", answer.text().await.unwrap());
    assert!(took < Duration::from_secs(3), "{took:?}");

    stack.postgres.resume().unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    let answer = loop {
        let answer = again.try_clone().unwrap().send().await.unwrap();
        if answer.status().as_u16() == 201 {
            break answer;
        }
        assert_eq!(answer.status().as_u16(), 503);
        assert!(Instant::now() < deadline, "the pool does not recover without a restart");
    };
    let mut history = History::default();
    history.accept(PERSON, "https://example.com/", &answer.json().await.unwrap());
    stack.settled(Duration::from_secs(30)).await;
    assert_eq!(stack.check(&history).await.activities, 1);
}

/// Reads the live feed from `after` for a while; what it saw, in order, by the ids of the stream.
async fn listen(http: &reqwest::Client, url: &str, after: &mut Option<String>, during: Duration) -> Vec<String> {
    let mut request = http.get(url);
    if let Some(id) = after.as_deref() {
        request = request.header("Last-Event-ID", id);
    }
    let mut answer = request.send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    let (mut text, mut seen) = (String::new(), Vec::new());
    let reading = async {
        while let Ok(Some(chunk)) = answer.chunk().await {
            text.push_str(std::str::from_utf8(&chunk).unwrap());
            while let Some(end) = text.find("\n\n") {
                let event: String = text.drain(..end + 2).collect();
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
                if let Some(id) = field("id:") {
                    *after = Some(id.to_owned());
                }
                if let Some(data) = field("data:") {
                    let item: Value = serde_json::from_str(data).unwrap();
                    seen.push(item["id"].as_str().unwrap().to_owned());
                }
            }
        }
    };
    // The connection is cut wherever it is.
    let _ = timeout(during, reading).await;
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_reader_that_reconnects_at_random_sees_every_activity_once() {
    let stack = Stack::start(&Plan { feed_workers: 3, ..Plan::default() }).await;
    let client = stack.client();
    let load = tokio::spawn(async move { client.load(20, 30, Duration::from_millis(100)).await });
    let (http, url) = (cardwire_testkit::net::http_client(), stack.web.url("/api/feeds/global/stream"));
    let (mut after, mut seen) = (None, BTreeMap::<String, usize>::new());
    let mut connections = 0;
    let mut listen_once = async |millis: u64| {
        connections += 1;
        for id in listen(&http, &url, &mut after, Duration::from_millis(millis)).await {
            *seen.entry(id).or_default() += 1;
        }
    };
    let mut random: u64 = 42;
    while !load.is_finished() {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        listen_once(20 + (random >> 33) % 400).await;
    }
    let history = load.await.unwrap();
    stack.settled(Duration::from_secs(30)).await;
    listen_once(4_000).await;
    let checked = stack.check(&history).await;
    println!("{connections} connections saw {} activities of {}", seen.len(), checked.activities);
    assert!(seen.values().all(|times| *times == 1), "an activity was shown twice");
    assert_eq!(seen.len(), checked.activities, "an activity was never shown");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hot_key_over_three_workers_is_one_activity_for_each_window() {
    let stack = Stack::start(&Plan { feed_workers: 3, ..Plan::default() }).await;
    let client = stack.client();
    let collections = client.collections(PERSON, 100).await;
    let mut history = History::default();
    assert!(client.save(PERSON, "https://example.com/hot", &[], &mut history).await);
    let (_, saved) = client.post(PERSON, SAVE, &json!({ "url": "https://example.com/hot" })).await.unwrap();
    let card = saved["urlCardId"].as_str().unwrap().to_owned();
    // 5,000 events of one card and person: into 100 collections and out again, 50 times.
    let started = Instant::now();
    for _ in 0..50 {
        let body = json!({ "cardId": card, "collectionIds": collections });
        let (status, answer) = client.post(PERSON, "/api/cards/collections", &body).await.unwrap();
        assert_eq!(status, 200, "{answer}");
        let out = json!({ "cardId": card, "removeFromCollections": collections });
        let request =
            cardwire_testkit::net::http_client().put(stack.web.url("/api/cards/url/associations")).bearer_auth(PERSON);
        assert_eq!(request.json(&out).send().await.unwrap().status().as_u16(), 200);
    }
    let accepted = started.elapsed();
    stack.settled(Duration::from_secs(60)).await;
    let checked = stack.check(&history).await;
    assert_eq!(checked.events, 5_001);
    let waited = of_feed_workers(&stack, "cardwire_event_age_seconds_count{queue=\"feeds\"}").await;
    let within = of_feed_workers(&stack, "cardwire_event_age_seconds_bucket{queue=\"feeds\",le=\"1\"}").await;
    println!("{within} of {waited} events reached the saga within a second");
    assert!(waited >= 10_001, "each event of the feeds queue was handled: {waited}");
    assert!(within * 10 >= waited * 9, "{within} of {waited} events reached the saga within a second");
    println!("5,000 events accepted in {accepted:?}, settled after {:?}: {checked:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_signs_up_saves_and_signs_out() {
    let settings = vec![("USE_MOCK_AUTH", "false".to_owned()), ("APP__REGISTRATION", "open".to_owned())];
    let stack = Stack::start(&Plan { settings, ..Plan::default() }).await;
    let http = cardwire_testkit::net::http_client();
    let post = async |path: &str, token: Option<&str>, body: Value| {
        let mut request = http.post(stack.web.url(path)).json(&body);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap_or_default())
    };
    let who = json!({ "handle": "alice", "password": "correct horse battery" });
    assert_eq!(post("/api/users", None, who.clone()).await.0, 201);
    let (status, tokens) = post("/api/users/login", None, who).await;
    assert_eq!(status, 200, "{tokens}");
    let token = tokens["accessToken"].as_str().unwrap();
    let save = json!({ "url": "https://example.com/" });
    assert_eq!(post(SAVE, None, save.clone()).await.0, 401, "a write without a token");
    assert_eq!(post(SAVE, Some(token), save.clone()).await.0, 201);
    stack.settled(Duration::from_secs(20)).await;
    let feed: Value = http.get(stack.web.url("/api/feeds/global")).send().await.unwrap().json().await.unwrap();
    assert_eq!(feed["items"][0]["actor"]["handle"], "alice", "{feed}");
    assert_eq!(post("/api/users/logout", Some(token), json!({})).await.0, 204);
    assert_eq!(post(SAVE, Some(token), save).await.0, 401, "a token of a session that ended");
}

/// A metric, added up over the feed-workers.
async fn of_feed_workers(stack: &Stack, metric: &str) -> u64 {
    let mut sum = 0;
    for worker in stack.workers.iter().filter(|worker| worker.name == "feed-worker") {
        let url = format!("http://127.0.0.1:{}/metrics", worker.process.metrics_port);
        let metrics = reqwest::get(url).await.unwrap().text().await.unwrap();
        let line = metrics.lines().find(|line| line.starts_with(metric));
        sum += line.and_then(|line| line.rsplit(' ').next()).map_or(0, |number| number.parse::<u64>().unwrap());
    }
    sum
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_are_written_on_time_under_load() {
    let stack = Stack::start(&Plan { feed_workers: 3, ..Plan::default() }).await;
    let history = stack.client().load(20, 50, Duration::from_millis(100)).await;
    stack.settled(Duration::from_secs(30)).await;
    stack.check(&history).await;
    let late = async |le: &str| {
        let metric = match le {
            "all" => "cardwire_saga_flush_lateness_seconds_count".to_owned(),
            le => format!("cardwire_saga_flush_lateness_seconds_bucket{{le=\"{le}\"}}"),
        };
        of_feed_workers(&stack, &metric).await
    };
    let (all, tenth, second) = (late("all").await, late("0.1").await, late("1").await);
    println!("of {all} windows, {tenth} were written at most 100 ms late, {second} at most 1 s");
    assert!(all >= 1_000, "each window was flushed: {all}");
    assert!(second * 100 >= all * 99, "the 99th percentile is over a second, also for a loaded machine");
}
