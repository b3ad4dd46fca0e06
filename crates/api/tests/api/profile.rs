//! Profiles, and the default for saving.

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
        (json!({ "nonsense": 1 }), "nonsense"),
    ] {
        let problem = put(&api, "alice", change.clone()).await.expect_problem(422, "invalid-value");
        assert_eq!(problem["field"], field, "{change}");
    }
    assert_eq!(me(&api, "alice").await, before);
}

#[tokio::test(start_paused = true)]
async fn a_profile_is_read_changed_in_one_part_and_sent_back_whole() {
    let api = with_accounts();
    join(&api, "alice").await;
    let session = log_in(&api, "alice").await;
    let read = async || ask_with(&api, &session, Method::GET, ME, None).await.expect(200);
    let write = async |body: &Value| ask_with(&api, &session, Method::PUT, ME, Some(body.clone())).await;
    let mut me = read().await;
    assert!(me["createdAt"].is_string(), "{me}");
    for (field, value) in [("displayName", "Alice"), ("bio", "Reads."), ("defaultVisibility", "PRIVATE")] {
        me[field] = json!(value);
        assert_eq!(write(&me).await.expect(200), me, "{field}");
        assert_eq!(read().await, me, "{field}");
    }
    // The same time in a different notation.
    let written = me["createdAt"].as_str().unwrap().replace('Z', "+00:00");
    assert_eq!(write(&json!({ "createdAt": written })).await.expect(200), me);

    // People without an account have no such time.
    let mock = Api::new();
    let me = self::me(&mock, "bob").await;
    assert!(me.get("createdAt").is_none(), "{me}");
    assert_eq!(put(&mock, "bob", me.clone()).await.expect(200), me);
    assert_eq!(put(&mock, "bob", json!({ "createdAt": null })).await.expect(200), me);

    let document = mock.get("/api/openapi.json").await.expect(200);
    let fields = &document["components"]["schemas"]["ChangeProfile"]["properties"];
    for field in ["id", "handle", "createdAt", "admin"] {
        let told = fields[field]["description"].as_str().unwrap_or_default();
        assert!(told.contains("Cannot be changed"), "{field}: {fields}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_changed_is_refused_by_its_name_and_nothing_else_is_changed() {
    let api = with_accounts();
    join(&api, "alice").await;
    let session = log_in(&api, "alice").await;
    let before = ask_with(&api, &session, Method::GET, ME, None).await.expect(200);
    for (field, value) in [
        ("id", json!("did:plc:bob")),
        ("id", json!(null)),
        ("handle", json!("bob")),
        ("handle", json!("")),
        ("createdAt", json!("2020-01-01T00:00:00Z")),
        ("createdAt", json!("long ago")),
        ("createdAt", json!(null)),
        ("admin", json!(false)),
        ("admin", json!(null)),
    ] {
        let body = json!({ "bio": "Changed.", field: value });
        let problem = ask_with(&api, &session, Method::PUT, ME, Some(body)).await.expect_problem(422, "invalid-value");
        assert_eq!(problem["field"], field, "{problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.starts_with("This cannot be changed."), "{detail}");
    }
    for (field, value) in [("id", json!(1)), ("handle", json!(["a"])), ("createdAt", json!(0)), ("admin", json!("yes"))]
    {
        let body = json!({ "bio": "Changed.", field: value });
        let problem = ask_with(&api, &session, Method::PUT, ME, Some(body)).await.expect_problem(422, "invalid-value");
        assert_eq!(problem["field"], field, "{problem}");
    }
    assert_eq!(ask_with(&api, &session, Method::GET, ME, None).await.expect(200), before);
    let mock = Api::new();
    let problem = put(&mock, "bob", json!({ "createdAt": "long ago" })).await.expect_problem(422, "invalid-value");
    assert_eq!(problem["field"], "createdAt");
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
