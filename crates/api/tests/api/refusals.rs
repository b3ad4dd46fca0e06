//! Client errors: each gives a clear problem, stores nothing and raises no event.

use actix_web::error::PayloadError;
use actix_web::http::Method;
use actix_web::test::TestRequest;
use actix_web::web::Bytes;
use cardwire_apptest::harness::{Answer, Api, request};
use futures_util::stream;
use serde_json::{Value, json};

const SAVE: &str = "/api/cards/library/urls";

/// An application where alice keeps one card and has one closed collection, and bob has one too.
struct Scene {
    api: Api,
    card: String,
    own: String,
    foreign: String,
    before: Vec<Value>,
}

impl Scene {
    async fn set() -> Self {
        let api = Api::new();
        let own = api.collection("alice", "Mine").await;
        let foreign = api.collection("bob", "Theirs").await;
        let card = api.save("alice", "https://example.com/kept", &[&own]).await;
        let mut scene = Self { api, card, own, foreign, before: Vec::new() };
        scene.before = scene.everything().await;
        scene
    }

    /// Everything that a refused request could have changed.
    async fn everything(&self) -> Vec<Value> {
        let mut all = vec![json!(self.api.owed().await)];
        for path in ["/api/cards/my".to_owned(), "/api/collections".into(), format!("/api/collections/{}", self.own)] {
            all.push(self.api.ask("alice", Method::GET, &path, None).await.expect(200));
        }
        all.push(self.api.get(&format!("/api/collections/{}", self.foreign)).await.expect(200));
        all
    }

    #[track_caller]
    fn unchanged(&self, after: &[Value], what: &str) {
        assert_eq!(self.before, after, "{what} changed something");
    }

    async fn refused(&self, method: Method, path: &str, body: Value, status: u16, slug: &str, field: Option<&str>) {
        let what = format!("{method} {path} {:.100}", body.to_string());
        let problem = self.api.ask("alice", method, path, Some(body)).await.expect_problem(status, slug);
        assert_eq!(problem["field"].as_str(), field, "{what}: {problem}");
        self.unchanged(&self.everything().await, &what);
    }

    async fn raw(&self, content_type: Option<&str>, body: impl Into<Bytes>) -> Answer {
        let mut request = request("alice", Method::POST, SAVE, None).set_payload(body);
        if let Some(content_type) = content_type {
            request = request.insert_header(("content-type", content_type));
        }
        let answer = self.api.send(request).await;
        self.unchanged(&self.everything().await, "a raw body");
        answer
    }
}

#[tokio::test(start_paused = true)]
async fn bad_urls_notes_and_references_are_refused_whole() {
    let scene = Scene::set().await;
    let url = "https://example.com/new";
    let invalid = async |body: Value, field: &str| {
        scene.refused(Method::POST, SAVE, body, 422, "invalid-value", Some(field)).await;
    };
    for bad in ["", "nonsense", "ftp://example.com", "javascript:alert(1)", "https://u:p@example.com", "https://a b"] {
        invalid(json!({ "url": bad }), "url").await;
    }
    invalid(json!({ "url": format!("https://example.com/{}", "x".repeat(2_048)) }), "url").await;
    invalid(json!({ "url": "https://example.com/\0" }), "url").await;
    invalid(json!({ "url": url, "note": "x".repeat(10_001) }), "note").await;
    invalid(json!({ "url": url, "note": "a\0b" }), "note").await;
    invalid(json!({ "url": url, "collectionIds": ["a\0"] }), "collectionIds[0]").await;
    invalid(json!({ "url": url, "collectionIds": vec![&scene.own; 101] }), "collectionIds").await;
    invalid(json!({}), "url").await;
    invalid(json!({ "url": 1 }), "url").await;
    invalid(json!({ "url": null }), "url").await;
    invalid(json!({ "url": url, "note": ["a"] }), "note").await;
    invalid(json!({ "url": url, "collectionIds": [1] }), "collectionIds[0]").await;
    invalid(json!({ "url": url, "surprise": 1 }), "surprise").await;
    invalid(json!([]), "body").await;
    invalid(json!([url, null, null, null]), "body").await;
    invalid(json!("x"), "body").await;

    let missing = "01JD4A3W5T8Q2V9X7Y6Z1B0C3D";
    for unknown in [missing, "nonsense", ""] {
        let body = json!({ "url": url, "collectionIds": [&scene.own, unknown] });
        scene.refused(Method::POST, SAVE, body, 404, "not-found", None).await;
        let body = json!({ "url": url, "viaCardId": unknown });
        scene.refused(Method::POST, SAVE, body, 404, "not-found", None).await;
    }
    let body = json!({ "url": url, "collectionIds": [&scene.own, &scene.foreign] });
    scene.refused(Method::POST, SAVE, body, 403, "forbidden", None).await;
}

#[tokio::test(start_paused = true)]
async fn the_other_writes_refuse_as_well() {
    let scene = Scene::set().await;
    let Scene { card, own, foreign, .. } = &scene;
    let collections = "/api/collections";
    for (body, field) in [
        (json!({ "name": "x".repeat(101) }), "name"),
        (json!({ "name": "  " }), "name"),
        (json!({ "name": "a\0" }), "name"),
        (json!({ "name": "n", "description": "x".repeat(501) }), "description"),
        (json!({ "name": "n", "accessType": "open" }), "accessType"),
        (json!({ "name": "n", "accessType": 1 }), "accessType"),
        (json!({ "description": "d" }), "name"),
    ] {
        scene.refused(Method::POST, collections, body.clone(), 422, "invalid-value", Some(field)).await;
        let path = format!("{collections}/{own}");
        scene.refused(Method::PUT, &path, body, 422, "invalid-value", Some(field)).await;
    }
    let rename = json!({ "name": "n" });
    for (method, tail, body) in [
        (Method::PUT, "", rename.clone()),
        (Method::DELETE, "", json!(null)),
        (Method::PUT, "/collaborators", json!({ "userIds": ["did:plc:alice"] })),
    ] {
        let path = format!("{collections}/{foreign}{tail}");
        scene.refused(method.clone(), &path, body.clone(), 403, "forbidden", None).await;
        let path = format!("{collections}/nonsense{tail}");
        scene.refused(method, &path, body, 404, "not-found", None).await;
    }
    let path = format!("{collections}/{own}/collaborators");
    scene.refused(Method::PUT, &path, json!({ "userIds": ["bob"] }), 422, "invalid-value", Some("userIds")).await;

    let collect = "/api/cards/collections";
    let body = json!({ "cardId": card, "collectionIds": [foreign] });
    scene.refused(Method::POST, collect, body, 403, "forbidden", None).await;
    let body = json!({ "cardId": card, "collectionIds": [] });
    scene.refused(Method::POST, collect, body, 422, "invalid-value", Some("collectionIds")).await;
    let associations = "/api/cards/url/associations";
    let body = json!({ "cardId": card, "note": "n", "addToCollections": [foreign] });
    scene.refused(Method::PUT, associations, body, 403, "forbidden", None).await;
    let body = json!({ "cardId": card, "addToCollections": [own], "removeFromCollections": [own] });
    scene.refused(Method::PUT, associations, body, 422, "invalid-value", Some("removeFromCollections")).await;
    let body = json!({ "collectionIds": [] });
    let path = format!("/api/cards/{card}/collections");
    scene.refused(Method::DELETE, &path, body, 422, "invalid-value", Some("collectionIds")).await;

    let stranger = async |method: Method, path: &str, body: Value| {
        scene.api.ask("bob", method, path, Some(body)).await.expect_problem(403, "forbidden");
        scene.unchanged(&scene.everything().await, path);
    };
    stranger(Method::DELETE, &format!("/api/cards/{card}/library"), json!(null)).await;
    stranger(Method::DELETE, &path, json!({ "collectionIds": [own] })).await;
    stranger(Method::PUT, associations, json!({ "cardId": card, "note": "n" })).await;
}

#[tokio::test(start_paused = true)]
async fn bodies_that_are_no_json_or_too_much_of_it() {
    let scene = Scene::set().await;
    let json = Some("application/json");
    for bad in [
        &b""[..],
        b"{",
        b"{\"url\":\"https://example.com\"",
        b"{\"url\":\"https://example.com\"} x",
        b"{\"url\":\"\xff\"}",
        b"\xef\xbb\xbf{}",
        b"NaN",
    ] {
        scene.raw(json, bad).await.expect_problem(400, "malformed-json");
    }
    let deep = format!("{{\"url\":{}{}}}", "[".repeat(200), "]".repeat(200));
    scene.raw(json, deep).await.expect_problem(400, "malformed-json");
    for lone in [r"\ud800", r"\udfff", r"\ud800\ud800", r"x\ud83d"] {
        let body = format!(r#"{{"url":"https://example.com","note":"{lone}"}}"#);
        assert_eq!(scene.raw(json, body).await.expect_problem(422, "invalid-value")["field"], "note");
    }
    let fine = r#"{"url":"https://example.com/new"}"#;
    for wrong in
        [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("application/jsonx"), Some("x")]
    {
        scene.raw(wrong, fine).await.expect_problem(415, "unsupported-media-type");
    }
    let packed = request("alice", Method::POST, SAVE, None)
        .insert_header(("content-type", "application/json"))
        .insert_header(("content-encoding", "gzip"));
    scene.api.send(packed.set_payload(fine)).await.expect_problem(415, "unsupported-media-type");

    let padding = " ".repeat(256 * 1024 - fine.len());
    scene.raw(json, format!("{fine}{padding} ")).await.expect_problem(413, "body-too-large");
    scene.raw(json, "[".repeat(257 * 1024)).await.expect_problem(413, "body-too-large");
    scene.raw(json, "x".repeat(2 * 1024 * 1024)).await.expect_problem(413, "body-too-large");
    // The way libraries write non-ASCII text: two escapes for each character.
    let escaped = |chars: usize| {
        let note = r"\ud83d\ude00".repeat(chars);
        format!(r#"{{"url":"https://example.com/long","note":"{note}"}}"#)
    };
    assert_eq!(scene.raw(json, escaped(10_001)).await.expect_problem(422, "invalid-value")["field"], "note");
    for allowed in [format!("{fine}{padding}"), escaped(10_000)] {
        let largest = request("alice", Method::POST, SAVE, None)
            .insert_header(("content-type", "Application/JSON; charset=utf-8"));
        scene.api.send(largest.set_payload(allowed)).await.expect(201);
    }
}

#[tokio::test(start_paused = true)]
async fn query_parameters_are_read_strictly() {
    let api = Api::new();
    let collection = api.collection("mock123", "n").await;
    for path in ["/api/feeds/global", "/api/cards/my", "/api/collections", &format!("/api/collections/{collection}")] {
        for bad in ["limit=0", "limit=101", "limit=abc", "limit=", "limit=-1", "limit=1&limit=2", "page=2", "Limit=1"] {
            api.get(&format!("{path}?{bad}")).await.expect_problem(400, "invalid-parameter");
        }
    }
    for bad in [
        "/api/search",
        "/api/search?q=a&limit=0",
        "/api/search?q=a&x=1",
        "/api/search?q=%ff",
        "/api/search/people",
        "/api/search/people?q=a&limit=5",
        "/api/search/collections",
        "/api/search/collections?q=a&cursor=x",
        "/api/cards/my?uncollected=maybe",
        "/api/cards/library/status",
        "/api/analytics/summary?days=0",
        "/api/analytics/summary?days=367",
        "/api/analytics/summary?limit=1",
        "/api/analytics/top-urls?limit=0",
        "/api/analytics/top-urls?days=x",
        "/api/analytics/top-urls?cursor=x",
        "/api/users/me?x",
        "/api/cards/nonsense?x=1",
    ] {
        api.get(bad).await.expect_problem(400, "invalid-parameter");
    }
    for (bad, field) in [
        ("/api/search?q=", "q"),
        ("/api/search?q=a%00", "q"),
        ("/api/search/people?q=%20", "q"),
        (&format!("/api/search/collections?q={}", "x".repeat(201)), "q"),
        ("/api/cards/my?q=a%00", "q"),
        (&format!("/api/search?q={}", "x".repeat(201)), "q"),
        ("/api/cards/library/status?url=nonsense", "url"),
        ("/api/feeds/global?actorId=alice", "actorId"),
        ("/api/feeds/global?actorId=", "actorId"),
    ] {
        assert_eq!(api.get(bad).await.expect_problem(422, "invalid-value")["field"], field);
    }
    let write = request("alice", Method::POST, "/api/collections?x=1", Some(json!({ "name": "n" })));
    api.send(write).await.expect_problem(400, "invalid-parameter");
}

#[tokio::test(start_paused = true)]
async fn unknown_paths_and_methods() {
    let api = Api::new();
    for path in
        ["/nope", "/api", "/api/", "/api/cards", "/api/cards/my/", "/api/feeds/global/x", "/api/%00", "/problems/x"]
    {
        api.get(path).await.expect_problem(404, "not-found");
    }
    for path in
        ["/api/cards/nonsense", "/api/cards/01JD4A3W5T8Q2V9X7Y6Z1B0C3D", "/api/cards/a%00", "/api/collections/%ff"]
    {
        api.get(path).await.expect_problem(404, "not-found");
    }
    for (method, path, allow) in [
        (Method::PUT, SAVE, "POST, OPTIONS"),
        (Method::GET, SAVE, "POST, OPTIONS"),
        (Method::POST, "/api/feeds/global", "GET, HEAD, OPTIONS"),
        (Method::DELETE, "/api/collections", "GET, HEAD, POST, OPTIONS"),
        (Method::PATCH, "/api/collections/x", "GET, HEAD, PUT, DELETE, OPTIONS"),
        (Method::TRACE, "/healthz", "GET, HEAD, OPTIONS"),
    ] {
        let answer = api.send(TestRequest::default().method(method).uri(path)).await;
        assert_eq!(answer.header("allow"), allow, "{path}");
        answer.expect_problem(405, "method-not-allowed");
        let options = api.send(TestRequest::default().method(Method::OPTIONS).uri(path)).await;
        assert_eq!((options.status.as_u16(), options.header("allow")), (204, allow));
    }
    let head = api.send(TestRequest::default().method(Method::HEAD).uri("/api/feeds/global")).await;
    assert_eq!(head.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_body_in_pieces_is_bounded_in_size_and_in_time() {
    let scene = Scene::set().await;
    let post = || request("alice", Method::POST, SAVE, None).insert_header(("content-type", "application/json"));
    let pieces = |count| stream::iter((0..count).map(|_| Ok(Bytes::from_static(&[b' '; 1024]))));
    scene.api.send_stream(post(), pieces(257)).await.expect_problem(413, "body-too-large");
    scene.api.send_stream(post(), pieces(256)).await.expect_problem(400, "malformed-json");
    let endless = stream::repeat_with(|| Ok(Bytes::from_static(b"          ")));
    scene.api.send_stream(post(), endless).await.expect_problem(413, "body-too-large");
    scene.api.send_stream(post(), stream::pending()).await.expect_problem(408, "request-timeout");
    let broken = stream::iter([Err(PayloadError::Incomplete(None))]);
    scene.api.send_stream(post(), broken).await.expect_problem(400, "malformed-request");
    scene.unchanged(&scene.everything().await, "a body in pieces");
}
