//! How often a password may be tried, and an account created.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::HeaderName;
use actix_web::test::TestRequest;
use cardwire_apptest::harness::{Answer, Api};
use cardwire_http::AccountSettings;
use parking_lot::Mutex;
use serde_json::json;

use crate::accounts::{Counting, PASSWORD, api_with, log_in, post, settings, sign_up};

async fn log_in_from(api: &Api, handle: &str, peer: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = post("/api/users/login", &json!({ "handle": handle, "password": "wrong password" }));
    for header in headers {
        request = request.insert_header(*header);
    }
    api.send(request.peer_addr(SocketAddr::new(peer.parse().unwrap(), 4_711))).await
}

async fn log_in_right(api: &Api, handle: &str, peer: &str) -> Answer {
    let request = post("/api/users/login", &json!({ "handle": handle, "password": PASSWORD }));
    api.send(request.peer_addr(SocketAddr::new(peer.parse().unwrap(), 4_711))).await
}

#[tokio::test(start_paused = true)]
async fn wrong_passwords_from_everywhere_keep_the_owner_out_of_no_network() {
    let api = api_with(settings(), Arc::new(Counting::default()));
    sign_up(&api, "alice").await;
    log_in_right(&api, "alice", "10.0.0.1").await.expect(200);
    for last in 0..50 {
        log_in_from(&api, "alice", &format!("10.1.0.{last}"), &[]).await.expect_problem(401, "unauthenticated");
    }
    // That is the limit for all new networks together. Now each has its own three tries.
    for _ in 0..3 {
        log_in_from(&api, "alice", "10.1.0.50", &[]).await.expect_problem(401, "unauthenticated");
    }
    let refused = log_in_from(&api, "ALICE", "10.1.0.50", &[]).await;
    assert_eq!(refused.header("retry-after"), "120");
    refused.expect_problem(429, "too-many-requests");
    log_in_right(&api, "alice", "10.1.0.50").await.expect_problem(429, "too-many-requests");
    for network in ["10.0.0.1", "10.1.0.51", "2001:db8::1"] {
        log_in_right(&api, "alice", network).await.expect(200);
    }
    // Nobody else waits, and refused attempts do not extend the wait.
    log_in_from(&api, "bob", "10.1.0.50", &[]).await.expect_problem(401, "unauthenticated");
    tokio::time::advance(Duration::from_secs(120)).await;
    log_in_right(&api, "alice", "10.1.0.50").await.expect(200);
}

#[tokio::test(start_paused = true)]
async fn right_passwords_are_not_counted_and_make_no_failure_forgotten() {
    let api = api_with(settings(), Arc::new(Counting::default()));
    sign_up(&api, "alice").await;
    for _ in 0..9 {
        log_in_from(&api, "alice", "10.0.0.1", &[]).await.expect_problem(401, "unauthenticated");
    }
    for _ in 0..100 {
        log_in_right(&api, "alice", "10.0.0.1").await.expect(200);
    }
    log_in_from(&api, "alice", "10.0.0.1", &[]).await.expect_problem(401, "unauthenticated");
    log_in_from(&api, "alice", "10.0.0.1", &[]).await.expect_problem(429, "too-many-requests");
}

#[tokio::test(start_paused = true)]
async fn sign_ups_that_fail_are_limited_by_network() {
    let api = api_with(settings(), Arc::new(Counting::default()));
    sign_up(&api, "alice").await;
    let try_from = async |address: [u8; 4], handle: &str| {
        let request = post("/api/users", &json!({ "handle": handle, "password": PASSWORD }));
        api.send(request.peer_addr(SocketAddr::from((address, 4_711)))).await
    };
    let (own, other) = ([10, 0, 0, 1], [10, 0, 0, 2]);
    for _ in 0..60 {
        try_from(own, "alice").await.expect_problem(409, "conflict");
    }
    let refused = try_from(own, "bob").await;
    assert_eq!(refused.header("retry-after"), "1");
    refused.expect_problem(429, "too-many-requests");
    try_from(other, "bob").await.expect(201);
    tokio::time::advance(Duration::from_secs(1)).await;
    try_from(own, "carol").await.expect(201);
}

#[tokio::test(start_paused = true)]
async fn ten_wrong_passwords_from_one_network_then_one_in_ten_minutes() {
    let api = api_with(settings(), Arc::new(Counting::default()));
    sign_up(&api, "alice").await;
    for last in 1..=10 {
        let address = format!("2001:db8:1:2::{last}");
        log_in_from(&api, "alice", &address, &[]).await.expect_problem(401, "unauthenticated");
        log_in_right(&api, "alice", "2001:db8:1:3::1").await.expect(200);
    }
    // What the client says about itself does not count.
    let elsewhere = [("x-forwarded-for", "10.9.9.9"), ("forwarded", "for=10.9.9.9"), ("fly-client-ip", "10.9.9.9")];
    let refused = log_in_from(&api, "alice", "2001:db8:1:2::11", &elsewhere).await;
    assert_eq!(refused.header("retry-after"), "600");
    refused.expect_problem(429, "too-many-requests");
}

#[tokio::test(start_paused = true)]
async fn behind_a_proxy_on_this_machine_the_handle_counts() {
    let api = api_with(settings(), Arc::new(Counting::default()));
    for peer in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
        for number in 0..21 {
            let handle = format!("other{number}-{}", peer.len());
            log_in_from(&api, &handle, peer, &[]).await.expect_problem(401, "unauthenticated");
        }
    }
    for _ in 0..50 {
        log_in_from(&api, "alice", "127.0.0.1", &[]).await.expect_problem(401, "unauthenticated");
    }
    log_in_from(&api, "alice", "127.0.0.1", &[]).await.expect_problem(429, "too-many-requests");
    for _ in 0..20 {
        log_in_from(&api, "no handle!", "127.0.0.1", &[]).await.expect_problem(401, "unauthenticated");
    }
    log_in_from(&api, "nor this!", "127.0.0.1", &[]).await.expect_problem(429, "too-many-requests");
    let sign_up = |number: u32| {
        let account = json!({ "handle": format!("new{number}"), "password": PASSWORD });
        api.send(post("/api/users", &account).peer_addr(SocketAddr::from(([127, 0, 0, 1], 4_711))))
    };
    for number in 0..60 {
        sign_up(number).await.expect(201);
    }
    sign_up(60).await.expect_problem(429, "too-many-requests");
}

#[tokio::test(start_paused = true)]
async fn behind_a_proxy_its_word_for_the_address_counts() {
    let settings = AccountSettings { address_header: Some(HeaderName::from_static("fly-client-ip")), ..settings() };
    let api = api_with(settings, Arc::new(Counting::default()));
    let from = async |handle: &str, client: &str| {
        log_in_from(&api, handle, "172.16.0.1", &[("fly-client-ip", client)]).await.status.as_u16()
    };
    for number in 0..20 {
        assert_eq!(from(&format!("person{number}"), "203.0.113.1").await, 401);
        assert_eq!(from(&format!("person{number}"), "no address").await, 401);
    }
    assert_eq!(from("bob", "203.0.113.1").await, 429);
    assert_eq!(from("bob", "203.0.113.2").await, 401);
    assert_eq!(from("erin", "").await, 429, "all without an address share one");
    let local = log_in_from(&api, "frank", "127.0.0.1", &[("fly-client-ip", "203.0.113.9, 203.0.113.10")]).await;
    local.expect_problem(429, "too-many-requests");
}

/// What is logged while a test runs on this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn failed_sign_ins_are_logged_with_address_and_handle_but_never_a_password() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let api = api_with(settings(), Arc::new(Counting::default()));
    sign_up(&api, "alice").await;
    log_in_right(&api, "alice", "10.0.0.1").await.expect(200);
    let told = || String::from_utf8(std::mem::take(&mut *log.0.lock())).unwrap();
    assert!(!told().contains("a sign-in failed"));
    for _ in 0..10 {
        log_in_from(&api, "Alice", "10.0.0.7", &[]).await.expect_problem(401, "unauthenticated");
    }
    let failed = told();
    assert_eq!(failed.matches("a sign-in failed").count(), 10, "{failed}");
    assert!(failed.contains("address=10.0.0.7") && failed.contains("handle=\"alice\""), "{failed}");
    log_in_from(&api, "alice", "10.0.0.7", &[]).await.expect_problem(429, "too-many-requests");
    log_in_from(&api, "my Secret 7!", "10.0.0.8", &[]).await.expect_problem(401, "unauthenticated");
    let rest = told();
    assert!(rest.contains("too many failed before it") && rest.contains("address=10.0.0.8"), "{rest}");
    let (access, _) = log_in(&api, "alice").await;
    let body = json!({ "currentPassword": "wrong password", "newPassword": "my Secret 7!" });
    let change = TestRequest::put().uri("/api/users/me/password").set_json(body);
    let change = change.insert_header(("authorization", format!("Bearer {access}")));
    api.send(change).await.expect_problem(422, "invalid-value");
    let confirmed = told();
    assert!(confirmed.contains("a current password was wrong"), "{confirmed}");
    assert!(!confirmed.contains("a sign-in failed"), "{confirmed}");
    for text in [failed, rest, confirmed] {
        assert!(!text.contains("wrong password\"") && !text.contains("Secret"), "{text}");
    }
}
