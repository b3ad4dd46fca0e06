//! The same request again.

use actix_web::http::Method;
use actix_web::test::TestRequest;
use cardwire_apptest::harness::{Answer, Api, request};
use serde_json::{Value, json};

async fn post(api: &Api, person: &str, key: &str, path: &str, body: Value) -> Answer {
    api.send(request(person, Method::POST, path, Some(body)).insert_header(("idempotency-key", key))).await
}

#[tokio::test(start_paused = true)]
async fn under_one_key_a_command_is_carried_out_once_and_answered_the_same() {
    let api = Api::new();
    let save = json!({ "url": "https://example.com/a" });
    let first = post(&api, "alice", "k1", "/api/cards/library/urls", save.clone()).await.expect(201);
    let owed = api.owed().await;
    let again = post(&api, "alice", "k1", "/api/cards/library/urls", save.clone()).await.expect(201);
    assert_eq!(first, again, "201 with created: true, although the card is there by now");
    let create = json!({ "name": "Reading", "description": " d " });
    let first = post(&api, "alice", "k2", "/api/collections", create.clone()).await.expect(201);
    let again = post(&api, "alice", "k2", "/api/collections", create).await.expect(201);
    assert_eq!(first, again);
    let collections = api.ask("alice", Method::GET, "/api/collections", None).await.expect(200);
    assert_eq!(collections["items"].as_array().unwrap().len(), 1);
    let collect =
        json!({ "cardId": api.save("alice", "https://example.com/b", &[]).await, "collectionIds": [first["id"]] });
    let first = post(&api, "alice", "k3", "/api/cards/collections", collect.clone()).await.expect(200);
    let before = api.owed().await;
    let again = post(&api, "alice", "k3", "/api/cards/collections", collect).await.expect(200);
    assert_eq!((first, api.owed().await), (again, before));
    assert_ne!(owed, api.owed().await, "other keys are other commands");
}

#[tokio::test(start_paused = true)]
async fn a_key_used_for_another_request_is_refused() {
    let api = Api::new();
    let save = json!({ "url": "https://example.com/a" });
    post(&api, "alice", "k", "/api/cards/library/urls", save.clone()).await.expect(201);
    let owed = api.owed().await;
    let other_body =
        post(&api, "alice", "k", "/api/cards/library/urls", json!({ "url": "https://example.com/b" })).await;
    assert_eq!(other_body.expect_problem(422, "idempotency-key-reused")["field"], "Idempotency-Key");
    let other_path = post(&api, "alice", "k", "/api/collections", json!({ "name": "n" })).await;
    other_path.expect_problem(422, "idempotency-key-reused");
    assert_eq!(api.owed().await, owed);
    // Keys belong to their person.
    post(&api, "bob", "k", "/api/cards/library/urls", save).await.expect(201);
}

#[tokio::test(start_paused = true)]
async fn keys_are_1_to_255_visible_ascii_characters() {
    let api = Api::new();
    let send = async |value: &[u8]| {
        let body = json!({ "url": "https://example.com/a" });
        let request = request("alice", Method::POST, "/api/cards/library/urls", Some(body));
        api.send(request.insert_header(("idempotency-key", value))).await
    };
    for bad in [&b""[..], b"a b", b"\xc3\xbc", b"a\tb", &[b'k'; 256]] {
        send(bad).await.expect_problem(400, "invalid-idempotency-key");
    }
    let twice: TestRequest = request("alice", Method::POST, "/api/collections", Some(json!({ "name": "n" })));
    let twice = twice.append_header(("idempotency-key", "a")).append_header(("idempotency-key", "b"));
    api.send(twice).await.expect_problem(400, "invalid-idempotency-key");
    assert!(api.owed().await.iter().all(|owed| *owed == 0));
    send(&[b'k'; 255]).await.expect(201);
    send(b"!~").await.expect(200);
}
