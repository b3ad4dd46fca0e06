//! All of a person's data in one file.

use std::collections::BTreeSet;
use std::time::Duration;

use actix_web::http::Method;
use cardwire_apptest::harness::{Api, request};
use cardwire_apptest::people::{ask_with, join, log_in, new_token, with_accounts};
use serde_json::{Value, json};

const EXPORT: &str = "/api/users/me/export";

fn names(file: &Value, list: &str, field: &str) -> Vec<String> {
    file[list].as_array().unwrap().iter().map(|item| item[field].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn an_export_holds_everything_and_nothing_of_others() {
    let api = Api::new();
    let own = api.collection("alice", "Mine").await;
    let theirs = api.collection("bob", "Ours").await;
    let foreign = api.collection("bob", "His own").await;
    api.share("bob", &theirs, "alice").await;
    for number in 0..101 {
        api.save("alice", &format!("https://example.com/{number}"), &[&own]).await;
    }
    tokio::time::advance(Duration::from_secs(1)).await;
    let private = json!({ "url": "https://example.com/private", "note": "mine \"alone\"", "visibility": "PRIVATE" });
    api.post("alice", "/api/cards/library/urls", private).await.expect(201);
    api.save("bob", "https://example.com/bobs", &[&theirs, &foreign]).await;
    api.ask("alice", Method::PUT, "/api/users/me", Some(json!({ "displayName": "Alice" }))).await.expect(200);
    api.ask("alice", Method::PUT, "/api/users/me/blocks/did:plc:mallory", None).await.expect(204);

    let answer = api.ask("alice", Method::GET, EXPORT, None).await;
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("content-disposition"), "attachment; filename=\"cardwire.json\"");
    let file = answer.expect(200);
    let parts: BTreeSet<&str> = file.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = ["account", "blocks", "cards", "collections", "exportedAt", "invitations", "sessions", "tokens"];
    assert_eq!(parts, BTreeSet::from(expected));
    assert_eq!((&file["account"]["id"], &file["account"]["displayName"]), (&json!("did:plc:alice"), &json!("Alice")));
    let urls: BTreeSet<String> = names(&file, "cards", "url").into_iter().collect();
    assert_eq!((urls.len(), file["cards"].as_array().unwrap().len()), (102, 102), "each once, over several pages");
    assert!(!urls.contains("https://example.com/bobs"));
    let newest = &file["cards"][0];
    assert_eq!((&newest["visibility"], &newest["note"]["text"]), (&json!("PRIVATE"), &json!("mine \"alone\"")));
    assert_eq!(file["cards"][1]["collections"][0]["name"], "Mine");
    assert_eq!(names(&file, "collections", "name"), ["Mine", "Ours"]);
    assert_eq!(names(&file, "blocks", "id"), ["did:plc:mallory"]);
    for empty in ["invitations", "sessions", "tokens"] {
        assert_eq!(file[empty], json!([]), "{empty}");
    }
    // The shapes are those of the API.
    let card = api.ask("alice", Method::GET, "/api/cards/my?limit=1", None).await.expect(200)["items"][0].clone();
    assert_eq!(*newest, card);
}

#[tokio::test(start_paused = true)]
async fn an_export_names_sessions_and_tokens_without_their_secrets() {
    let api = with_accounts();
    join(&api, "alice").await;
    let session = log_in(&api, "alice").await;
    let token = new_token(&api, &session, "read").await;
    let file = ask_with(&api, &session, Method::GET, EXPORT, None).await.expect(200);
    assert_eq!(file["sessions"][0]["current"], true);
    assert_eq!(names(&file, "tokens", "name"), ["to read"]);
    let text = file.to_string();
    assert!(!text.contains(&token) && !text.contains(&session) && !text.contains("argon2"), "{text}");
    let by_token = ask_with(&api, &token, Method::GET, EXPORT, None).await.expect(200);
    assert_eq!(by_token["account"]["id"], file["account"]["id"]);
    assert_eq!((&by_token["sessions"], &by_token["tokens"]), (&json!([]), &json!([])));
}

#[tokio::test(start_paused = true)]
async fn one_person_downloads_once_at_a_time() {
    let api = Api::new();
    let place = api.state.begin_download(&cardwire_domain::UserId::parse("did:plc:alice").unwrap()).unwrap();
    let refused = api.ask("alice", Method::GET, EXPORT, None).await;
    assert_eq!(refused.header("retry-after"), "30");
    refused.expect_problem(503, "unavailable");
    drop(place);
    api.send(request("alice", Method::GET, EXPORT, None)).await.expect(200);
}
