//! An account is deleted while others save links and processes are killed. In the end nothing of it is left in any table, and every link of
//! the others has had its effect. `scripts/test-faults.sh` runs it with 20,000 cards.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cardwire_domain::SystemClock;
use cardwire_storage::SqliteStore;
use cardwire_testkit::history::History;
use cardwire_testkit::longer::told;
use cardwire_testkit::net::http_client;
use cardwire_testkit::process::Process;
use cardwire_testkit::remains;
use cardwire_testkit::stack::{Client, Plan, Stack};
use reqwest::Method;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep};
use tokio_util::sync::CancellationToken;

use crate::one_file;

const HANDLE: &str = "alice.in.chains";
const PASSWORD: &str = "a battery staple, correctly";
const SAVE: &str = "/api/cards/library/urls";
/// They save at a steady pace, together 50 links a second.
const OTHERS: usize = 5;
const PACE: Duration = Duration::from_millis(100);
/// The account is filled with so many requests at once.
const HANDS: usize = 8;
/// Everything owed has its effect, or the account is gone, within this time; of 20,000 cards in a debug build.
const PATIENCE: Duration = Duration::from_secs(400);
const SETTINGS: [(&str, &str); 4] = [
    ("USE_MOCK_AUTH", "false"),
    ("APP__REGISTRATION", "open"),
    ("APP__QUOTAS__CARDS_A_DAY", "0"),
    ("APP__WEB__WRITES_PER_SECOND", "0"),
];

#[derive(Clone)]
struct Person {
    id: String,
    handle: String,
    token: String,
}

async fn sign_up(web: &Process, handle: &str) -> Person {
    let (http, body) = (http_client(), json!({ "handle": handle, "password": PASSWORD }));
    let mut answers = Vec::new();
    for path in ["/api/users", "/api/users/login"] {
        let answer = http.post(web.url(path)).json(&body).send().await.unwrap();
        assert!(answer.status().is_success(), "{path} was answered {}", answer.status());
        answers.push(answer.json::<Value>().await.unwrap());
    }
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    Person { id: text(&answers[0]["id"]), handle: handle.to_owned(), token: text(&answers[1]["accessToken"]) }
}

/// The account is signed out with the answer; the rest follows.
async fn delete(web: &Process, person: &Person) {
    let request = http_client().delete(web.url("/api/users/me")).bearer_auth(&person.token);
    let answer = request.json(&json!({ "password": PASSWORD })).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 202);
}

async fn ask(client: &Client, method: Method, person: &Person, path: &str, body: &Value) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match client.ask(method.clone(), &person.token, path, Some(body)).await {
            Some((200 | 201, answer)) => return answer,
            Some((503, _)) | None => assert!(Instant::now() < deadline, "{path} is not answered"),
            Some((status, answer)) => panic!("{path} was answered {status}: {answer}"),
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// Saves so many links: some with notes, in collections of this person or of somebody else, or for nobody else to see. Returns how many
/// others see.
async fn fill(client: &Client, person: &Person, somebody: &Person, cards: usize) -> usize {
    let profile = json!({ "displayName": "Alice", "bio": "Reads.", "defaultVisibility": "PRIVATE" });
    ask(client, Method::PUT, person, "/api/users/me", &profile).await;
    ask(client, Method::POST, person, "/api/users/me/tokens", &json!({ "name": "backup", "scope": "read" })).await;
    let mut collections = Vec::new();
    for owner in [person, somebody] {
        let body = json!({ "name": "Shelf", "accessType": "OPEN" });
        let made = ask(client, Method::POST, owner, "/api/collections", &body).await;
        collections.push(made["id"].as_str().unwrap().to_owned());
    }
    let is_public = |n: usize| n % 7 != 3;
    let mut hands = JoinSet::new();
    for hand in 0..HANDS {
        let (client, person, collections) = (client.clone(), person.clone(), collections.clone());
        hands.spawn(async move {
            for n in (hand..cards).step_by(HANDS) {
                let body = json!({
                    "url": format!("https://example.com/{n}"),
                    "note": (n % 5 == 0).then_some("to be read"),
                    "collectionIds": if n % 10 == 0 { &collections[..] } else { &[] },
                    "visibility": if is_public(n) { "PUBLIC" } else { "PRIVATE" },
                });
                ask(&client, Method::POST, &person, SAVE, &body).await;
            }
        });
    }
    hands.join_all().await;
    (0..cards).filter(|n| is_public(*n)).count()
}

/// What somebody else was answered.
#[derive(Default)]
struct Saved {
    history: History,
    /// When each save was due, and how long it took from then on.
    took: Vec<(Instant, Duration)>,
    /// They were tried again.
    failed: usize,
}

/// The same pages as the account has, one after the other.
async fn save_on(client: Client, person: Person, stop: CancellationToken) -> Saved {
    let (mut pace, mut saved) = (interval(PACE), Saved::default());
    for n in 0.. {
        let due = pace.tick().await;
        if stop.is_cancelled() {
            break;
        }
        let url = format!("https://example.com/{n}");
        while !client.save(&person.token, &url, &[], &mut saved.history).await {
            assert!(due.elapsed() < PATIENCE, "{url} cannot be saved");
            saved.failed += 1;
            sleep(Duration::from_millis(100)).await;
        }
        saved.took.push((due, due.elapsed()));
    }
    saved
}

fn save_all_on(client: &Client, others: &[Person], stop: &CancellationToken) -> JoinSet<Saved> {
    let mut saving = JoinSet::new();
    for other in others {
        saving.spawn(save_on(client.clone(), other.clone(), stop.clone()));
    }
    saving
}

async fn all_saved(saving: JoinSet<Saved>) -> Saved {
    let mut all = Saved::default();
    for saved in saving.join_all().await {
        all.history.merge(saved.history);
        all.took.extend(saved.took);
        all.failed += saved.failed;
    }
    all
}

/// Of the saves that were due in this time.
fn p99(took: &[(Instant, Duration)], from: Instant, until: Instant) -> Duration {
    let due = took.iter().filter(|(due, _)| (from..until).contains(due));
    let mut took: Vec<Duration> = due.map(|(_, took)| *took).collect();
    took.sort_unstable();
    took.get(took.len() * 99 / 100).copied().unwrap_or_default()
}

/// Whatever tables and columns there are; the audit log keeps the id.
fn assert_gone(person: &str, mut named: Vec<String>) {
    named.retain(|column| !column.starts_with("audit_log."));
    assert!(named.is_empty(), "{person} is named by {named:?}");
}

async fn assert_gone_from_postgres(stack: &Stack, person: &Person) {
    for text in [&person.id, &person.handle] {
        assert_gone(text, remains::in_postgres(stack.pool(), text).await.unwrap());
    }
}

fn kill_workers(stack: &mut Stack) {
    for name in ["feed-worker", "analytics-worker"] {
        let worker = stack.workers.iter().position(|worker| worker.name == name);
        stack.kill_and_restart(worker.expect("there is one of each kind"));
    }
}

/// Holds a card in the middle until a portion wants it, and kills workers then; once more while the others hear of the deletion. Returns how
/// many cards were left the first time.
async fn delete_under_kills(stack: &mut Stack, person: &Person, cards: usize) -> i64 {
    const MIDDLE: &str = "SELECT id FROM cards WHERE owner_id = $1 AND library_link IS NOT NULL \
                          ORDER BY library_at, id OFFSET $2 LIMIT 1 FOR UPDATE";
    const IS_WANTED: &str = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() \
                             AND wait_event_type = 'Lock' AND query LIKE '%FROM cards WHERE id = ANY($1)%FOR NO KEY UPDATE')";
    const LEFT: &str = "SELECT count(*) FROM cards WHERE owner_id = $1 AND library_link IS NOT NULL";
    const STAGE: &str = "SELECT stage FROM leaving WHERE user_id = $1";
    let mut held = stack.pool().begin().await.unwrap();
    let middle = sqlx::query(MIDDLE).bind(&person.id).bind(i64::try_from(cards / 2).unwrap());
    middle.fetch_one(&mut *held).await.unwrap();
    delete(&stack.web, person).await;
    let deadline = Instant::now() + PATIENCE;
    while !sqlx::query_scalar::<_, bool>(IS_WANTED).fetch_one(stack.pool()).await.unwrap() {
        assert!(Instant::now() < deadline, "the deletion does not come to the middle");
        sleep(Duration::from_millis(10)).await;
    }
    let left: i64 = sqlx::query_scalar(LEFT).bind(&person.id).fetch_one(stack.pool()).await.unwrap();
    kill_workers(stack);
    held.rollback().await.unwrap();
    let mut is_told = false;
    loop {
        let stage = sqlx::query_scalar(STAGE).bind(&person.id).fetch_optional(stack.pool()).await;
        let Some(stage): Option<String> = stage.unwrap() else { return left };
        assert!(Instant::now() < deadline, "the deletion stays {stage}");
        if stage == "told" && !is_told {
            is_told = true;
            kill_workers(stack);
        }
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_deleted_while_workers_are_killed_leaves_nothing_behind() {
    let cards = usize::try_from(told("FAULT_CARDS", 500)).unwrap();
    let settings = SETTINGS.map(|(name, value)| (name, value.to_owned())).to_vec();
    let mut stack = Stack::start(&Plan { settings, ..Plan::default() }).await;
    let mut others = Vec::new();
    for n in 0..OTHERS {
        others.push(sign_up(&stack.web, &format!("other{n}")).await);
    }
    let (alice, client) = (sign_up(&stack.web, HANDLE).await, stack.client());
    let public = fill(&client, &alice, &others[0], cards).await;
    stack.settled(PATIENCE).await;

    let (stop, begun) = (CancellationToken::new(), Instant::now());
    let saving = save_all_on(&client, &others, &stop);
    sleep(Duration::from_secs(told("FAULT_SECONDS", 6)) / 2).await;
    let asked = Instant::now();
    let left = delete_under_kills(&mut stack, &alice, cards).await;
    let gone = Instant::now();
    let is_amid = left > 0 && left < i64::try_from(cards).unwrap();
    assert!(is_amid, "{left} of {cards} cards were left when workers were killed");
    assert_gone_from_postgres(&stack, &alice).await;
    stop.cancel();
    let mut saved = all_saved(saving).await;
    stack.settled(PATIENCE).await;
    assert_gone_from_postgres(&stack, &alice).await;
    saved.history.forgot(public);
    let checked = stack.check(&saved.history).await;
    let (before, during) = (p99(&saved.took, begun, asked), p99(&saved.took, asked, gone));
    println!(
        "{cards} cards gone after {:?}, workers killed when {left} were left; p99 of {} saves of others: {before:?} before, {during:?} \
         during, {:.1} times as long; {} had to be tried again; {checked:?}",
        gone - asked,
        saved.took.len(),
        during.as_secs_f64() / before.as_secs_f64(),
        saved.failed,
    );
    // A short deletion is over before the workers that were killed are back.
    assert!(cards < 10_000 || during <= 10 * before + Duration::from_secs(1), "the deletion is in the way of others");
}

/// How far the deletion is, and how many cards are in the library; `None` when it is done.
fn look(file: &Path, person: &Person) -> Option<(String, i64)> {
    let sql = "SELECT stage, (SELECT count(*) FROM cards WHERE owner_id = ?1 AND library_link IS NOT NULL) \
               FROM leaving WHERE user_id = ?1";
    let file = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    file.query_row(sql, [&person.id], |row| Ok((row.get(0)?, row.get(1)?))).optional().unwrap()
}

/// Waits until it is so, or the deletion is done. Returns what it saw.
async fn until(file: &Path, person: &Person, holds: impl Fn(&str, i64) -> bool) -> Option<(String, i64)> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let seen = look(file, person);
        match &seen {
            Some((stage, left)) if !holds(stage, *left) => {
                assert!(Instant::now() < deadline, "the deletion stays {stage}, with {left} cards");
            }
            _ => return seen,
        }
        sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_deleted_while_its_one_process_is_killed_leaves_nothing_in_the_file() {
    let cards = usize::try_from(told("FAULT_CARDS", 500)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cardwire.db");
    let mut environment: BTreeMap<String, String> = one_file::environment(&file);
    environment.extend(SETTINGS.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let mut web = Process::start("web", &environment);
    web.ready().await;
    let others = [sign_up(&web, "other1").await, sign_up(&web, "other2").await];
    let (alice, client) = (sign_up(&web, HANDLE).await, Client::of(&web));
    let public = fill(&client, &alice, &others[0], cards).await;

    let (stop, begun) = (CancellationToken::new(), Instant::now());
    let saving = save_all_on(&client, &others, &stop);
    delete(&web, &alice).await;
    let all = i64::try_from(cards).unwrap();
    let seen = until(&file, &alice, |_, left| left < all).await;
    web.kill();
    let (_, left) = seen.expect("the deletion has only begun");
    web = Process::start("web", &environment);
    web.ready().await;
    if until(&file, &alice, |stage, _| stage == "told").await.is_some() {
        web.kill();
        web = Process::start("web", &environment);
        web.ready().await;
    }
    until(&file, &alice, |_, _| false).await;
    let took = begun.elapsed();
    stop.cancel();
    let mut saved = all_saved(saving).await;
    saved.history.forgot(public);
    let checked = one_file::check(&mut web, &environment, &saved.history).await;
    let store = SqliteStore::join(&file, Arc::new(SystemClock)).unwrap();
    for text in [&alice.id, &alice.handle] {
        assert_gone(text, remains::in_sqlite(&store, text).await.unwrap());
    }
    println!(
        "one file: {cards} cards gone after {took:?}, killed when {left} were left; {} saves of others had to be tried again; {checked:?}",
        saved.failed
    );
}
