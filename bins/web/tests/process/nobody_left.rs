//! A site whose only account was deleted is opened again from the command line.

use std::collections::BTreeMap;
use std::time::Duration;

use cardwire_testkit::net::http_client;
use cardwire_testkit::process::Process;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

const PASSWORD: &str = "a battery staple, correctly";

async fn sign_up(web: &Process) -> u16 {
    let body = json!({ "handle": "alice", "password": PASSWORD });
    http_client().post(web.url("/api/users")).json(&body).send().await.unwrap().status().as_u16()
}

async fn sign_in(web: &Process) -> String {
    let body = json!({ "handle": "alice", "password": PASSWORD });
    let answer = http_client().post(web.url("/api/users/login")).json(&body).send().await.unwrap();
    answer.json::<Value>().await.unwrap()["accessToken"].as_str().unwrap().to_owned()
}

async fn is_admin(web: &Process, token: &str) -> bool {
    let me = http_client().get(web.url("/api/users/me")).bearer_auth(token).send().await.unwrap();
    me.json::<Value>().await.unwrap()["admin"].as_bool().unwrap()
}

async fn start(environment: &BTreeMap<String, String>) -> Process {
    let mut web = Process::start("web", environment);
    web.ready().await;
    web
}

async fn stop(mut web: Process) {
    web.signal(Signal::SIGTERM);
    assert_eq!(web.ended().await.code(), Some(0), "{}", web.log());
}

#[tokio::test]
async fn when_nobody_is_left_the_next_person_is_made_an_administrator_on_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let environment: BTreeMap<String, String> = [
        ("APP_ENV", "development".to_owned()),
        ("DATABASE_URL", format!("sqlite:{}", folder.path().join("cardwire.db").display())),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    let web = start(&environment).await;
    assert_eq!(sign_up(&web).await, 201);
    let first = sign_in(&web).await;
    assert!(is_admin(&web, &first).await);
    let sure = json!({ "password": PASSWORD });
    let gone = http_client().delete(web.url("/api/users/me")).bearer_auth(&first).json(&sure).send().await.unwrap();
    assert_eq!(gone.status().as_u16(), 202);
    stop(web).await;

    let mut open = environment.clone();
    open.insert("APP__REGISTRATION".to_owned(), "open".to_owned());
    let web = start(&open).await;
    // Once the handle is free, nothing is left of the account.
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match sign_up(&web).await {
            201 => break,
            409 if Instant::now() < deadline => sleep(Duration::from_millis(500)).await,
            other => panic!("{other}: {}", web.log()),
        }
    }
    let second = sign_in(&web).await;
    assert!(!is_admin(&web, &second).await, "a new account of the same handle is another one");
    let mut command = Process::start_with("web", &["user", "make-admin", "alice"], &open);
    assert_eq!(command.ended().await.code(), Some(0), "{}", command.log());
    assert!(is_admin(&web, &second).await);
    stop(web).await;
    // With its rule again, it goes on by invites.
    let web = start(&environment).await;
    assert_eq!(sign_up(&web).await, 403);
    let invite = http_client().post(web.url("/api/admin/invites")).bearer_auth(&second).send().await.unwrap();
    assert_eq!(invite.status().as_u16(), 201);
    stop(web).await;
}
