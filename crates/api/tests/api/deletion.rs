//! Deleting one's account.

use actix_web::http::Method;
use actix_web::test::TestRequest;
use cardwire_apptest::browser::Browser;
use cardwire_apptest::harness::{Answer, Api};
use cardwire_apptest::people::{
    PASSWORD, ask_with, join, log_in, log_in_with, new_token, set_registration, with_accounts,
};
use cardwire_domain::accounts::{AccountRepository as _, Registration};
use cardwire_domain::use_cases::{Parting, let_cards_go, let_person_go};
use serde_json::json;

async fn delete(api: &Api, token: &str, password: &str) -> Answer {
    ask_with(api, token, Method::DELETE, "/api/users/me", Some(json!({ "password": password }))).await
}

/// Runs the rounds of a process.
async fn let_leave(api: &Api) {
    loop {
        match let_person_go(&api.store, 100).await.unwrap() {
            Parting::Nobody => return,
            Parting::Further => {}
            Parting::Waits => {
                while let_cards_go(&api.store, 100).await.unwrap() {}
                api.deliver().await;
            }
            waits @ Parting::WaitsForDead { .. } => panic!("{waits:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_deleted_account_is_gone_with_all_that_it_kept() {
    let api = with_accounts();
    join(&api, "alice").await;
    join(&api, "bob").await;
    let (alice, bob) = (log_in(&api, "alice").await, log_in(&api, "bob").await);
    let token = new_token(&api, &alice, "read").await;
    let save = |token: String| {
        let body = json!({ "url": "https://example.com/" });
        let api = &api;
        async move { ask_with(api, &token, Method::POST, "/api/cards/library/urls", Some(body)).await.expect(201) }
    };
    let card = save(alice.clone()).await["urlCardId"].as_str().unwrap().to_owned();
    save(bob.clone()).await;
    api.deliver().await;
    assert_eq!(api.get("/api/feeds/global").await.expect(200)["items"].as_array().unwrap().len(), 2);

    delete(&api, &alice, PASSWORD).await.expect(202);
    for credential in [&alice, &token] {
        ask_with(&api, credential, Method::GET, "/api/users/me", None).await.expect_problem(401, "unauthenticated");
    }
    log_in_with(&api, "alice", PASSWORD).await.expect_problem(401, "unauthenticated");
    let again = json!({ "handle": "alice", "password": PASSWORD });
    let sign_up = || ask_with(&api, &bob, Method::POST, "/api/users", Some(again.clone()));
    sign_up().await.expect_problem(409, "conflict");

    let_leave(&api).await;
    assert_eq!(api.get("/api/feeds/global").await.expect(200)["items"].as_array().unwrap().len(), 1);
    ask_with(&api, &bob, Method::GET, &format!("/api/cards/{card}"), None).await.expect_problem(404, "not-found");
    sign_up().await.expect(201);
    ask_with(&api, &bob, Method::GET, "/api/users/me", None).await.expect(200);
}

#[tokio::test(start_paused = true)]
async fn after_the_last_account_is_deleted_the_next_person_is_no_administrator() {
    let mut api = with_accounts();
    join(&api, "alice").await;
    let alice = log_in(&api, "alice").await;
    delete(&api, &alice, PASSWORD).await.expect(202);
    let_leave(&api).await;
    let body = json!({ "handle": "bob", "password": PASSWORD });
    let sign_up = async |api: &Api| api.send(TestRequest::post().uri("/api/users").set_json(body.clone())).await;
    for registration in [Registration::Invite, Registration::Closed] {
        set_registration(&mut api, registration);
        sign_up(&api).await.expect_problem(403, "forbidden");
        let mut bob = Browser::new(&api);
        bob.open("/sign-up").await;
        assert!(!bob.text(".told").contains("becomes the administrator"), "{}", bob.text(".told"));
    }
    set_registration(&mut api, Registration::Open);
    sign_up(&api).await.expect(201);
    let bob = log_in(&api, "bob").await;
    let me = ask_with(&api, &bob, Method::GET, "/api/users/me", None).await.expect(200);
    assert_eq!(me["admin"], false);
    let id = api.state.accounts.person("bob").await.unwrap().unwrap();
    assert!(api.store.make_admin(&id).await.unwrap());
    let me = ask_with(&api, &bob, Method::GET, "/api/users/me", None).await.expect(200);
    assert_eq!(me["admin"], true);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_password_deletes_nothing_and_is_limited() {
    let api = with_accounts();
    join(&api, "alice").await;
    let alice = log_in(&api, "alice").await;
    for _ in 0..10 {
        let problem = delete(&api, &alice, "a wrong password").await.expect_problem(422, "invalid-value");
        assert_eq!(problem["field"], "password");
        assert_eq!(problem["detail"], "That is not your current password.");
    }
    let refused = delete(&api, &alice, PASSWORD).await.expect_problem(429, "too-many-requests");
    assert_eq!(refused["detail"], "Too many wrong passwords.");
    ask_with(&api, &alice, Method::GET, "/api/users/me", None).await.expect(200);
    for (body, field) in [(json!({}), "password"), (json!({ "password": PASSWORD, "sure": true }), "sure")] {
        let refused = ask_with(&api, &alice, Method::DELETE, "/api/users/me", Some(body)).await;
        assert_eq!(refused.expect_problem(422, "invalid-value")["field"], field);
    }
}

#[tokio::test(start_paused = true)]
async fn api_tokens_and_people_without_an_account_delete_none() {
    let api = with_accounts();
    join(&api, "alice").await;
    let token = new_token(&api, &log_in(&api, "alice").await, "write").await;
    delete(&api, &token, PASSWORD).await.expect_problem(403, "forbidden");
    log_in_with(&api, "alice", PASSWORD).await.expect(200);
    let mock = Api::new();
    let body = json!({ "password": PASSWORD });
    let problem = mock.ask("alice", Method::DELETE, "/api/users/me", Some(body)).await.expect_problem(403, "forbidden");
    assert!(problem["detail"].as_str().unwrap().contains("no account"), "{problem}");
}
