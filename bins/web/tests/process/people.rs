//! Accounts are looked after from the command line while Cardwire is running.

use std::collections::BTreeMap;

use cardwire_testkit::net::http_client;
use cardwire_testkit::process::Process;
use serde_json::{Value, json};

const PASSWORD: &str = "a battery staple, correctly";

async fn run(arguments: &[&str], environment: &BTreeMap<String, String>) -> (Option<i32>, String) {
    let mut process = Process::start_with("web", arguments, environment);
    (process.ended().await.code(), process.log())
}

async fn sign_up(web: &Process, handle: &str, invite: Option<&str>) -> u16 {
    let body = json!({ "handle": handle, "password": PASSWORD, "invite": invite });
    http_client().post(web.url("/api/users")).json(&body).send().await.unwrap().status().as_u16()
}

async fn sign_in(web: &Process, handle: &str) -> String {
    let body = json!({ "handle": handle, "password": PASSWORD });
    let answer = http_client().post(web.url("/api/users/login")).json(&body).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    answer.json::<Value>().await.unwrap()["accessToken"].as_str().unwrap().to_owned()
}

async fn get(web: &Process, path: &str, token: &str) -> (u16, Value) {
    let answer = http_client().get(web.url(path)).bearer_auth(token).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

/// From a fresh site, where the first account is an administrator's and the next one needs an invite.
#[tokio::test]
async fn accounts_are_looked_after_from_the_command_line_while_it_runs() {
    let folder = tempfile::tempdir().unwrap();
    let environment: BTreeMap<String, String> = [
        ("APP_ENV", "development".to_owned()),
        ("DATABASE_URL", format!("sqlite:{}", folder.path().join("cardwire.db").display())),
        ("APP__PUBLIC_URL", "https://links.example".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    let (code, log) = run(&["user", "list"], &environment).await;
    assert!(code == Some(78) && log.contains("there is no such file"), "{log}");

    let mut web = Process::start("web", &environment);
    web.ready().await;
    assert_eq!(sign_up(&web, "alice", None).await, 201);
    assert_eq!(sign_up(&web, "bob", None).await, 403);
    let alice = sign_in(&web, "alice").await;
    let invite = http_client().post(web.url("/api/admin/invites")).bearer_auth(&alice).send().await.unwrap();
    let invite: Value = invite.json().await.unwrap();
    assert_eq!(sign_up(&web, "bob", invite["code"].as_str()).await, 201);
    assert_eq!(sign_up(&web, "carol", invite["code"].as_str()).await, 403, "an invite works once");

    let (code, log) = run(&["user", "list"], &environment).await;
    let line = |handle: &str| log.lines().find(|line| line.starts_with(handle)).unwrap_or_default().to_owned();
    assert_eq!(code, Some(0), "{log}");
    assert!(line("alice").ends_with("administrator") && line("bob").contains("did:cardwire:"), "{log}");
    assert!(!line("bob").contains("administrator"), "{log}");

    let bob = sign_in(&web, "bob").await;
    assert_eq!(get(&web, "/api/admin/audit", &bob).await.0, 403);
    let (code, log) = run(&["user", "make-admin", "bob"], &environment).await;
    assert!(code == Some(0) && log.contains("bob is now an administrator"), "{log}");
    assert_eq!(get(&web, "/api/admin/audit", &bob).await.0, 200);

    let (code, log) = run(&["user", "reset-password", "bob"], &environment).await;
    assert_eq!(code, Some(0), "{log}");
    let link = log.lines().find_map(|line| line.strip_prefix("https://links.example/reset-password?token="));
    assert_eq!(link.map(str::len), Some(43), "{log}");
    let (code, log) = run(&["user", "reset-password", "nobody"], &environment).await;
    assert!(code == Some(1) && log.contains("no account has the handle nobody"), "{log}");
    // What ran beside it left it alone.
    assert_eq!(get(&web, "/api/users/me", &bob).await.1["handle"], "bob");
    assert!(web.is_running());
}
