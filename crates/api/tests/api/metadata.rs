//! Fetching the page behind a card again.

use std::time::Duration;

use actix_web::http::Method;
use cardwire_apptest::harness::{Answer, Api};
use cardwire_domain::fetch_room::FetchRoom;
use cardwire_domain::metadata::{FetchAgain, FetchFailure, FetchPolicy, Metadata, PageRepository as _};
use serde_json::{Value, json};

const URL: &str = "https://example.com/away";

/// Fetches the one page that is due, with this outcome.
async fn fetch(api: &Api, outcome: Result<Metadata, FetchFailure>) {
    let policy = FetchPolicy::default();
    let jobs = api.store.lease_fetches(&FetchRoom::idle(10), &policy).await.unwrap();
    assert_eq!(jobs.iter().map(|job| job.url.as_str()).collect::<Vec<_>>(), [URL]);
    assert!(api.store.finish_fetch(&jobs[0], &outcome, &policy).await.unwrap());
}

async fn retry(api: &Api, person: &str, card: &str) -> Answer {
    api.ask(person, Method::POST, &format!("/api/cards/{card}/metadata/retry"), None).await
}

async fn state(api: &Api, card: &str) -> Value {
    let card = api.ask("alice", Method::GET, &format!("/api/cards/{card}"), None).await.expect(200);
    card["metadata"]["state"].clone()
}

#[tokio::test(start_paused = true)]
async fn a_page_that_could_not_be_read_is_fetched_again_for_its_owner() {
    let api = Api::new();
    let card = api.save("alice", URL, &[]).await;
    retry(&api, "alice", &card).await.expect_problem(409, "conflict");
    api.deliver().await;
    let waiting = retry(&api, "alice", &card).await.expect_problem(409, "conflict");
    assert_eq!(waiting["detail"], "This page is already waiting to be read.");
    fetch(&api, Err(FetchFailure::lasting("answered 404"))).await;
    assert_eq!(state(&api, &card).await, "failed");

    let soon = retry(&api, "alice", &card).await;
    assert!((1..=60).contains(&soon.header("retry-after").parse::<u64>().unwrap()), "{}", soon.header("retry-after"));
    let soon = soon.expect_problem(429, "too-many-requests");
    assert_eq!(soon["detail"], "This page was read a moment ago.");
    tokio::time::advance(FetchAgain::GAP + Duration::from_secs(1)).await;
    let asked = retry(&api, "alice", &card).await.expect(202);
    assert_eq!(asked, json!({ "cardId": card }));
    assert_eq!(state(&api, &card).await, "pending");
    retry(&api, "alice", &card).await.expect_problem(409, "conflict");
    fetch(&api, Ok(Metadata { title: Some("Back".into()), ..Metadata::default() })).await;
    assert_eq!(state(&api, &card).await, "ready");
}

#[tokio::test(start_paused = true)]
async fn nobody_has_the_page_of_somebody_elses_card_fetched_again() {
    let api = Api::new();
    let public = api.save("alice", URL, &[]).await;
    let body = json!({ "url": "https://example.com/secret", "visibility": "PRIVATE" });
    let private = api.post("alice", "/api/cards/library/urls", body).await.expect(201);
    for card in [&public, private["urlCardId"].as_str().unwrap(), "01JD4A3W5T8Q2V9X7Y6Z1B0C3D", "nonsense"] {
        for person in ["bob", "mock123"] {
            retry(&api, person, card).await.expect_problem(404, "not-found");
        }
    }
}
