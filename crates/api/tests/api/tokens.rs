//! API tokens: what they allow and what they do not.

use std::time::Duration;

use actix_web::http::Method;
use cardwire_apptest::harness::{Answer, Api};
use cardwire_apptest::people::{PASSWORD, alice, ask_with, join, log_in, new_token};
use serde_json::{Value, json};

const TOKENS: &str = "/api/users/me/tokens";
const SAVE: &str = "/api/cards/library/urls";
const DAY: Duration = Duration::from_secs(86_400);

async fn create(api: &Api, session: &str, body: Value) -> Answer {
    ask_with(api, session, Method::POST, TOKENS, Some(body)).await
}

async fn list(api: &Api, session: &str) -> Vec<Value> {
    let list = ask_with(api, session, Method::GET, TOKENS, None).await.expect(200);
    list["items"].as_array().unwrap().clone()
}

async fn me(api: &Api, token: &str) -> Answer {
    ask_with(api, token, Method::GET, "/api/users/me", None).await
}

#[tokio::test(start_paused = true)]
async fn a_token_is_shown_once_and_listed_without_its_secret() {
    let (api, session) = alice().await;
    let body = json!({ "name": " Backup ", "scope": "read", "expiresInDays": 30 });
    let made = create(&api, &session, body).await.expect(201);
    let secret = made["token"].as_str().unwrap();
    assert!(secret.starts_with("cw_") && secret.len() > 40, "{secret}");
    assert_eq!((&made["name"], &made["scope"]), (&json!("Backup"), &json!("read")));
    assert!(made["expiresAt"].is_string() && made.as_object().unwrap().len() == 5, "{made}");
    tokio::time::advance(Duration::from_secs(1)).await;
    let forever = create(&api, &session, json!({ "name": "Forever", "scope": "write" })).await.expect(201);
    assert!(forever.get("expiresAt").is_none(), "{forever}");

    let tokens = list(&api, &session).await;
    let names: Vec<&Value> = tokens.iter().map(|token| &token["name"]).collect();
    assert_eq!(names, ["Forever", "Backup"], "newest first");
    assert_eq!((&tokens[1]["id"], &tokens[1]["expiresAt"]), (&made["id"], &made["expiresAt"]));
    assert!(tokens[1].get("lastUsedAt").is_none(), "{tokens:?}");
    assert!(!serde_json::to_string(&tokens).unwrap().contains(secret));
    assert_eq!(me(&api, secret).await.expect(200)["handle"], "alice");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_reads_changes_nothing() {
    let (api, session) = alice().await;
    let (read, write) = (new_token(&api, &session, "read").await, new_token(&api, &session, "write").await);
    let save = || Some(json!({ "url": "https://example.com/a" }));
    let made = ask_with(&api, &write, Method::POST, SAVE, save()).await.expect(201);
    let card = format!("/api/cards/{}", made["urlCardId"].as_str().unwrap());
    for path in ["/api/cards/my", &card, "/api/users/me", "/api/users/me/export"] {
        assert_eq!(ask_with(&api, &read, Method::GET, path, None).await.status.as_u16(), 200, "{path}");
    }
    assert_eq!(ask_with(&api, &read, Method::HEAD, "/api/cards/my", None).await.status.as_u16(), 200);
    let before = api.owed().await;
    for (method, path, body) in [
        (Method::POST, SAVE, save()),
        (Method::POST, "/api/collections", Some(json!({ "name": "n" }))),
        (Method::DELETE, &format!("{card}/library"), None),
        (Method::PUT, "/api/users/me", Some(json!({ "bio": "b" }))),
    ] {
        let problem = ask_with(&api, &read, method, path, body).await.expect_problem(403, "forbidden");
        assert!(problem["detail"].as_str().unwrap().contains("read"), "{problem}");
    }
    assert_eq!(api.owed().await, before);
}

#[tokio::test(start_paused = true)]
async fn an_expired_and_a_revoked_token_are_nobodys() {
    let (api, session) = alice().await;
    let body = json!({ "name": "For a day", "scope": "write", "expiresInDays": 1 });
    let short = create(&api, &session, body).await.expect(201);
    tokio::time::advance(Duration::from_secs(1)).await;
    let kept = new_token(&api, &session, "write").await;
    let token = short["token"].as_str().unwrap();
    me(&api, token).await.expect(200);
    tokio::time::advance(DAY).await;
    me(&api, token).await.expect_problem(401, "unauthenticated");
    me(&api, &kept).await.expect(200);
    let save = Some(json!({ "url": "https://example.com/a" }));
    ask_with(&api, token, Method::POST, SAVE, save).await.expect_problem(401, "unauthenticated");

    join(&api, "bob").await;
    let (session, bobs) = (log_in(&api, "alice").await, log_in(&api, "bob").await);
    let listed = list(&api, &session).await;
    assert_eq!(listed.len(), 2, "the expired one is listed");
    let path = format!("{TOKENS}/{}", listed[0]["id"].as_str().unwrap());
    ask_with(&api, &bobs, Method::DELETE, &path, None).await.expect_problem(404, "not-found");
    me(&api, &kept).await.expect(200);
    ask_with(&api, &session, Method::DELETE, &path, None).await.expect(204);
    me(&api, &kept).await.expect_problem(401, "unauthenticated");
    ask_with(&api, &session, Method::DELETE, &path, None).await.expect_problem(404, "not-found");
}

#[tokio::test(start_paused = true)]
async fn no_token_manages_the_account_or_acts_as_an_administrator() {
    let (api, session) = alice().await;
    let token = new_token(&api, &session, "write").await;
    let id = list(&api, &session).await[0]["id"].as_str().unwrap().to_owned();
    ask_with(&api, &session, Method::GET, "/api/admin/queues", None).await.expect(200);
    let password = json!({ "currentPassword": PASSWORD, "newPassword": "another horse battery" });
    for (method, path, body) in [
        (Method::GET, TOKENS, None),
        (Method::POST, TOKENS, Some(json!({ "name": "n", "scope": "write" }))),
        (Method::DELETE, &format!("{TOKENS}/{id}"), None),
        (Method::GET, "/api/users/me/sessions", None),
        (Method::DELETE, "/api/users/me/sessions", None),
        (Method::DELETE, &format!("/api/users/me/sessions/{id}"), None),
        (Method::PUT, "/api/users/me/password", Some(password)),
        (Method::POST, "/api/users/logout", None),
        (Method::GET, "/api/admin/queues", None),
        (Method::POST, "/api/admin/invites", None),
        (Method::GET, "/account/tokens", None),
        (Method::GET, "/account/sessions", None),
        (Method::GET, "/admin", None),
    ] {
        let problem = ask_with(&api, &token, method, path, body).await.expect_problem(403, "forbidden");
        assert!(problem["detail"].as_str().unwrap().contains("token"), "{path}: {problem}");
    }
    assert_eq!(list(&api, &session).await.len(), 1);
    me(&api, &session).await.expect(200);
}

#[tokio::test(start_paused = true)]
async fn what_breaks_a_rule_makes_no_token_and_neither_does_the_fifty_first() {
    let (api, session) = alice().await;
    for (body, field) in [
        (json!({ "name": "", "scope": "read" }), "name"),
        (json!({ "name": "x".repeat(101), "scope": "read" }), "name"),
        (json!({ "scope": "read" }), "name"),
        (json!({ "name": "n" }), "scope"),
        (json!({ "name": "n", "scope": "admin" }), "scope"),
        (json!({ "name": "n", "scope": "read", "expiresInDays": 0 }), "expiresInDays"),
        (json!({ "name": "n", "scope": "read", "expiresInDays": 3_651 }), "expiresInDays"),
        (json!({ "name": "n", "scope": "read", "expiresInDays": -1 }), "expiresInDays"),
        (json!({ "name": "n", "scope": "read", "expiresInDays": 1.5 }), "expiresInDays"),
        (json!({ "name": "n", "scope": "read", "id": "mine" }), "id"),
    ] {
        let problem = create(&api, &session, body.clone()).await.expect_problem(422, "invalid-value");
        assert_eq!(problem["field"], field, "{body}");
        assert!(!problem["detail"].as_str().unwrap().contains("u32"), "{problem}");
    }
    for number in 0..50 {
        let body = json!({ "name": number.to_string(), "scope": "read", "expiresInDays": 1 });
        create(&api, &session, body).await.expect(201);
    }
    create(&api, &session, json!({ "name": "n", "scope": "read" })).await.expect_problem(409, "conflict");
    assert_eq!(list(&api, &session).await.len(), 50);
}

#[tokio::test(start_paused = true)]
async fn people_without_an_account_have_no_tokens() {
    let api = Api::new();
    assert_eq!(list(&api, "did:plc:alice").await, Vec::<Value>::new());
    let body = json!({ "name": "n", "scope": "read" });
    create(&api, "did:plc:alice", body).await.expect_problem(403, "forbidden");
}
