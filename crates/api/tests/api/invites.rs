//! Who can sign up: the first person, people with an invite, everybody, or nobody.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::test::TestRequest;
use cardwire_apptest::harness::{Answer, Api};
use cardwire_apptest::people::{PASSWORD, ask_with, join, log_in, set_registration, with_registration};
use cardwire_domain::accounts::Registration;
use cardwire_http::Reads;
use futures_util::future::join_all;
use serde_json::{Value, json};

const INVITES: &str = "/api/admin/invites";

async fn sign_up(api: &Api, handle: &str, invite: Option<&str>) -> Answer {
    let mut body = json!({ "handle": handle, "password": PASSWORD });
    if let Some(invite) = invite {
        body["invite"] = json!(invite);
    }
    api.send(TestRequest::post().uri("/api/users").set_json(body)).await
}

async fn invite(api: &Api, session: &str) -> String {
    let invite = ask_with(api, session, Method::POST, INVITES, None).await.expect(201);
    invite["code"].as_str().unwrap().to_owned()
}

async fn is_admin(api: &Api, handle: &str) -> bool {
    let session = log_in(api, handle).await;
    let me = ask_with(api, &session, Method::GET, "/api/users/me", None).await.expect(200);
    me["admin"].as_bool().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_new_site_lets_its_first_person_in_and_then_only_those_who_are_invited() {
    let api = with_registration(Registration::Invite);
    sign_up(&api, "alice", None).await.expect(201);
    assert!(is_admin(&api, "alice").await);
    for invite in [None, Some(""), Some("nonsense")] {
        let problem = sign_up(&api, "bob", invite).await.expect_problem(403, "forbidden");
        assert!(problem["detail"].as_str().unwrap().contains("invit"), "{problem}");
    }
    let alice = log_in(&api, "alice").await;
    let made = ask_with(&api, &alice, Method::POST, INVITES, None).await.expect(201);
    let code = made["code"].as_str().unwrap();
    assert!(made["expiresAt"].is_string() && made.as_object().unwrap().len() == 3, "{made}");
    assert!(made["url"].as_str().unwrap().ends_with(&format!("/sign-up?invite={code}")), "{made}");
    sign_up(&api, "bob", Some(code)).await.expect(201);
    assert!(!is_admin(&api, "bob").await);
    sign_up(&api, "carol", Some(code)).await.expect_problem(403, "forbidden");
    let code = invite(&api, &alice).await;
    sign_up(&api, "carol", Some(&code)).await.expect(201);
    let bob = log_in(&api, "bob").await;
    ask_with(&api, &bob, Method::POST, INVITES, None).await.expect_problem(403, "forbidden");
}

#[tokio::test(start_paused = true)]
async fn of_several_who_are_first_at_once_one_is_let_in() {
    let api = with_registration(Registration::Closed);
    let handles: Vec<String> = (0..4).map(|number| format!("person{number}")).collect();
    let answers = join_all(handles.iter().map(|handle| sign_up(&api, handle, None))).await;
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 403, 403, 403]);
}

#[tokio::test(start_paused = true)]
async fn an_invite_lasts_seven_days_and_is_not_used_up_by_a_sign_up_that_failed() {
    let api = with_registration(Registration::Invite);
    sign_up(&api, "alice", None).await.expect(201);
    let alice = log_in(&api, "alice").await;
    let (kept, late) = (invite(&api, &alice).await, invite(&api, &alice).await);
    sign_up(&api, "Alice", Some(&kept)).await.expect_problem(409, "conflict");
    sign_up(&api, "x", Some(&kept)).await.expect_problem(422, "invalid-value");
    sign_up(&api, "bob", Some(&kept)).await.expect(201);
    tokio::time::advance(Duration::from_secs(7 * 86_400)).await;
    sign_up(&api, "carol", Some(&late)).await.expect_problem(403, "forbidden");
}

#[tokio::test(start_paused = true)]
async fn wrong_invites_are_limited_by_network() {
    let mut api = with_registration(Registration::Invite);
    api.state.reads = Reads::per_second(NonZeroU32::new(2));
    sign_up(&api, "alice", None).await.expect(201);
    let guess_from = async |address: [u8; 4]| {
        let body = json!({ "handle": "bob", "password": PASSWORD, "invite": "a guess" });
        let request = TestRequest::post().uri("/api/users").set_json(body);
        api.send(request.peer_addr(SocketAddr::from((address, 4_711)))).await
    };
    for _ in 0..20 {
        guess_from([10, 0, 0, 1]).await.expect_problem(403, "forbidden");
    }
    let refused = guess_from([10, 0, 0, 1]).await;
    assert_eq!(refused.header("retry-after"), "1");
    refused.expect_problem(429, "too-many-requests");
    guess_from([10, 0, 0, 2]).await.expect_problem(403, "forbidden");
}

#[tokio::test(start_paused = true)]
async fn two_people_cannot_use_one_invite_at_once() {
    let api = with_registration(Registration::Invite);
    sign_up(&api, "alice", None).await.expect(201);
    let alice = log_in(&api, "alice").await;
    let code = invite(&api, &alice).await;
    let answers = join_all(["bob", "carol"].map(|handle| sign_up(&api, handle, Some(&code)))).await;
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 403]);
}

#[tokio::test(start_paused = true)]
async fn where_registration_is_closed_nobody_is_invited_or_let_in() {
    let api = with_registration(Registration::Closed);
    sign_up(&api, "alice", None).await.expect(201);
    let alice = log_in(&api, "alice").await;
    let problem = ask_with(&api, &alice, Method::POST, INVITES, None).await.expect_problem(409, "conflict");
    assert!(problem["detail"].as_str().unwrap().contains("Registration is closed"), "{problem}");
    for invite in [None, Some("nonsense")] {
        let problem = sign_up(&api, "bob", invite).await.expect_problem(403, "forbidden");
        assert!(problem["detail"].as_str().unwrap().contains("closed"), "{problem}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_invite_counts_for_nothing_while_registration_is_closed_and_is_not_used_up() {
    let mut api = with_registration(Registration::Invite);
    sign_up(&api, "alice", None).await.expect(201);
    let alice = log_in(&api, "alice").await;
    let code = invite(&api, &alice).await;
    set_registration(&mut api, Registration::Closed);
    let problem = sign_up(&api, "bob", Some(&code)).await.expect_problem(403, "forbidden");
    assert!(problem["detail"].as_str().unwrap().contains("closed"), "{problem}");
    set_registration(&mut api, Registration::Invite);
    sign_up(&api, "bob", Some(&code)).await.expect(201);
}

#[tokio::test(start_paused = true)]
async fn where_registration_is_open_an_invite_is_not_needed() {
    let api = with_registration(Registration::Open);
    for handle in ["alice", "bob"] {
        join(&api, handle).await;
    }
    assert!(is_admin(&api, "alice").await && !is_admin(&api, "bob").await);
    sign_up(&api, "carol", Some("nonsense")).await.expect(201);
}

#[tokio::test(start_paused = true)]
async fn an_invite_is_in_the_audit_log_without_its_code() {
    let api = with_registration(Registration::Invite);
    let id = sign_up(&api, "alice", None).await.expect(201)["id"].clone();
    let alice = log_in(&api, "alice").await;
    let code = invite(&api, &alice).await;
    let log = ask_with(&api, &alice, Method::GET, "/api/admin/audit", None).await.expect(200);
    let entries: &Vec<Value> = log["items"].as_array().unwrap();
    assert_eq!(entries.len(), 1, "{log}");
    assert_eq!(entries[0]["by"], id);
    assert!(entries[0]["completedAt"].is_string() && !log.to_string().contains(&code), "{log}");
}
