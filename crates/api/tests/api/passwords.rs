//! Changing a password, and what ends with it.

use actix_web::http::Method;
use cardwire_apptest::harness::{Answer, Api};
use cardwire_apptest::people::{PASSWORD, ask_with, join, log_in, log_in_with, new_token, status, with_accounts};
use serde_json::{Value, json};

const NEW: &str = "a new horse and a new staple";

async fn change(api: &Api, token: &str, current: &str, new: &str) -> Answer {
    let body = json!({ "currentPassword": current, "newPassword": new });
    ask_with(api, token, Method::PUT, "/api/users/me/password", Some(body)).await
}

#[tokio::test(start_paused = true)]
async fn a_new_password_ends_every_other_session_and_every_token() {
    let api = with_accounts();
    join(&api, "alice").await;
    join(&api, "bob").await;
    let (own, stolen, bobs) = (log_in(&api, "alice").await, log_in(&api, "alice").await, log_in(&api, "bob").await);
    let (token, bobs_token) = (new_token(&api, &own, "write").await, new_token(&api, &bobs, "read").await);
    assert_eq!(change(&api, &own, PASSWORD, NEW).await.expect(204), Value::Null);
    for (token, expected) in [(&own, 200), (&stolen, 401), (&token, 401), (&bobs, 200), (&bobs_token, 200)] {
        assert_eq!(status(&api, token).await, expected);
    }
    log_in_with(&api, "alice", PASSWORD).await.expect_problem(401, "unauthenticated");
    log_in_with(&api, "alice", NEW).await.expect(200);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_current_password_changes_nothing_and_is_limited_in_each_session() {
    let api = with_accounts();
    join(&api, "alice").await;
    let (own, other) = (log_in(&api, "alice").await, log_in(&api, "alice").await);
    for _ in 0..10 {
        let problem = change(&api, &own, "a wrong password", NEW).await.expect_problem(422, "invalid-value");
        assert_eq!(problem["field"], "currentPassword");
        assert_eq!(problem["detail"], "That is not your current password.");
        assert!(!problem.to_string().contains("a wrong password"), "{problem}");
    }
    let refused = change(&api, &own, PASSWORD, NEW).await;
    assert_eq!(refused.header("retry-after"), "600");
    assert_eq!(refused.expect_problem(429, "too-many-requests")["detail"], "Too many wrong passwords.");
    assert_eq!((status(&api, &own).await, status(&api, &other).await), (200, 200));
    log_in_with(&api, "alice", PASSWORD).await.expect(200);
    tokio::time::advance(std::time::Duration::from_secs(600)).await;
    change(&api, &own, PASSWORD, NEW).await.expect(204);
}

#[tokio::test(start_paused = true)]
async fn nobody_elses_failures_keep_a_signed_in_person_from_changing_their_password() {
    let api = with_accounts();
    join(&api, "alice").await;
    let (own, stolen) = (log_in(&api, "alice").await, log_in(&api, "alice").await);
    for _ in 0..10 {
        // A neighbour behind the same address, and a thief.
        log_in_with(&api, "alice", "a wrong password").await.expect_problem(401, "unauthenticated");
        change(&api, &stolen, "a wrong password", NEW).await.expect_problem(422, "invalid-value");
    }
    log_in_with(&api, "alice", PASSWORD).await.expect_problem(429, "too-many-requests");
    change(&api, &stolen, PASSWORD, NEW).await.expect_problem(429, "too-many-requests");
    change(&api, &own, PASSWORD, NEW).await.expect(204);
    assert_eq!(status(&api, &stolen).await, 401);
}

#[tokio::test(start_paused = true)]
async fn a_new_password_must_be_one_that_a_new_account_could_have() {
    let api = with_accounts();
    join(&api, "alice").await;
    let own = log_in(&api, "alice").await;
    for bad in ["short", "password1", &"x".repeat(257), "with a \0 in it"] {
        let problem = change(&api, &own, PASSWORD, bad).await.expect_problem(422, "invalid-value");
        assert_eq!(problem["field"], "newPassword", "{bad:?}");
    }
    for (body, field) in [
        (json!({ "newPassword": NEW }), "currentPassword"),
        (json!({ "currentPassword": PASSWORD }), "newPassword"),
        (json!({ "currentPassword": PASSWORD, "newPassword": NEW, "handle": "bob" }), "handle"),
    ] {
        let refused = ask_with(&api, &own, Method::PUT, "/api/users/me/password", Some(body)).await;
        assert_eq!(refused.expect_problem(422, "invalid-value")["field"], field);
    }
    log_in_with(&api, "alice", PASSWORD).await.expect(200);
}

#[tokio::test(start_paused = true)]
async fn people_without_an_account_have_no_password() {
    let api = Api::new();
    let body = json!({ "currentPassword": PASSWORD, "newPassword": NEW });
    api.ask("alice", Method::PUT, "/api/users/me/password", Some(body)).await.expect_problem(403, "forbidden");
}
