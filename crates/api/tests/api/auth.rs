//! Who may do what.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;

use actix_web::http::Method;
use actix_web::test::TestRequest;
use async_trait::async_trait;
use cardwire_apptest::harness::{Api, request};
use cardwire_apptest::people::NobodyWithoutToken;
use cardwire_domain::{Error, Result, Store, Transaction};
use cardwire_http::{Reads, TokenAuthenticator};
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn the_mock_token_is_the_did_and_nobody_is_the_admin() {
    let api = Api::new();
    let me = api.get("/api/users/me").await.expect(200);
    let visibility = "PUBLIC";
    let mock = json!({ "id": "did:plc:mock123", "handle": "mock123", "defaultVisibility": visibility, "admin": true });
    assert_eq!(me, mock);
    let me = api.ask("alice", Method::GET, "/api/users/me", None).await.expect(200);
    let alice = json!({ "id": "did:plc:alice", "handle": "alice", "defaultVisibility": visibility, "admin": false });
    assert_eq!(me, alice);
}

#[tokio::test(start_paused = true)]
async fn a_page_of_another_site_is_not_the_mock_admin() {
    let api = Api::new();
    let create = |origin: Option<&str>| {
        let request = TestRequest::post().uri("/api/collections").set_json(json!({ "name": "n" }));
        let request = request.insert_header(("host", "127.0.0.1:8080"));
        match origin {
            Some(origin) => request.insert_header(("origin", origin.to_owned())),
            None => request,
        }
    };
    for origin in ["https://evil.example", "http://127.0.0.1:9999", "null", ""] {
        api.send(create(Some(origin))).await.expect_problem(403, "forbidden");
        let pause = create(Some(origin)).uri("/api/admin/queues/feeds/redeliver");
        api.send(pause).await.expect_problem(403, "forbidden");
    }
    assert_eq!(api.get("/api/collections").await.expect(200)["items"], json!([]));
    api.send(create(None)).await.expect(201);
    api.send(create(Some("http://127.0.0.1:8080"))).await.expect(201);
    let with_token = create(Some("https://evil.example")).insert_header(("authorization", "Bearer did:plc:alice"));
    api.send(with_token).await.expect(201);
    let read = TestRequest::get().uri("/api/users/me").insert_header(("origin", "https://evil.example"));
    assert_eq!(api.send(read).await.expect(200)["id"], "did:plc:mock123", "it cannot see the answer");
}

#[tokio::test(start_paused = true)]
async fn a_name_that_was_led_to_this_machine_is_not_answered_by_the_mock_admin() {
    let mut api = Api::new();
    let ask = |path: &str, host: &str| TestRequest::get().uri(path).insert_header(("host", host.to_owned()));
    for path in ["/api/users/me", "/api/feeds/global", "/api/admin/queues", "/", "/sign-in", "/nothing-here"] {
        for host in [
            "evil.example",
            "evil.example:8080",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "192.0.2.1:80",
            "",
        ] {
            let refused = api.send(ask(path, host)).await.expect_problem(421, "misdirected");
            assert!(refused["detail"].as_str().unwrap().contains("http://localhost"), "{refused}");
        }
    }
    for host in
        ["localhost:8080", "127.0.0.1", "[::1]:8080", "cards.localhost", "Cardwire.example", "cardwire.example:443"]
    {
        api.send(ask("/api/users/me", host)).await.expect(200);
    }
    api.send(TestRequest::get().uri("/api/users/me")).await.expect(200);
    // With accounts, nobody is an administrator by default, and the site may have any name.
    api.state.authenticator = Arc::new(TokenAuthenticator::new(Arc::new(api.store.clone()), BTreeSet::new()));
    api.send(ask("/api/feeds/global", "evil.example")).await.expect(200);
}

#[tokio::test(start_paused = true)]
async fn a_bad_credential_is_refused_even_where_none_is_needed() {
    let api = Api::new();
    for value in
        ["", "Bearer", "Bearer ", "Bearer   ", "Bearer alice", "Bearer did:plc:", "Basic YTpi", "did:plc:alice"]
    {
        for path in ["/api/users/me", "/api/feeds/global"] {
            let answer = api.send(TestRequest::get().uri(path).insert_header(("authorization", value))).await;
            assert_eq!(answer.header("www-authenticate"), "Bearer", "{value:?}");
            answer.expect_problem(401, "unauthenticated");
        }
    }
    let twice = request("alice", Method::GET, "/api/users/me", None);
    let twice = twice.append_header(("authorization", "Bearer did:plc:bob"));
    api.send(twice).await.expect_problem(401, "unauthenticated");
    let binary = TestRequest::get().uri("/api/users/me").insert_header(("authorization", &b"Bearer \xff"[..]));
    api.send(binary).await.expect_problem(401, "unauthenticated");
}

#[tokio::test(start_paused = true)]
async fn nobody_reads_what_is_public_and_writes_nothing() {
    let mut api = Api::new();
    let collection = api.collection("alice", "Reading").await;
    let card = api.save("alice", "https://example.com/a", &[&collection]).await;
    api.deliver().await;
    api.state.authenticator = Arc::new(NobodyWithoutToken);
    for path in [
        "/api/feeds/global",
        "/api/search?q=example",
        "/api/search/people?q=alice",
        "/api/search/collections?q=reading",
        "/api/analytics/summary",
        "/api/analytics/top-urls",
        "/api/analytics/top-domains",
        &format!("/api/collections/{collection}"),
        &format!("/api/cards/{card}"),
    ] {
        assert_eq!(api.get(path).await.status, 200, "{path}");
    }
    for path in [
        "/api/users/me",
        "/api/cards/my",
        "/api/collections",
        "/api/users/me/invitations",
        "/api/users/me/blocks",
        "/api/users/me/sessions",
        "/api/users/me/tokens",
        "/api/users/me/atproto",
        "/api/users/me/export",
        "/api/cards/library/status?url=https://a.example",
        "/api/search?q=a&mine=true",
    ] {
        api.get(path).await.expect_problem(401, "unauthenticated");
    }
    let before = api.owed().await;
    for (method, path, body) in [
        (Method::POST, "/api/cards/library/urls".to_owned(), json!({ "url": "https://example.com/b" })),
        (Method::POST, "/api/cards/collections".into(), json!({ "cardId": card, "collectionIds": [collection] })),
        (Method::PUT, "/api/cards/url/associations".into(), json!({ "cardId": card })),
        (Method::DELETE, format!("/api/cards/{card}/library"), json!(null)),
        (Method::POST, format!("/api/cards/{card}/metadata/retry"), json!(null)),
        (Method::DELETE, format!("/api/cards/{card}/collections"), json!({ "collectionIds": [collection] })),
        (Method::POST, "/api/collections".into(), json!({ "name": "n" })),
        (Method::PUT, format!("/api/collections/{collection}"), json!({ "name": "n" })),
        (Method::DELETE, format!("/api/collections/{collection}"), json!(null)),
        (Method::PUT, format!("/api/collections/{collection}/collaborators"), json!({ "userIds": [] })),
        (Method::POST, format!("/api/collections/{collection}/membership"), json!(null)),
        (Method::DELETE, format!("/api/collections/{collection}/membership"), json!(null)),
        (Method::PUT, "/api/users/me/blocks/did:plc:bob".into(), json!(null)),
        (Method::DELETE, "/api/users/me/blocks/did:plc:bob".into(), json!(null)),
        (Method::PUT, "/api/users/me".into(), json!({ "bio": "b" })),
        (Method::PUT, "/api/users/me/password".into(), json!({ "currentPassword": "x", "newPassword": "y" })),
        (Method::DELETE, "/api/users/me/sessions".into(), json!(null)),
        (Method::POST, "/api/users/me/tokens".into(), json!({ "name": "n", "scope": "read" })),
        (Method::DELETE, format!("/api/users/me/tokens/{card}"), json!(null)),
        (Method::DELETE, "/api/users/me/atproto".into(), json!(null)),
    ] {
        let request = TestRequest::default().method(method).uri(&path).set_json(body);
        api.send(request).await.expect_problem(401, "unauthenticated");
    }
    assert_eq!(api.owed().await, before);
}

#[tokio::test(start_paused = true)]
async fn a_note_is_for_its_author_only() {
    let api = Api::new();
    let body = json!({ "url": "https://example.com/a", "note": "mine" });
    let saved = api.post("alice", "/api/cards/library/urls", body).await.expect(201);
    let path = format!("/api/cards/{}", saved["urlCardId"].as_str().unwrap());
    let own = api.ask("alice", Method::GET, &path, None).await.expect(200);
    assert_eq!(own["note"], json!({ "id": saved["noteCardId"], "text": "mine" }));
    let other = api.ask("bob", Method::GET, &path, None).await.expect(200);
    assert!(other.get("note").is_none(), "{other}");
}

/// A store that is unavailable.
struct Down;

#[async_trait]
impl Store for Down {
    async fn begin(&self) -> Result<Box<dyn Transaction>> {
        Err(Error::Unavailable("db.internal refused the connection".into()))
    }

    async fn ping(&self) -> Result<()> {
        Err(Error::Unavailable("db.internal refused the connection".into()))
    }
}

#[tokio::test(start_paused = true)]
async fn while_the_store_is_away_the_answer_is_503_and_names_no_host() {
    let mut api = Api::new();
    api.state.store = Arc::new(Down);
    let answer = api.post("alice", "/api/cards/library/urls", json!({ "url": "https://example.com/" })).await;
    assert_eq!(answer.header("retry-after"), "1");
    let problem = answer.expect_problem(503, "unavailable");
    assert!(!problem.to_string().contains("db.internal"), "{problem}");
}

#[tokio::test(start_paused = true)]
async fn an_address_that_reads_too_much_without_signing_in_waits() {
    let mut api = Api::new();
    api.state.authenticator = Arc::new(NobodyWithoutToken);
    api.state.reads = Reads::per_second(NonZeroU32::new(1));
    let from = |path: &str, address: &str| {
        let request = TestRequest::get().uri(path).peer_addr(format!("{address}:40000").parse().unwrap());
        api.send(request.insert_header(("accept", "text/html")))
    };
    for _ in 0..5 {
        assert_eq!(from("/api/search?q=rust", "10.0.0.1").await.status.as_u16(), 200);
        assert_eq!(from("/search?q=rust", "10.0.0.1").await.status.as_u16(), 200);
    }
    for path in ["/api/search?q=rust", "/api/feeds/global", "/search?q=rust", "/"] {
        let refused = from(path, "10.0.0.1").await;
        assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (429, "1"), "{path}");
        assert_eq!(from(path, "10.0.0.2").await.status.as_u16(), 200, "{path}");
    }
    for _ in 0..20 {
        assert_eq!(from("/", "127.0.0.1").await.status.as_u16(), 200);
    }
}
