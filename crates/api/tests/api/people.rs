//! What administrators do about other people's accounts.

use std::time::Duration;

use actix_web::http::Method;
use cardwire_apptest::harness::{Answer, Api};
use cardwire_apptest::people::{PASSWORD, ask_with, join, log_in, log_in_with, new_token, status, with_accounts};
use serde_json::{Value, json};

async fn act(api: &Api, session: &str, id: &str, act: &str) -> Answer {
    ask_with(api, session, Method::POST, &format!("/api/admin/users/{id}/{act}"), None).await
}

/// Alice, who is an administrator, with a session, and the ids of both.
async fn alice_and_bob() -> (Api, String, [String; 2]) {
    let api = with_accounts();
    let ids = [join(&api, "alice").await, join(&api, "bob").await];
    let session = log_in(&api, "alice").await;
    (api, session, ids)
}

/// The actions, oldest first, and the people affected.
async fn done(api: &Api, session: &str) -> Vec<(String, Value)> {
    let log = ask_with(api, session, Method::GET, "/api/admin/audit", None).await.expect(200);
    let entries = log["items"].as_array().unwrap().iter().rev();
    entries.map(|entry| (entry["action"].as_str().unwrap().to_owned(), entry["target"].clone())).collect()
}

#[tokio::test(start_paused = true)]
async fn a_suspended_person_is_out_at_once_and_what_they_published_stays() {
    let (api, alice, [_, bob]) = alice_and_bob().await;
    let session = log_in(&api, "bob").await;
    let token = new_token(&api, &session, "read").await;
    let body = json!({ "url": "https://example.com/a" });
    let saved = ask_with(&api, &session, Method::POST, "/api/cards/library/urls", Some(body)).await.expect(201);
    assert_eq!(act(&api, &alice, &bob, "suspend").await.expect(204), Value::Null);
    assert_eq!((status(&api, &session).await, status(&api, &token).await), (401, 401));
    let problem = log_in_with(&api, "bob", PASSWORD).await.expect_problem(403, "forbidden");
    assert!(problem["detail"].as_str().unwrap().contains("suspended"), "{problem}");
    // Without the right password, the answer does not say that the account is suspended.
    log_in_with(&api, "bob", "a wrong password").await.expect_problem(401, "unauthenticated");
    let card = format!("/api/cards/{}", saved["urlCardId"].as_str().unwrap());
    api.get(&card).await.expect(200);

    act(&api, &alice, &bob, "suspend").await.expect(204);
    act(&api, &alice, &bob, "restore").await.expect(204);
    act(&api, &alice, &bob, "restore").await.expect(204);
    assert_eq!((status(&api, &session).await, status(&api, &token).await), (401, 401), "what has ended stays so");
    log_in_with(&api, "bob", PASSWORD).await.expect(200);
    let done = done(&api, &alice).await;
    assert!(done.iter().any(|(action, target)| action.contains("suspend") && *target == bob.as_str()), "{done:?}");
    assert!(done.iter().any(|(action, target)| action.contains("restore") && *target == bob.as_str()), "{done:?}");
}

#[tokio::test(start_paused = true)]
async fn nobody_suspends_themselves_or_somebody_who_is_not_here() {
    let (api, alice, [own, _]) = alice_and_bob().await;
    act(&api, &alice, &own, "suspend").await.expect_problem(403, "forbidden");
    assert_eq!(status(&api, &alice).await, 200);
    for id in ["did:plc:nobody", "nonsense", "bob"] {
        for name in ["suspend", "restore", "reset-password"] {
            act(&api, &alice, id, name).await.expect_problem(404, "not-found");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_reset_link_is_for_a_day_and_in_the_audit_log_without_its_token() {
    let (api, alice, [_, bob]) = alice_and_bob().await;
    let session = log_in(&api, "bob").await;
    let link = act(&api, &alice, &bob, "reset-password").await.expect(200);
    assert!(link["expiresAt"].is_string() && link.as_object().unwrap().len() == 2, "{link}");
    let (_, token) = link["url"].as_str().unwrap().split_once("/reset-password?token=").unwrap();
    assert_eq!(status(&api, &session).await, 200, "nothing ends before it is used");
    let log = ask_with(&api, &alice, Method::GET, "/api/admin/audit", None).await.expect(200);
    assert!(log.to_string().contains(&bob) && !log.to_string().contains(token), "{log}");

    let accounts = &api.state.accounts;
    assert!(accounts.reset_link_works(token).await.unwrap());
    tokio::time::advance(Duration::from_secs(86_400)).await;
    assert!(!accounts.reset_link_works(token).await.unwrap());
    assert!(accounts.reset_password(token, "another horse battery".into()).await.is_err());
    log_in_with(&api, "bob", PASSWORD).await.expect(200);
}
