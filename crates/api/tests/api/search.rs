//! Searching, including for people: the contents of the answers.

use actix_web::http::Method;
use cardwire_apptest::harness::Api;
use cardwire_apptest::people::{ask_with, join, log_in, with_accounts};
use serde_json::{Value, json};

fn column<'a>(found: &'a Value, field: &str) -> Vec<&'a str> {
    found["items"].as_array().unwrap().iter().filter_map(|item| item[field].as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_search_says_what_it_corrected() {
    let api = Api::new();
    api.save("alice", "https://example.com/memory/safety", &[]).await;
    api.deliver().await;
    let found = api.get("/api/search?q=memroy+safety").await.expect(200);
    assert_eq!((&found["corrected"], column(&found, "url").len()), (&json!("memory safety"), 1));
    let found = api.get("/api/search?q=memory").await.expect(200);
    assert_eq!((found.get("corrected"), column(&found, "url").len()), (None, 1));
}

#[tokio::test(start_paused = true)]
async fn a_pasted_url_finds_its_page_however_long_it_is() {
    let api = Api::new();
    let url = format!("https://example.com/{}?id=42", "long/".repeat(60));
    api.save("alice", &url, &[]).await;
    api.deliver().await;
    let pasted = format!("{url}%26utm_source=x%23top").replace('?', "%3F");
    for path in ["/api/search", "/api/cards/my"] {
        let request = cardwire_apptest::harness::request("alice", Method::GET, &format!("{path}?q={pasted}"), None);
        let found = api.send(request).await.expect(200);
        assert_eq!(column(&found, "url"), [url.as_str()], "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_is_typed_is_answered() {
    let api = Api::new();
    api.save("alice", "https://example.com/tulips", &[]).await;
    api.deliver().await;
    for text in [
        "'",
        "\"",
        ":*",
        "bed:tulips",
        "a|b",
        "((",
        "!&|",
        "<->",
        "\\",
        "%",
        "\"open",
        "-",
        "--",
        "* a",
        "a AND",
        "NOT x",
        "NEAR(a b)",
        "{title}: a",
        "^a",
        "&",
        "R & D",
        "Ann Doe <ann@provider.example>",
        "日",
        "🌷",
        "\u{202e}",
        "//",
        "xn--",
    ] {
        let typed: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
        for path in ["/api/search", "/api/search/people", "/api/search/collections", "/api/cards/my"] {
            let found = api.get(&format!("{path}?q={typed}")).await.expect(200);
            assert!(found["items"].is_array(), "{path} {text:?}: {found}");
        }
    }
    let found = api.get("/api/search?q=tulips%20%26%20%F0%9F%8C%B7").await.expect(200);
    assert_eq!(column(&found, "url"), ["https://example.com/tulips"], "signs are not looked for");
}

#[tokio::test(start_paused = true)]
async fn people_are_found_unless_they_are_suspended() {
    let api = with_accounts();
    // The first account is an administrator's.
    join(&api, "olive").await;
    let alice = join(&api, "alice").await;
    let session = log_in(&api, "alice").await;
    ask_with(&api, &session, Method::PUT, "/api/users/me", Some(json!({ "displayName": "Ålice" }))).await.expect(200);
    join(&api, "alina").await;
    api.deliver().await;
    let found = api.get("/api/search/people?q=ali").await.expect(200);
    let expected = json!({ "id": alice, "handle": "alice", "displayName": "Ålice" });
    assert_eq!((&found["items"][0], column(&found, "handle")), (&expected, vec!["alice", "alina"]));
    assert_eq!(found["items"][1].get("displayName"), None);
    let olive = log_in(&api, "olive").await;
    let suspend = format!("/api/admin/users/{alice}/suspend");
    assert!(ask_with(&api, &olive, Method::POST, &suspend, None).await.status.is_success());
    assert_eq!(column(&api.get("/api/search/people?q=ali").await.expect(200), "handle"), ["alina"]);
}

#[tokio::test(start_paused = true)]
async fn public_collections_are_found_and_private_ones_are_not() {
    let api = Api::new();
    let shelf = api.collection("alice", "Café shelf").await;
    api.save("alice", "https://example.com/a", &[&shelf]).await;
    let body = json!({ "name": "Secret cafe", "visibility": "PRIVATE" });
    api.post("alice", "/api/collections", body).await.expect(201);
    api.deliver().await;
    for person in ["alice", "bob"] {
        let request = cardwire_apptest::harness::request(person, Method::GET, "/api/search/collections?q=cafe", None);
        let found = api.send(request).await.expect(200);
        let author = json!({ "id": "did:plc:alice", "handle": "alice" });
        let expected =
            json!({ "id": shelf, "name": "Café shelf", "description": "", "author": author, "cardCount": 1 });
        assert_eq!(found["items"], json!([expected]), "{person}");
    }
}
