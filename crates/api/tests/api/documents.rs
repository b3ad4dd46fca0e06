//! The OpenAPI document, the page over it, and the health of the process.

use std::collections::BTreeSet;
use std::sync::Arc;

use actix_web::http::Method;
use actix_web::test::TestRequest;
use async_trait::async_trait;
use cardwire_apptest::harness::{Api, request};
use cardwire_apptest::people::{PASSWORD, ask_with, join, log_in};
use cardwire_http::Readiness;
use cardwire_http::problem::KINDS;
use serde_json::{Value, json};

#[tokio::test(start_paused = true)]
async fn the_document_lists_every_route_and_each_answers() {
    let api = Api::new();
    let collection = api.collection("alice", "Reading").await;
    let card = api.save("alice", "https://example.com/a", &[]).await;
    let none = || Value::Null;
    let zoe = json!({ "handle": "zoe", "password": "correct horse" });
    api.post("alice", "/api/users", zoe.clone()).await.expect(201);
    let session = api.post("alice", "/api/users/login", zoe.clone()).await.expect(200);
    let quinn = join(&api, "quinn").await;
    let (own, _) = (log_in(&api, "quinn").await, log_in(&api, "quinn").await);
    let sessions = ask_with(&api, &own, Method::GET, "/api/users/me/sessions", None).await.expect(200);
    let other = sessions["items"].as_array().unwrap().iter().find(|session| session["current"] == false).unwrap();
    let new_token = || json!({ "name": "n", "scope": "read" });
    let token = ask_with(&api, &own, Method::POST, "/api/users/me/tokens", Some(new_token())).await.expect(201);
    let new_password = json!({ "currentPassword": PASSWORD, "newPassword": "another horse battery" });
    // In an order in which each can succeed.
    let calls = [
        (Method::GET, "/healthz", "", none()),
        (Method::GET, "/readyz", "", none()),
        (Method::GET, "/api/openapi.json", "", none()),
        (Method::GET, "/api/docs", "", none()),
        (Method::POST, "/api/users", "", json!({ "handle": "yann", "password": "correct horse" })),
        (Method::POST, "/api/users/login", "", zoe),
        (Method::POST, "/api/users/oauth/refresh", "", json!({ "refreshToken": session["refreshToken"] })),
        (Method::POST, "/api/users/logout", "", none()),
        (Method::GET, "/api/users/me", "", none()),
        (Method::PUT, "/api/users/me", "", json!({ "bio": "b" })),
        (Method::GET, "/api/users/me/export", "", none()),
        (Method::GET, "/api/users/me/sessions", "", none()),
        (Method::DELETE, "/api/users/me/sessions/{session}", "", none()),
        (Method::DELETE, "/api/users/me/sessions", "", none()),
        (Method::GET, "/api/users/me/tokens", "", none()),
        (Method::POST, "/api/users/me/tokens", "", new_token()),
        (Method::DELETE, "/api/users/me/tokens/{token}", "", none()),
        (Method::PUT, "/api/users/me/password", "", new_password),
        (Method::POST, "/api/admin/invites", "", none()),
        (Method::POST, "/api/admin/users/{person}/reset-password", "", none()),
        (Method::POST, "/api/admin/users/{person}/suspend", "", none()),
        (Method::POST, "/api/admin/users/{person}/restore", "", none()),
        (Method::POST, "/api/cards/library/urls", "", json!({ "url": "https://example.com/b" })),
        (Method::POST, "/api/cards/collections", "", json!({ "cardId": card, "collectionIds": [collection] })),
        (Method::PUT, "/api/cards/url/associations", "", json!({ "cardId": card, "note": "n" })),
        (Method::GET, "/api/cards/my", "?q=a&uncollected=false", none()),
        (Method::GET, "/api/cards/{card}", "", none()),
        (Method::GET, "/api/cards/library/status", "?url=https://example.com/a", none()),
        (Method::POST, "/api/collections", "", json!({ "name": "n" })),
        (Method::GET, "/api/collections", "", none()),
        (Method::GET, "/api/collections/{collection}", "", none()),
        (Method::PUT, "/api/collections/{collection}", "", json!({ "name": "n", "accessType": "OPEN" })),
        (Method::PUT, "/api/collections/{collection}/collaborators", "", json!({ "userIds": ["did:plc:bob"] })),
        (Method::POST, "/api/collections/{collection}/membership", "", none()),
        (Method::GET, "/api/users/me/invitations", "", none()),
        (Method::GET, "/api/users/me/blocks", "", none()),
        (Method::PUT, "/api/users/me/blocks/{userId}", "", none()),
        (Method::DELETE, "/api/users/me/blocks/{userId}", "", none()),
        (Method::GET, "/api/feeds/global", "?actorId=did:plc:alice", none()),
        (Method::GET, "/api/search", "?q=example", none()),
        (Method::GET, "/api/search/people", "?q=alice", none()),
        (Method::GET, "/api/search/collections", "?q=reading", none()),
        (Method::GET, "/api/analytics/summary", "?days=366", none()),
        (Method::GET, "/api/analytics/top-urls", "?days=1&limit=1", none()),
        (Method::GET, "/api/analytics/top-domains", "?days=1&limit=1", none()),
        (Method::POST, "/api/admin/cards/{card}/hide", "", json!({ "reason": "r" })),
        (Method::POST, "/api/admin/cards/{card}/show", "", none()),
        (Method::DELETE, "/api/cards/{card}/collections", "", json!({ "collectionIds": [collection] })),
        (Method::DELETE, "/api/cards/{card}/library", "", none()),
        // As somebody else: an author cannot leave.
        (Method::DELETE, "/api/collections/{collection}/membership", "", none()),
        (Method::DELETE, "/api/collections/{collection}", "", none()),
        (Method::GET, "/api/admin/queues", "", none()),
        (Method::GET, "/api/admin/queues/{queue}/dead", "", none()),
        (Method::POST, "/api/admin/queues/{queue}/dead/redrive", "", json!({ "all": true })),
        (Method::DELETE, "/api/admin/queues/{queue}/dead", "", json!({ "all": true })),
        (Method::GET, "/api/admin/queues/{queue}/dead/count", "?type=a&text=b&error=c", none()),
        (Method::GET, "/api/admin/queues/{queue}/history", "?minutes=1440", none()),
        (Method::GET, "/api/admin/queues/{queue}/failures", "", none()),
        (Method::GET, "/api/admin/queues/{queue}/rejected", "?limit=1", none()),
        (Method::GET, "/api/admin/replays/count", "?queue=feeds&from=2026-03-01&until=2026-03-02", none()),
        (
            Method::POST,
            "/api/admin/replays",
            "",
            json!({ "queue": "feeds", "from": "2026-03-01", "until": "2026-03-02" }),
        ),
        (Method::GET, "/api/admin/replays", "", none()),
        (Method::POST, "/api/admin/queues/{queue}/pause", "", json!({ "reason": "r" })),
        (Method::POST, "/api/admin/queues/{queue}/resume", "", none()),
        (Method::POST, "/api/admin/queues/{queue}/redeliver", "", none()),
        (Method::GET, "/api/admin/sagas", "", none()),
        (Method::POST, "/api/admin/search/rebuild", "", none()),
        (Method::GET, "/api/admin/search/rebuild", "", none()),
        (Method::GET, "/api/admin/audit", "", none()),
    ];
    // The first never ends; the others need a page that was fetched, its pictures, an open window, a replay that is going on, a dead letter, and
    // a server of another network.
    let mut expected = BTreeSet::from([
        ("get".to_owned(), "/api/feeds/global/stream".to_owned()),
        ("post".to_owned(), "/api/cards/{id}/metadata/retry".to_owned()),
        ("get".to_owned(), "/pictures/{hash}".to_owned()),
        ("post".to_owned(), "/api/admin/sagas/{key}/flush".to_owned()),
        ("post".to_owned(), "/api/admin/replays/{id}/cancel".to_owned()),
        ("get".to_owned(), "/api/admin/queues/{queue}/dead/{id}".to_owned()),
        ("get".to_owned(), "/api/users/me/atproto".to_owned()),
        ("post".to_owned(), "/api/users/me/atproto".to_owned()),
        ("delete".to_owned(), "/api/users/me/atproto".to_owned()),
    ]);
    for (method, template, query, body) in calls {
        let path = template.replace("{card}", &card).replace("{collection}", &collection).replace("{queue}", "feeds");
        let path = path.replace("{userId}", "did:plc:mallory").replace("{person}", &quinn);
        let path = path.replace("{session}", other["id"].as_str().unwrap());
        let path = path.replace("{token}", token["id"].as_str().unwrap());
        let person = match template {
            admin if admin.starts_with("/api/admin") => "mock123",
            membership if membership.ends_with("/membership") => "bob",
            _ => "alice",
        };
        let body = (!body.is_null()).then_some(body);
        let in_person = ["sessions", "tokens", "password"].map(|part| format!("/api/users/me/{part}"));
        let answer = match in_person.iter().any(|part| template.starts_with(part)) {
            true => ask_with(&api, &own, method.clone(), &path, body).await,
            false => api.send(request(person, method.clone(), &format!("{path}{query}"), body)).await,
        };
        assert!(answer.status.is_success(), "{method} {path}: {}", String::from_utf8_lossy(&answer.body));
        let ids = ["{card}", "{collection}", "{person}", "{session}", "{token}"];
        let template = ids.iter().fold(template.to_owned(), |template, id| template.replace(id, "{id}"));
        expected.insert((method.as_str().to_lowercase(), template));
    }
    join(&api, "xavier").await;
    let (leaving, sure) = (log_in(&api, "xavier").await, json!({ "password": PASSWORD }));
    ask_with(&api, &leaving, Method::DELETE, "/api/users/me", Some(sure)).await.expect(202);
    expected.insert(("delete".to_owned(), "/api/users/me".to_owned()));
    let document = api.get("/api/openapi.json").await.expect(200);
    let mut listed = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            assert_eq!(operation["responses"]["default"]["$ref"], "#/components/responses/Problem");
            listed.insert((method.clone(), path.clone()));
        }
    }
    assert_eq!(listed, expected);
}

#[tokio::test(start_paused = true)]
async fn operations_have_names_of_their_own_and_answers_are_described() {
    let document = Api::new().get("/api/openapi.json").await.expect(200);
    let mut names = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = operation["operationId"].as_str().unwrap();
            let is_plain = name.bytes().all(|b| b.is_ascii_alphanumeric()) && name.as_bytes()[0].is_ascii_lowercase();
            assert!(is_plain, "{method} {path}: {name}");
            assert!(names.insert(name.to_owned()), "{name} is the name of two operations");
            for (status, answer) in operation["responses"].as_object().unwrap() {
                let answer = match answer["$ref"].as_str() {
                    Some(reference) => document.pointer(&reference[1..]).unwrap(),
                    None => answer,
                };
                let description = answer["description"].as_str().unwrap_or_default();
                assert!(!description.is_empty(), "{method} {path} {status}");
            }
        }
    }
    assert!(names.contains("listQueues") && names.contains("removeCardFromLibrary"));
}

#[tokio::test(start_paused = true)]
async fn whatever_takes_a_token_takes_the_cookie_of_the_pages() {
    let api = Api::new();
    let document = api.get("/api/openapi.json").await.expect(200);
    let schemes = &document["components"]["securitySchemes"];
    assert_eq!((&schemes["bearer"]["type"], &schemes["bearer"]["scheme"]), (&json!("http"), &json!("bearer")));
    let session = &schemes["session"];
    assert_eq!((&session["type"], &session["in"]), (&json!("apiKey"), &json!("cookie")));
    let mut guarded = 0;
    for operation in document["paths"].as_object().unwrap().values().flat_map(|item| item.as_object().unwrap().values())
    {
        let Some(ways) = operation.get("security").filter(|ways| **ways != json!([])) else { continue };
        let [bearer, cookie] = ["bearer", "session"].map(|scheme| json!({ scheme: [] }));
        let known = [json!([bearer, cookie]), json!([{}, bearer, cookie])];
        assert!(known.contains(ways), "{operation}");
        guarded += 1;
    }
    assert!(guarded > 30, "{guarded}");
    // The cookie of that name works as documented.
    let name = session["name"].as_str().unwrap();
    for (path, status) in [("/api/users/me", 200), ("/api/cards/my", 200), ("/api/admin/queues", 403)] {
        let request = TestRequest::get().uri(path).insert_header(("host", "cardwire.example"));
        let answer = api.send(request.insert_header(("cookie", format!("{name}=did:plc:alice")))).await;
        assert_eq!(answer.status.as_u16(), status, "{path}: alice is no operator");
    }
}

#[tokio::test(start_paused = true)]
async fn every_reference_of_the_document_leads_somewhere() {
    let document = Api::new().get("/api/openapi.json").await.expect(200);
    let mut references = BTreeSet::new();
    gather(&document, &mut references);
    assert!(references.len() > 10);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

fn gather(value: &Value, references: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, field)| match field.as_str() {
            Some(reference) if name == "$ref" => drop(references.insert(reference.to_owned())),
            _ => gather(field, references),
        }),
        Value::Array(items) => items.iter().for_each(|item| gather(item, references)),
        _ => {}
    }
}

#[tokio::test(start_paused = true)]
async fn the_page_needs_nothing_from_elsewhere() {
    let api = Api::new();
    let page = api.get("/api/docs").await;
    assert_eq!(page.status, 200);
    let html = String::from_utf8(page.body.clone()).unwrap();
    assert!(html.contains("<base href=\"/api/docs/\">"));
    assert!(!html.contains("http://") && !html.contains("https://"), "{html}");
    let sources: Vec<&str> = html.split("src=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(sources.len(), 3);
    for source in sources {
        let answer = api.get(&format!("/api/docs/{}", source.trim_start_matches("./"))).await;
        assert_eq!(answer.status, 200, "{source}");
        if source.contains("initializer") {
            let script = String::from_utf8(answer.body).unwrap();
            assert!(script.contains("/api/openapi.json") && !script.contains("petstore"), "{script}");
        }
    }
    api.get("/api/docs/nope.js").await.expect_problem(404, "not-found");
}

#[tokio::test(start_paused = true)]
async fn the_type_of_a_problem_leads_to_its_description() {
    let api = Api::new();
    for kind in KINDS {
        let described = api.get(&kind.uri()).await.expect(200);
        assert_eq!(described["status"], kind.status);
        assert_eq!(described["type"], kind.uri());
    }
}

struct NotReady;

#[async_trait]
impl Readiness for NotReady {
    async fn check(&self) -> Result<(), String> {
        Err("PostgreSQL cannot be reached".into())
    }
}

struct Hanging;

#[async_trait]
impl Readiness for Hanging {
    async fn check(&self) -> Result<(), String> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn readiness_tells_what_is_away_and_never_hangs() {
    let mut api = Api::new();
    api.state.readiness = Arc::new(NotReady);
    let answer = api.get("/readyz").await;
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(answer.expect_problem(503, "unavailable")["detail"], "PostgreSQL cannot be reached");
    api.state.readiness = Arc::new(Hanging);
    api.get("/readyz").await.expect_problem(503, "unavailable");
    api.get("/healthz").await.expect(200);
}
