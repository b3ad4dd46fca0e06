//! Where people are signed in, and signing out elsewhere.

use std::time::Duration;

use actix_web::http::Method;
use actix_web::test::TestRequest;
use cardwire_apptest::harness::{Answer, Api};
use cardwire_apptest::people::{PASSWORD, ask_with, join, log_in, new_token, status, with_accounts};
use serde_json::{Value, json};

const SESSIONS: &str = "/api/users/me/sessions";
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

/// Signs in with this `User-Agent`.
async fn log_in_as(api: &Api, handle: &str, agent: &str) -> (String, String) {
    let request = TestRequest::post().uri("/api/users/login").insert_header(("user-agent", agent));
    let session = api.send(request.set_json(json!({ "handle": handle, "password": PASSWORD }))).await.expect(200);
    let token = |name: &str| session[name].as_str().unwrap().to_owned();
    (token("accessToken"), token("refreshToken"))
}

async fn list(api: &Api, token: &str) -> Vec<Value> {
    let list = ask_with(api, token, Method::GET, SESSIONS, None).await.expect(200);
    list["items"].as_array().unwrap().clone()
}

async fn end(api: &Api, token: &str, id: &Value) -> Answer {
    let path = format!("{SESSIONS}/{}", id.as_str().unwrap());
    ask_with(api, token, Method::DELETE, &path, None).await
}

#[tokio::test(start_paused = true)]
async fn sessions_are_listed_with_what_signed_in() {
    let api = with_accounts();
    join(&api, "alice").await;
    let (browser, _) = log_in_as(&api, "alice", FIREFOX).await;
    tokio::time::advance(Duration::from_secs(60)).await;
    let (program, _) = log_in_as(&api, "alice", "").await;
    let sessions = list(&api, &browser).await;
    assert_eq!(sessions.len(), 2);
    let current: Vec<&Value> = sessions.iter().filter(|session| session["current"] == true).collect();
    assert_eq!(current.len(), 1);
    assert_eq!(current[0]["client"], "Firefox on Linux");
    assert_eq!(current[0].as_object().unwrap().len(), 5, "{current:?}");
    let ids = |sessions: &[Value]| sessions.iter().map(|one| one["id"].to_string()).collect::<Vec<_>>();
    let seen = list(&api, &program).await;
    assert_eq!(ids(&seen), ids(&sessions), "any session may ask");
    let shown = serde_json::to_string(&sessions).unwrap();
    assert!(!shown.contains(&browser) && !shown.contains(&program), "no token is shown");
}

#[tokio::test(start_paused = true)]
async fn a_stolen_session_is_ended_by_its_owner() {
    let api = with_accounts();
    join(&api, "alice").await;
    join(&api, "bob").await;
    let (own, bobs) = (log_in(&api, "alice").await, log_in(&api, "bob").await);
    let (stolen, refresh) = log_in_as(&api, "alice", "curl/8").await;
    let sessions = list(&api, &own).await;
    let other = sessions.iter().find(|session| session["current"] == false).unwrap();
    end(&api, &bobs, &other["id"]).await.expect_problem(404, "not-found");
    end(&api, &own, &json!("nonsense")).await.expect_problem(404, "not-found");
    assert_eq!(status(&api, &stolen).await, 200);
    assert_eq!(end(&api, &own, &other["id"]).await.expect(204), Value::Null);
    assert_eq!((status(&api, &stolen).await, status(&api, &own).await), (401, 200));
    let refreshed = TestRequest::post().uri("/api/users/oauth/refresh").set_json(json!({ "refreshToken": refresh }));
    api.send(refreshed).await.expect_problem(401, "unauthenticated");
    end(&api, &own, &other["id"]).await.expect_problem(404, "not-found");
}

#[tokio::test(start_paused = true)]
async fn signing_out_everywhere_else_keeps_the_session_that_asks_and_the_tokens() {
    let api = with_accounts();
    join(&api, "alice").await;
    join(&api, "bob").await;
    let (own, bobs) = (log_in(&api, "alice").await, log_in(&api, "bob").await);
    let others = [log_in(&api, "alice").await, log_in(&api, "alice").await];
    let token = new_token(&api, &own, "read").await;
    ask_with(&api, &own, Method::DELETE, SESSIONS, None).await.expect(204);
    for other in &others {
        assert_eq!(status(&api, other).await, 401);
    }
    for kept in [&own, &bobs, &token] {
        assert_eq!(status(&api, kept).await, 200);
    }
    assert_eq!(list(&api, &own).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn people_without_an_account_have_no_sessions() {
    let api = Api::new();
    assert_eq!(list(&api, "did:plc:alice").await, Vec::<Value>::new());
    api.ask("alice", Method::DELETE, SESSIONS, None).await.expect(204);
}
