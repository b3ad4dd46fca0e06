//! On every route, a request that cannot be read is 400, and one that breaks a rule is 422.

use actix_web::http::Method;
use actix_web::test::TestRequest;
use cardwire_apptest::harness::{Answer, Api};
use cardwire_apptest::people::{PASSWORD, alice, ask_with};
use serde_json::{Value, json};

const NOTHING: &str = "01JD4A3W5T8Q2V9X7Y6Z1B0C3D";

/// Method and path of the documented operations of this kind. Their ids do not exist.
async fn operations(api: &Api, is_wanted: impl Fn(&str, &Value) -> bool) -> Vec<(Method, String)> {
    let document = api.get("/api/openapi.json").await.expect(200);
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            if is_wanted(path, operation) {
                let mut path = path.replace("{queue}", "feeds");
                for name in ["{id}", "{userId}", "{key}"] {
                    path = path.replace(name, NOTHING);
                }
                found.push((method.to_uppercase().parse().unwrap(), path));
            }
        }
    }
    found
}

async fn send(api: &Api, session: &str, method: &Method, path: &str, kind: Option<&str>, body: &[u8]) -> Answer {
    let request = TestRequest::default().method(method.clone()).uri(path).set_payload(body.to_vec());
    let mut request = request.insert_header(("authorization", format!("Bearer {session}")));
    if let Some(kind) = kind {
        request = request.insert_header(("content-type", kind));
    }
    api.send(request).await
}

#[tokio::test(start_paused = true)]
async fn bodies_are_read_the_same_way_everywhere() {
    let (api, session) = alice().await;
    let before = ask_with(&api, &session, Method::GET, "/api/users/me", None).await.expect(200);
    let with_body = operations(&api, |_, operation| operation.get("requestBody").is_some()).await;
    let new = ["/api/users/me", "/api/users/me/password", "/api/users/me/tokens", "/api/users"];
    assert!(with_body.len() > 14 && new.iter().all(|new| with_body.iter().any(|(_, path)| path == new)));
    let json = Some("application/json");
    for (method, path) in &with_body {
        let what = format!("{method} {path}");
        for broken in [&b""[..], b"{", b"{\"a\":}", b"{'a':1}", b"{} {}", b"nonsense", b"{\"a\":\"\xff\"}"] {
            let answer = send(&api, &session, method, path, json, broken).await;
            assert_eq!(answer.status.as_u16(), 400, "{what} with {}", String::from_utf8_lossy(broken));
            answer.expect_problem(400, "malformed-json");
        }
        for (wrong, field) in
            [("[]", "body"), ("\"x\"", "body"), ("null", "body"), ("1", "body"), ("{\"surprise\":1}", "surprise")]
        {
            let answer = send(&api, &session, method, path, json, wrong.as_bytes()).await;
            assert_eq!(answer.status.as_u16(), 422, "{what} with {wrong}");
            assert_eq!(answer.expect_problem(422, "invalid-value")["field"], field, "{what} with {wrong}");
        }
        for kind in [None, Some("text/plain"), Some("application/x-www-form-urlencoded")] {
            let answer = send(&api, &session, method, path, kind, b"{}").await;
            assert_eq!(answer.status.as_u16(), 415, "{what} as {kind:?}");
        }
    }
    assert_eq!(ask_with(&api, &session, Method::GET, "/api/users/me", None).await.expect(200), before);
}

#[tokio::test(start_paused = true)]
async fn unknown_parameters_are_refused_wherever_accounts_are_concerned() {
    let (api, session) = alice().await;
    let of_accounts = |path: &str| path.starts_with("/api/users") || path.starts_with("/api/admin/users");
    let is_wanted = |path: &str, _: &Value| of_accounts(path) || path == "/api/admin/invites";
    let operations = operations(&api, is_wanted).await;
    assert!(operations.len() > 20, "{operations:?}");
    for (method, path) in operations {
        let asked = format!("{path}?surprise=1");
        let answer = send(&api, &session, &method, &asked, Some("application/json"), b"{}").await;
        assert_eq!(answer.status.as_u16(), 400, "{method} {asked}");
        assert_eq!(answer.expect_problem(400, "invalid-parameter")["field"], "surprise");
    }
    ask_with(&api, &session, Method::GET, "/api/users/me", None).await.expect(200);
}

#[tokio::test(start_paused = true)]
async fn what_breaks_a_rule_names_the_field() {
    let (api, session) = alice().await;
    let sign_up = |invite: Value| json!({ "handle": "bob", "password": PASSWORD, "invite": invite });
    let token = |name: Value, scope: Value| json!({ "name": name, "scope": scope });
    let lasting = |days: Value| json!({ "name": "n", "scope": "read", "expiresInDays": days });
    let passwords = |current: Value, new: Value| json!({ "currentPassword": current, "newPassword": new });
    let seen_by = |visibility: Value| json!({ "name": "n", "visibility": visibility });
    let card = |visibility: Value| json!({ "cardId": NOTHING, "visibility": visibility });
    let url = |visibility: Value| json!({ "url": "https://example.com/", "visibility": visibility });
    let (users, me, password, tokens) =
        ("/api/users", "/api/users/me", "/api/users/me/password", "/api/users/me/tokens");
    let (collections, collection) = ("/api/collections", format!("/api/collections/{NOTHING}"));
    let (associations, saves) = ("/api/cards/url/associations", "/api/cards/library/urls");
    let (post, put, delete) = (Method::POST, Method::PUT, Method::DELETE);
    let long = json!("x".repeat(101));
    for (method, path, body, field) in [
        (&post, users, sign_up(json!(5)), "invite"),
        (&post, users, sign_up(json!(["a"])), "invite"),
        (&post, users, sign_up(json!("a\0")), "invite"),
        (&put, me, json!({ "defaultVisibility": "public" }), "defaultVisibility"),
        (&put, me, json!({ "defaultVisibility": 1 }), "defaultVisibility"),
        (&put, me, json!({ "bio": "a\0" }), "bio"),
        (&delete, me, json!({}), "password"),
        (&delete, me, json!({ "password": null }), "password"),
        (&delete, me, json!({ "password": 5 }), "password"),
        (&put, password, passwords(json!(5), json!(PASSWORD)), "currentPassword"),
        (&put, password, passwords(json!(PASSWORD), json!(null)), "newPassword"),
        (&put, password, passwords(json!(PASSWORD), json!("short")), "newPassword"),
        (&post, tokens, token(json!(" "), json!("read")), "name"),
        (&post, tokens, token(json!(5), json!("read")), "name"),
        (&post, tokens, token(long, json!("read")), "name"),
        (&post, tokens, token(json!("n"), json!("admin")), "scope"),
        (&post, tokens, token(json!("n"), json!(null)), "scope"),
        (&post, tokens, json!({ "name": "n" }), "scope"),
        (&post, tokens, lasting(json!(0)), "expiresInDays"),
        (&post, tokens, lasting(json!(3_651)), "expiresInDays"),
        (&post, tokens, lasting(json!(-1)), "expiresInDays"),
        (&post, tokens, lasting(json!(1.5)), "expiresInDays"),
        (&post, tokens, lasting(json!("30")), "expiresInDays"),
        (&post, tokens, lasting(json!(4_294_967_296_u64)), "expiresInDays"),
        (&post, collections, seen_by(json!("private")), "visibility"),
        (&put, &collection, seen_by(json!(true)), "visibility"),
        (&put, associations, card(json!("")), "visibility"),
        (&post, saves, url(json!("SECRET")), "visibility"),
    ] {
        let what = format!("{method} {path} {body}");
        let answer = ask_with(&api, &session, method.clone(), path, Some(body)).await;
        assert_eq!(answer.status.as_u16(), 422, "{what}: {}", String::from_utf8_lossy(&answer.body));
        let problem = answer.expect_problem(422, "invalid-value");
        assert_eq!(problem["field"], field, "{what}: {problem}");
        assert!(!problem.to_string().contains(PASSWORD), "{problem}");
    }
    let made = ask_with(&api, &session, Method::GET, tokens, None).await.expect(200);
    assert_eq!(made["items"], json!([]));
    assert_eq!(ask_with(&api, &session, Method::GET, collections, None).await.expect(200)["items"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn ids_that_name_nothing_are_not_found_however_they_are_written() {
    let (api, session) = alice().await;
    for id in [NOTHING, "nonsense", "a%00", "%ff"] {
        for path in [format!("/api/users/me/sessions/{id}"), format!("/api/users/me/tokens/{id}")] {
            let answer = ask_with(&api, &session, Method::DELETE, &path, None).await;
            assert_eq!(answer.status.as_u16(), 404, "{path}");
        }
        for act in ["suspend", "restore", "reset-password"] {
            let path = format!("/api/admin/users/{id}/{act}");
            ask_with(&api, &session, Method::POST, &path, None).await.expect_problem(404, "not-found");
        }
    }
}
