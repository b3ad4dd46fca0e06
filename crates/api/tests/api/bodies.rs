//! What answers look like.

use actix_web::http::Method;
use actix_web::test::TestRequest;
use cardwire_apptest::harness::{Api, redacted, request};
use insta::assert_json_snapshot;
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn answers_have_their_shape() {
    let api = Api::new();
    let create = json!({ "name": " Reading ", "description": "d", "accessType": "OPEN" });
    let created = api.post("alice", "/api/collections", create).await;
    let location = created.header("location").to_owned();
    let created = created.expect(201);
    assert_eq!(location, format!("/api/collections/{}", created["id"].as_str().unwrap()));
    assert_json_snapshot!("collection_created", redacted(created.clone()));
    let collection = created["id"].as_str().unwrap();

    let save = json!({ "url": "https://Example.com/a?utm_source=x#y", "note": " hi ", "collectionIds": [collection] });
    let saved = api.post("alice", "/api/cards/library/urls", save.clone()).await.expect(201);
    assert_json_snapshot!("url_saved", redacted(saved.clone()));
    let again = api.post("alice", "/api/cards/library/urls", save).await.expect(200);
    assert_json_snapshot!("url_saved_again", redacted(again));
    let card = saved["urlCardId"].as_str().unwrap();
    api.deliver().await;

    let people = json!({ "userIds": ["did:plc:bob", "did:plc:bob"] });
    let path = format!("/api/collections/{collection}/collaborators");
    let updated = api.ask("alice", Method::PUT, &path, Some(people)).await.expect(200);
    assert_json_snapshot!("collection_shared", redacted(updated));
    let invitations = api.ask("bob", Method::GET, "/api/users/me/invitations", None).await.expect(200);
    assert_json_snapshot!("invitations", redacted(invitations));
    let path = format!("/api/collections/{collection}/membership");
    let accepted = api.ask("bob", Method::POST, &path, None).await.expect(200);
    assert_json_snapshot!("collection", redacted(accepted));
    let path = format!("/api/collections/{collection}");
    assert_json_snapshot!("collection_with_cards", redacted(api.get(&path).await.expect(200)));
    let mine = api.ask("bob", Method::GET, "/api/collections", None).await.expect(200);
    assert_eq!(mine["items"][0]["id"], collection, "collaborators have it in their list");

    let my = api.ask("alice", Method::GET, "/api/cards/my", None).await.expect(200);
    assert_json_snapshot!("my_cards", redacted(my));
    let uncollected = api.ask("alice", Method::GET, "/api/cards/my?uncollected=true", None).await.expect(200);
    assert_eq!(uncollected, json!({ "items": [], "nextCursor": null }));
    let path = "/api/cards/library/status?url=https%3A%2F%2Fexample.com%2Fa";
    let status = api.ask("alice", Method::GET, path, None).await.expect(200);
    assert_json_snapshot!("url_status", redacted(status));
    let status = api.ask("bob", Method::GET, path, None).await.expect(200);
    assert_eq!(status, json!({ "inLibrary": false, "collections": [] }));

    assert_json_snapshot!("feed", redacted(api.get("/api/feeds/global").await.expect(200)));
    assert_json_snapshot!("search", redacted(api.get("/api/search?q=example").await.expect(200)));
    let summary = api.get("/api/analytics/summary?days=2").await.expect(200);
    assert_json_snapshot!("analytics_summary", summary);
    assert_json_snapshot!("top_urls", api.get("/api/analytics/top-urls").await.expect(200));

    let associate = json!({ "cardId": card, "note": "", "removeFromCollections": [collection] });
    let associated = api.ask("alice", Method::PUT, "/api/cards/url/associations", Some(associate)).await.expect(200);
    assert_json_snapshot!("associated", redacted(associated));
    let path = format!("/api/cards/{card}/library");
    let removed = api.ask("alice", Method::DELETE, &path, None).await.expect(200);
    assert_eq!(removed, json!({ "cardId": card }));
    api.get(&format!("/api/cards/{card}")).await.expect_problem(404, "not-found");
    let deleted = api.ask("alice", Method::DELETE, &format!("/api/collections/{collection}"), None).await;
    assert!(deleted.body.is_empty());
    assert_eq!(deleted.status, 204);
}

#[tokio::test(start_paused = true)]
async fn problems_have_their_shape_and_the_trace_of_their_request() {
    let api = Api::new();
    let bad = request("alice", Method::POST, "/api/cards/library/urls", Some(json!({ "url": "ftp://example.com" })));
    let bad = bad.insert_header(("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
    let problem = api.send(bad).await.expect_problem(422, "invalid-value");
    assert_eq!(problem["traceId"], "0af7651916cd43dd8448eb211c80319c");
    assert_json_snapshot!("problem", redacted(problem));
}

#[tokio::test(start_paused = true)]
async fn events_carry_the_trace_of_their_request() {
    use cardwire_events::{EventLog, Queue};
    let api = Api::new();
    let save = request("alice", Method::POST, "/api/collections", Some(json!({ "name": "n" })));
    let trace_id = "0af7651916cd43dd8448eb211c80319c";
    let save = save.insert_header(("traceparent", format!("00-{trace_id}-b7ad6b7169203331-01")));
    api.send(save).await.expect(201);
    let owed = api.store.lease(Queue::Feeds, 10, None).await.unwrap().events;
    assert!(owed[0].envelope.traceparent.as_deref().unwrap().starts_with(&format!("00-{trace_id}-")));
}

#[tokio::test(start_paused = true)]
async fn answers_are_packed_and_carry_security_headers() {
    let api = Api::new();
    let request = TestRequest::get().uri("/api/openapi.json").insert_header(("accept-encoding", "gzip"));
    let packed = api.send(request).await;
    assert_eq!(packed.header("content-encoding"), "gzip");
    for path in ["/healthz", "/api/feeds/global", "/nope"] {
        let answer = api.get(path).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("x-frame-options"), "DENY");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert!(answer.header("content-security-policy").starts_with("default-src 'none'"));
    }
    let refused = TestRequest::get().uri("/healthz").insert_header(("accept-encoding", "identity;q=0"));
    api.send(refused).await.expect_problem(406, "not-acceptable");
}
