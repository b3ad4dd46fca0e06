//! What people say about themselves, and how they like to save.

use actix_web::http::Method;
use cardwire_apptest::harness::{Answer, Api, redacted};
use cardwire_apptest::people::{ask_with, join, log_in, with_accounts};
use serde_json::{Value, json};

const ME: &str = "/api/users/me";

async fn put(api: &Api, person: &str, change: Value) -> Answer {
    api.ask(person, Method::PUT, ME, Some(change)).await
}

async fn me(api: &Api, person: &str) -> Value {
    api.ask(person, Method::GET, ME, None).await.expect(200)
}

#[tokio::test(start_paused = true)]
async fn a_profile_is_changed_part_by_part() {
    let api = Api::new();
    let empty = json!({ "id": "did:plc:alice", "handle": "alice", "defaultVisibility": "PUBLIC", "admin": false });
    assert_eq!(me(&api, "alice").await, empty);
    let changed = put(&api, "alice", json!({ "displayName": " Alice ", "bio": "Reads.\nA lot." })).await.expect(200);
    let mut named = empty.clone();
    named["displayName"] = json!("Alice");
    named["bio"] = json!("Reads.\nA lot.");
    assert_eq!(changed, named);
    let changed = put(&api, "alice", json!({ "defaultVisibility": "PRIVATE" })).await.expect(200);
    named["defaultVisibility"] = json!("PRIVATE");
    assert_eq!(changed, named, "what is left out stays");
    assert_eq!(put(&api, "alice", json!({})).await.expect(200), named);
    assert_eq!(me(&api, "alice").await, named);
    assert_eq!(me(&api, "bob").await["defaultVisibility"], "PUBLIC", "it is hers alone");

    put(&api, "alice", json!({ "displayName": null, "bio": "  " })).await.expect(200);
    put(&api, "alice", json!({ "defaultVisibility": "PUBLIC" })).await.expect(200);
    assert_eq!(me(&api, "alice").await, empty);
}

#[tokio::test(start_paused = true)]
async fn an_account_says_since_when_it_is_there() {
    let api = with_accounts();
    let id = join(&api, "alice").await;
    let session = log_in(&api, "alice").await;
    let me = ask_with(&api, &session, Method::GET, ME, None).await.expect(200);
    let expected = json!({
        "id": id, "handle": "alice", "defaultVisibility": "PUBLIC", "createdAt": "[time]", "admin": true,
    });
    assert_eq!(redacted(me), expected, "the first account is an administrator's");
}

#[tokio::test(start_paused = true)]
async fn what_breaks_a_rule_names_the_field_and_changes_nothing() {
    let api = Api::new();
    let before = put(&api, "alice", json!({ "displayName": "Alice", "bio": "Reads." })).await.expect(200);
    for (change, field) in [
        (json!({ "displayName": "x".repeat(65) }), "displayName"),
        (json!({ "displayName": "\u{200b}" }), "displayName"),
        (json!({ "displayName": "a\u{202e}b" }), "displayName"),
        (json!({ "displayName": 5 }), "displayName"),
        (json!({ "bio": "x".repeat(501), "displayName": "Bob" }), "bio"),
        (json!({ "bio": ["a"] }), "bio"),
        (json!({ "defaultVisibility": "private" }), "defaultVisibility"),
        (json!({ "handle": "bob" }), "handle"),
        (json!({ "admin": true }), "admin"),
    ] {
        let problem = put(&api, "alice", change.clone()).await.expect_problem(422, "invalid-value");
        assert_eq!(problem["field"], field, "{change}");
    }
    assert_eq!(me(&api, "alice").await, before);
}

#[tokio::test(start_paused = true)]
async fn cards_are_saved_as_the_profile_says_unless_the_save_says_otherwise() {
    let api = Api::new();
    put(&api, "alice", json!({ "defaultVisibility": "PRIVATE" })).await.expect(200);
    let private = api.save("alice", "https://example.com/a", &[]).await;
    let asked = json!({ "url": "https://example.com/b", "visibility": "PUBLIC" });
    let public = api.post("alice", "/api/cards/library/urls", asked).await.expect(201)["urlCardId"].clone();
    for (card, visibility, status) in [(private.as_str(), "PRIVATE", 404), (public.as_str().unwrap(), "PUBLIC", 200)] {
        let path = format!("/api/cards/{card}");
        let own = api.ask("alice", Method::GET, &path, None).await.expect(200);
        assert_eq!(own["visibility"], visibility);
        assert_eq!(api.ask("bob", Method::GET, &path, None).await.status.as_u16(), status);
    }
}
