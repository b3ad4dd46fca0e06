//! Accounts are looked after from the command line while Cardwire is running.

use std::collections::{BTreeMap, BTreeSet};

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

/// What Alice did and what was done on the command line, newest first.
async fn is_written_down(web: &Process, alice: &str, bob: &str, token: &str) {
    let id = async |token: &str| get(web, "/api/users/me", token).await.1["id"].clone();
    let (alices, bobs) = (id(alice).await, id(bob).await);
    let (_, log) = get(web, "/api/admin/audit", alice).await;
    let told = |entry: &Value| ["by", "action", "target", "affected"].map(|part| entry[part].clone());
    let told: Vec<_> = log["items"].as_array().unwrap().iter().map(told).collect();
    let command_line = |action: &str| [json!("command line"), json!(action), bobs.clone(), json!(1)];
    let invited = [alices, json!("user.invite"), Value::Null, json!(1)];
    assert_eq!(told, [command_line("user.reset-password"), command_line("user.make-admin"), invited]);
    assert!(!log.to_string().contains(token), "a link's secret is not written down: {log}");
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
    let token = log.lines().find_map(|line| line.strip_prefix("https://links.example/reset-password?token="));
    assert_eq!(token.map(str::len), Some(43), "{log}");
    is_written_down(&web, &alice, &bob, token.unwrap()).await;
    let (code, log) = run(&["user", "reset-password", "nobody"], &environment).await;
    assert!(code == Some(1) && log.contains("no account has the handle nobody"), "{log}");
    // What ran beside it left it alone.
    assert_eq!(get(&web, "/api/users/me", &bob).await.1["handle"], "bob");
    assert!(web.is_running());
}

/// The commands that the help tells of.
async fn commands(arguments: &[&str]) -> BTreeSet<String> {
    let (code, help) = run(arguments, &BTreeMap::new()).await;
    assert_eq!(code, Some(0), "{help}");
    let (_, list) = help.split_once("Commands:\n").unwrap_or_else(|| panic!("{help}"));
    let list = list.split("\n\n").next().unwrap();
    let names = list.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    names.filter(|name| !name.is_empty() && *name != "help").map(str::to_owned).collect()
}

/// What acts on people is in the audit log: see [`is_written_down`].
#[tokio::test]
async fn of_each_command_it_is_known_whether_it_is_written_down() {
    let check = async |arguments: &[&str], known: &[&str]| {
        let known = known.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(commands(arguments).await, known, "does a new one act on people or on what they saved?");
    };
    check(&["user", "--help"], &["list", "make-admin", "reset-password"]).await;
    // Except for `user`, none of these changes anything about people.
    check(&["--help"], &["backup", "healthcheck", "migrate", "move", "user"]).await;
}
