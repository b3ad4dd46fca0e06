//! How much one person may add within a day.

use std::num::NonZeroU32;
use std::time::Duration;

use actix_web::http::Method;
use cardwire_apptest::browser::Browser;
use cardwire_apptest::harness::{Answer, Api, request};
use cardwire_domain::quotas::Quotas;
use serde_json::{Value, json};

const SAVES: &str = "/api/cards/library/urls";
const DAY_S: &str = "86400";

/// Everybody may add two of each.
fn with_quotas() -> Api {
    let mut api = Api::new();
    let two = NonZeroU32::new(2);
    api.state.quotas = Quotas { cards: two, collections: two, imports: two };
    api
}

fn url(n: usize) -> Value {
    json!({ "url": format!("https://example.com/{n}") })
}

fn is_refused(answer: Answer, quota: &str) {
    assert_eq!(answer.header("retry-after"), DAY_S);
    let problem = answer.expect_problem(429, "over-quota");
    assert_eq!(problem["detail"], format!("You have reached your daily limit for {quota} (2)."));
}

#[tokio::test(start_paused = true)]
async fn whoever_has_added_enough_for_a_day_is_told_which_quota_and_when_to_go_on() {
    let api = with_quotas();
    let save = |key: &'static str, n: usize| {
        api.send(request("alice", Method::POST, SAVES, Some(url(n))).insert_header(("idempotency-key", key)))
    };
    let first = save("first", 0).await.expect(201);
    save("second", 1).await.expect(201);
    let before = api.owed().await;
    is_refused(save("third", 2).await, "new links");
    assert_eq!(save("first", 0).await.expect(201), first, "a repetition is not counted");
    api.post("alice", SAVES, url(1)).await.expect(200);
    assert_eq!(api.owed().await, before, "nothing was stored");
    for name in ["one", "two"] {
        api.post("alice", "/api/collections", json!({ "name": name })).await.expect(201);
    }
    is_refused(api.post("alice", "/api/collections", json!({ "name": "three" })).await, "new collections");
    api.post("bob", SAVES, url(2)).await.expect(201);
    tokio::time::advance(Duration::from_secs(86_401)).await;
    save("third", 2).await.expect(201);
    api.post("alice", "/api/collections", json!({ "name": "three" })).await.expect(201);
}

#[tokio::test(start_paused = true)]
async fn a_form_over_the_quota_keeps_what_was_typed() {
    let api = with_quotas();
    for n in 0..2 {
        api.save("alice", &format!("https://example.com/{n}"), &[]).await;
        api.post("alice", "/api/collections", json!({ "name": n.to_string() })).await.expect(201);
    }
    let mut alice = Browser::of(&api, "alice");
    alice.open("/library").await;
    let answer = alice.submit("/library", &[("url", "https://example.com/more"), ("note", "kept")]).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (429, DAY_S));
    assert_eq!(
        alice.text("form .wrong"),
        "You have reached your daily limit for new links (2). Try again in 24 hours."
    );
    assert_eq!(
        (alice.one("#url").attr("value"), alice.text("#note")),
        (Some("https://example.com/more"), "kept".into())
    );
    alice.open("/collections").await;
    let answer = alice.submit("/collections", &[("name", "Reading")]).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (429, DAY_S));
    assert_eq!(
        alice.text("form .wrong"),
        "You have reached your daily limit for new collections (2). Try again in 24 hours."
    );
    assert_eq!(alice.one("#name").attr("value"), Some("Reading"));
}
