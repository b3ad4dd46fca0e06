//! How much one person may change at once.

use std::future::pending;
use std::num::NonZeroU32;
use std::time::Duration;

use actix_web::http::Method;
use cardwire_apptest::browser::Browser;
use cardwire_apptest::harness::Api;
use cardwire_apptest::people::{ask_with, join, log_in, with_accounts};
use cardwire_domain::UserId;
use cardwire_domain::quotas::Quotas;
use cardwire_http::Writes;
use cardwire_http::searches::Searcher;
use futures_util::future::join_all;
use serde_json::json;

const SAVES: &str = "/api/cards/library/urls";

/// Alice has used up her limit: 20 changes, and 2 more each second.
async fn used_up() -> Api {
    let mut api = Api::new();
    api.state.writes = Writes::per_second(NonZeroU32::new(2));
    for n in 0..20 {
        api.save("alice", &format!("https://example.com/{n}"), &[]).await;
    }
    api
}

#[tokio::test(start_paused = true)]
async fn whoever_changes_too_much_at_once_is_told_when_to_go_on() {
    let api = used_up().await;
    let before = api.owed().await;
    let url = json!({ "url": "https://example.com/more" });
    let calls = [
        (Method::POST, SAVES.to_owned(), url.clone()),
        (Method::POST, "/api/collections".into(), json!({ "name": "n" })),
        (Method::DELETE, "/api/cards/01JD4A3W5T8Q2V9X7Y6Z1B0C3D/library".into(), json!(null)),
    ];
    for (method, path, body) in calls {
        let answer = api.ask("alice", method, &path, (!body.is_null()).then_some(body)).await;
        assert_eq!(answer.header("retry-after"), "1", "{path}");
        answer.expect_problem(429, "too-many-requests");
    }
    assert_eq!(api.owed().await, before, "nothing was stored");
    api.ask("alice", Method::GET, "/api/cards/my", None).await.expect(200);
    api.post("bob", SAVES, url.clone()).await.expect(201);
    tokio::time::advance(Duration::from_secs(1)).await;
    for status in [201, 200, 429] {
        assert_eq!(api.post("alice", SAVES, url.clone()).await.status.as_u16(), status);
    }
}

#[tokio::test(start_paused = true)]
async fn changes_of_an_account_count_whether_or_not_they_succeed() {
    let mut api = with_accounts();
    api.state.writes = Writes::per_second(NonZeroU32::new(2));
    join(&api, "alice").await;
    let session = log_in(&api, "alice").await;
    let (profile, tokens) = ("/api/users/me", "/api/users/me/tokens");
    let nothing = "01JD4A3W5T8Q2V9X7Y6Z1B0C3D";
    let (token, other) = (format!("{tokens}/{nothing}"), format!("/api/users/me/sessions/{nothing}"));
    let calls = [
        (Method::PUT, profile, Some(json!({ "bio": "b" })), 200),
        (Method::POST, tokens, Some(json!({ "name": " ", "scope": "read" })), 422),
        (Method::DELETE, &token, None, 404),
        (Method::DELETE, &other, None, 404),
        (Method::DELETE, "/api/users/me/sessions", None, 204),
    ];
    for _ in 0..4 {
        for (method, path, body, status) in &calls {
            let answer = ask_with(&api, &session, method.clone(), path, body.clone()).await;
            assert_eq!(answer.status.as_u16(), *status, "{method} {path}");
        }
    }
    for (method, path, body, _) in &calls {
        let answer = ask_with(&api, &session, method.clone(), path, body.clone()).await;
        assert_eq!(answer.header("retry-after"), "1", "{method} {path}");
        answer.expect_problem(429, "too-many-requests");
    }
    ask_with(&api, &session, Method::GET, profile, None).await.expect(200);
}

#[tokio::test(start_paused = true)]
async fn changing_who_can_see_something_is_one_change_and_takes_nothing_from_a_quota() {
    let mut api = Api::new();
    let one = NonZeroU32::new(1);
    api.state.quotas = Quotas { cards: one, collections: one, imports: one };
    api.state.writes = Writes::per_second(NonZeroU32::new(5));
    let card = api.save("alice", "https://example.com/", &[]).await;
    let shelf = api.collection("alice", "Shelf").await;
    let (associations, collection) = ("/api/cards/url/associations", format!("/api/collections/{shelf}"));
    for turn in 0..24 {
        let visibility = if turn % 2 == 0 { "PRIVATE" } else { "PUBLIC" };
        let body = json!({ "cardId": card, "visibility": visibility });
        api.ask("alice", Method::PUT, associations, Some(body)).await.expect(200);
        let body = json!({ "name": "Shelf", "visibility": visibility });
        api.ask("alice", Method::PUT, &collection, Some(body)).await.expect(200);
    }
    // Together with the two before, that was her limit.
    let body = json!({ "cardId": card, "visibility": "PRIVATE" });
    let answer = api.ask("alice", Method::PUT, associations, Some(body.clone())).await;
    assert_eq!(answer.header("retry-after"), "1");
    answer.expect_problem(429, "too-many-requests");
    tokio::time::advance(Duration::from_secs(1)).await;
    api.ask("alice", Method::PUT, associations, Some(body)).await.expect(200);
}

#[tokio::test(start_paused = true)]
async fn a_form_that_comes_too_soon_keeps_what_was_typed() {
    let api = used_up().await;
    let mut alice = Browser::of(&api, "alice");
    alice.open("/library").await;
    let answer = alice.submit("/library", &[("url", "https://example.com/more"), ("note", "kept")]).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (429, "1"));
    assert_eq!(alice.text("form .wrong"), "You are making too many changes at once. Try again in 1 second.");
    assert_eq!(
        (alice.one("#url").attr("value"), alice.text("#note")),
        (Some("https://example.com/more"), "kept".into())
    );
    alice.open("/collections").await;
    let answer = alice.submit("/collections", &[("name", "Reading")]).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (429, "1"));
    assert_eq!(alice.one("#name").attr("value"), Some("Reading"));
    tokio::time::advance(Duration::from_secs(1)).await;
    alice.submit("/collections", &[]).await;
    assert_eq!(alice.text("h1"), "Reading");
    let people = format!("{}/collaborators", alice.path);
    api.save("alice", "https://example.com/the-second-of-this-second", &[]).await;
    let answer = alice.submit(&people, &[("people", "did:plc:bob")]).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (429, "1"));
    assert_eq!(alice.text("#people"), "did:plc:bob");
}

#[tokio::test(start_paused = true)]
async fn words_in_the_library_take_the_place_of_a_search() {
    let api = Api::new();
    api.save("alice", "https://example.com/tulips", &[]).await;
    let alice = UserId::parse("did:plc:alice").unwrap();
    let words = "/api/cards/my?q=tulips";
    let running = (0..2).map(|_| api.state.searches.run(Searcher::of(Some(&alice), None), pending::<()>()));
    let asked = async {
        api.ask("alice", Method::GET, words, None).await.expect_problem(429, "too-many-requests");
        assert_eq!(Browser::of(&api, "alice").get("/library?q=tulips").await.status.as_u16(), 429);
        for path in ["/api/cards/my", "/api/cards/my?uncollected=true"] {
            let cards = api.ask("alice", Method::GET, path, None).await.expect(200);
            assert_eq!(cards["items"].as_array().unwrap().len(), 1, "{path} is no search");
        }
        api.ask("bob", Method::GET, words, None).await.expect(200);
    };
    tokio::select! {
        biased;
        _ = join_all(running) => panic!("they run for ever"),
        () = asked => {}
    }
    assert_eq!(api.ask("alice", Method::GET, words, None).await.expect(200)["items"].as_array().unwrap().len(), 1);
}
