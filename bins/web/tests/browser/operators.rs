//! What an operator does: finds what died, learns why, and has it done again or not at all.

use std::sync::Arc;

use cardwire_testkit::postgres::Database;
use cardwire_testkit::process::Process;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::server::{Durable, in_memory, refuse, save};
use crate::window::{Driver, Window};

const DEAD: &str = "/admin/queues/feeds/dead";
const WHY: &str = "no activity of <b>hers</b> today";

/// On a page that asks once more: what it says will happen.
async fn confirm(window: &Window) -> Value {
    window.until("location.pathname === '/admin/confirm'").await;
    let about = window.evaluate("document.querySelector('h1 + p').textContent").await;
    window.wait("main form button").await.click().await.unwrap();
    window.until("location.pathname !== '/admin/confirm'").await;
    about
}

/// Who did what upon what, with what, and how much it changed; newest first.
async fn audit(window: &Window, web: &Process) -> Value {
    window.open(&web.url("/admin/actions")).await;
    let row = "(row) => Array.from(row.querySelectorAll('td'), (cell) => cell.textContent)";
    window.evaluate(&format!("Array.from(document.querySelectorAll('tbody tr'), {row})")).await
}

/// Until the activities of these cards are in the feed.
async fn in_feed(window: &Window, server: &Durable, cards: &[&String]) {
    window.open(&server.web.url("/")).await;
    for card in cards {
        window.until(&format!("document.querySelector(\"#feed a.card[href='/cards/{card}']\") !== null")).await;
    }
}

async fn found(window: &Window) -> Value {
    window.evaluate("document.querySelector('form.filter + p').textContent").await
}

#[tokio::test]
async fn what_died_is_found_redriven_and_takes_effect_or_is_discarded() {
    let server = Durable::start().await;
    refuse(&server.database, "activities", "NEW.actor_id IN ('did:plc:mallory', 'did:plc:eve')", WHY).await;
    let mut cards = Vec::new();
    for n in 0..5 {
        cards.push(save(&server.web, "mallory", &format!("https://example.com/{n}")).await);
    }
    let of_eve = save(&server.web, "eve", "https://example.com/eve").await;
    let of_bob = save(&server.web, "bob", "https://example.com/bob").await;
    let driver = Driver::start().await;
    let window = driver.window(1000, false).await;
    window.sign_in(&server.web.url("/sign-in?next=/admin"), "mock123").await;
    in_feed(&window, &server, &[&of_bob]).await;

    // From the overview to the one letter that is looked for.
    window.wait("nav a[href='/admin']").await.click().await.unwrap();
    let link = format!("a[href='{DEAD}']");
    let deadline = tokio::time::Instant::now() + crate::window::PATIENCE;
    while window.evaluate(&format!("document.querySelector(\"{link}\")?.textContent")).await != json!("6") {
        assert!(tokio::time::Instant::now() < deadline, "they do not die: {}", server.web.log());
        window.open(&server.web.url("/admin")).await;
    }
    window.wait(&link).await.click().await.unwrap();
    window.wait("#type").await.send_keys("CardAddedToLibrary.v2").await.unwrap();
    window.wait("#text").await.send_keys(&cards[0]).await.unwrap();
    window.wait("#error").await.send_keys("NO ACTIVITY\n").await.unwrap();
    window.until("location.search.includes('error=')").await;
    assert_eq!(found(&window).await, json!("1 dead letter found. Group by error"));
    window.wait(".items .line a").await.click().await.unwrap();
    window.wait("pre").await;
    let letter = window.evaluate("location.href").await;
    let payload = window.evaluate("JSON.parse(document.querySelector('pre').textContent)").await;
    assert_eq!((&payload["subject"], &payload["type"]), (&json!(cards[0]), &json!("CardAddedToLibrary.v2")));
    assert_eq!(payload["data"]["actorId"], "did:plc:mallory", "{payload}");
    let facts = window.evaluate("Array.from(document.querySelectorAll('.facts dd'), (fact) => fact.textContent)").await;
    assert!(facts[3].as_str().is_some_and(|error| error.contains(WHY)), "{facts}");
    let steps = window.evaluate("document.querySelector('h2 + ol').textContent").await;
    assert!(steps.as_str().is_some_and(|steps| steps.contains(": died") && steps.contains(WHY)), "{steps}");

    // The cause is removed; then one, some, all that match.
    server.database.run("DROP TRIGGER refuse ON activities").await.unwrap();
    window.wait("button[value=redrive]").await.click().await.unwrap();
    assert_eq!(confirm(&window).await, json!("1 event of feeds will be retried, with a full set of attempts."));
    let id = payload["id"].clone();
    let of_one = json!(["did:plc:mock123", "dead-letters.redrive", "feeds", json!({ "ids": [id] }).to_string(), "1"]);
    assert_eq!(audit(&window, &server.web).await, json!([of_one]));
    in_feed(&window, &server, &[&cards[0]]).await;
    window.open(letter.as_str().unwrap()).await;
    assert_eq!(window.evaluate("document.querySelector('h1').textContent").await, json!("Not found"));

    window.open(&server.web.url(&format!("{DEAD}?text=did:plc:mallory"))).await;
    assert_eq!(found(&window).await, json!("4 dead letters found. Group by error"));
    for card in &cards[1..3] {
        let of_it = format!(
            "Array.from(document.querySelectorAll('.item')).find((item) => item.textContent.includes('{card}'))"
        );
        window.evaluate(&format!("{of_it}.querySelector('input').click()")).await;
    }
    window.wait("button[value=redrive]").await.click().await.unwrap();
    assert_eq!(confirm(&window).await, json!("2 events of feeds will be retried, with a full set of attempts."));
    let searched = format!("location.pathname === '{DEAD}' && location.search.includes('mallory')");
    assert_eq!(window.evaluate(&searched).await, json!(true), "one is back where one was");
    in_feed(&window, &server, &[&cards[1], &cards[2]]).await;

    window.open(&server.web.url(&format!("{DEAD}?text=did:plc:mallory"))).await;
    assert_eq!(found(&window).await, json!("2 dead letters found. Group by error"));
    window.wait("form:has(input[name=all]) button[value=redrive]").await.click().await.unwrap();
    assert_eq!(confirm(&window).await, json!("2 events of feeds will be retried, with a full set of attempts."));
    in_feed(&window, &server, &[&cards[3], &cards[4]]).await;

    window.open(&server.web.url(DEAD)).await;
    assert_eq!(found(&window).await, json!("1 dead letter. Group by error"));
    window.wait("input[name=id]").await.click().await.unwrap();
    window.wait("button[value=discard]").await.click().await.unwrap();
    assert_eq!(confirm(&window).await, json!("1 event will never take effect in feeds. This cannot be undone."));
    let entries = audit(&window, &server.web).await;
    let done: Vec<_> = entries.as_array().unwrap().iter().map(|row| (row[1].clone(), row[4].clone())).collect();
    let expected = ["discard", "redrive", "redrive", "redrive"].map(|action| json!(format!("dead-letters.{action}")));
    assert_eq!(done.iter().map(|(action, _)| action.clone()).collect::<Vec<_>>(), expected);
    assert_eq!(
        done.iter().map(|(_, changed)| changed.clone()).collect::<Vec<_>>(),
        ["1", "2", "2", "1"].map(Value::from)
    );
    assert_eq!(entries[1][3], json!({ "matching": { "text": "did:plc:mallory" } }).to_string());
    window.open(&server.web.url(DEAD)).await;
    assert_eq!(found(&window).await, json!("0 dead letters. Group by error"));

    in_feed(&window, &server, &cards.iter().chain([&of_bob]).collect::<Vec<_>>()).await;
    assert_eq!(window.evaluate("document.querySelectorAll('#feed .item').length").await, json!(6), "each once");
    assert_eq!(window.evaluate(&format!("document.body.innerHTML.includes('{of_eve}')")).await, json!(false));
    let complaints = window.complaints().await;
    assert!(complaints.iter().all(|line| line.contains("404")), "but for the letter that is gone: {complaints:?}");
    window.close().await;
}

#[tokio::test]
async fn a_queue_is_paused_with_a_reason_and_goes_on_when_it_is_resumed() {
    let web = in_memory(&[]).await;
    let driver = Driver::start().await;
    let window = driver.window(1000, false).await;
    window.sign_in(&web.url("/sign-in?next=/admin"), "mock123").await;
    window.open(&web.url("/admin/queues/feeds")).await;
    window.wait("main form button").await.click().await.unwrap();
    window.wait("#reason").await.send_keys("a <b>bad</b> build").await.unwrap();
    let about = confirm(&window).await;
    assert!(about.as_str().is_some_and(|about| about.contains("no worker claims from feeds")), "{about}");
    window.open(&web.url("/admin")).await;
    let paused = window.evaluate("document.querySelector('.told').textContent").await;
    assert_eq!(paused, json!("Paused just now by did:plc:mock123: a <b>bad</b> build"));

    let card = save(&web, "alice", "https://example.com/").await;
    window.open(&web.url("/admin/queues/feeds")).await;
    window.wait("main form button").await.click().await.unwrap();
    assert_eq!(confirm(&window).await, json!("Workers continue with feeds within two seconds."));
    let entries = audit(&window, &web).await;
    let reason = json!({ "reason": "a <b>bad</b> build" }).to_string();
    assert_eq!(entries[0], json!(["did:plc:mock123", "queue.resume", "feeds", "", "1"]));
    assert_eq!(entries[1], json!(["did:plc:mock123", "queue.pause", "feeds", reason, "1"]));
    window.open(&web.url("/")).await;
    window.until(&format!("document.querySelector(\"#feed a.card[href='/cards/{card}']\") !== null")).await;
    assert_eq!(window.complaints().await, Vec::<String>::new());
    window.close().await;
}

/// Holds everybody back who would read or write activities, until [`let_go`].
async fn hold_back(database: &Arc<Database>) -> JoinHandle<anyhow::Result<()>> {
    let gate = Arc::clone(database);
    let sql =
        "SET application_name = 'gate'; BEGIN; LOCK TABLE activities IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(120)";
    let held = tokio::spawn(async move { gate.run(sql).await });
    // It sleeps once it has the lock.
    let has_it = "DO $$ BEGIN FOR look IN 1..3000 LOOP \
                  IF EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'gate' \
                  AND datname = current_database() AND wait_event = 'PgSleep') THEN RETURN; END IF; \
                  PERFORM pg_sleep(0.01), pg_stat_clear_snapshot(); END LOOP; RAISE 'the lock is not granted'; END $$";
    database.run(has_it).await.unwrap();
    held
}

async fn let_go(database: &Database, held: JoinHandle<anyhow::Result<()>>) {
    let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE application_name = 'gate' AND datname = current_database()";
    database.run(sql).await.unwrap();
    assert!(held.await.unwrap().is_err(), "it was held until now");
}

#[tokio::test]
async fn a_window_is_written_now_a_queue_delivered_again_and_the_index_rebuilt() {
    let server = Durable::start().await;
    let driver = Driver::start().await;
    let window = driver.window(1000, false).await;
    window.sign_in(&server.web.url("/sign-in?next=/admin"), "mock123").await;
    let held = hold_back(&server.database).await;
    let card = save(&server.web, "alice", "https://example.com/garden").await;
    let open = format!("document.querySelector(\"a[href='/cards/{card}']\") !== null");
    let deadline = tokio::time::Instant::now() + crate::window::PATIENCE;
    window.open(&server.web.url("/admin/windows")).await;
    while window.evaluate(&open).await != json!(true) {
        assert!(tokio::time::Instant::now() < deadline, "no window is open: {}", server.web.log());
        window.open(&server.web.url("/admin/windows")).await;
    }
    window.wait(".items form button").await.click().await.unwrap();
    let key = format!("{card}-did:plc:alice");
    assert_eq!(confirm(&window).await, json!(format!("A worker writes the window {key} to the feed now.")));
    assert_eq!(audit(&window, &server.web).await, json!([["did:plc:mock123", "saga.flush", key, "", "1"]]));
    let_go(&server.database, held).await;
    in_feed(&window, &server, &[&card]).await;

    let press = async |label: &str| {
        window.open(&server.web.url("/admin")).await;
        let button = format!(
            "Array.from(document.querySelectorAll('main form button')).find((one) => one.textContent.startsWith('{label}'))"
        );
        window.evaluate(&format!("{button}.click()")).await;
    };
    press("Deliver again").await;
    assert!(
        confirm(&window).await.as_str().is_some_and(|about| about.contains("Events that feeds has not handled yet"))
    );
    press("Rebuild the search index").await;
    confirm(&window).await;
    let done = audit(&window, &server.web).await;
    assert_eq!([&done[0][1], &done[1][1]], [&json!("search.rebuild"), &json!("queue.redeliver")]);
    let rebuilt = "document.querySelector('main').textContent.includes('The last rebuild is done: 1 of 1 cards')";
    while window.evaluate(rebuilt).await != json!(true) {
        assert!(tokio::time::Instant::now() < deadline, "the index is not rebuilt: {}", server.web.log());
        window.open(&server.web.url("/admin")).await;
    }
    window.open(&server.web.url("/search?q=garden")).await;
    assert_eq!(window.evaluate("document.querySelectorAll('#hits li').length").await, json!(1));
    assert_eq!(window.complaints().await, Vec::<String>::new());
    window.close().await;
}
