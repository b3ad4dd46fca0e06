//! Events that go to a queue again, while saves go on and processes die.

use std::time::Duration;

use cardwire_testkit::history::History;
use cardwire_testkit::longer;
use cardwire_testkit::stack::{Client, Plan, Stack};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::time::{Instant, sleep};

const ADMIN: &str = "did:plc:mock123";
const REPLAYS: &str = "/api/admin/replays";
const PEOPLE: usize = 10;

/// All that is counted, in one value.
async fn counts(pool: &PgPool) -> Value {
    let sql = "SELECT jsonb_build_object( \
        'totals', (SELECT jsonb_agg(to_jsonb(t) ORDER BY t.day) FROM daily_totals t), \
        'curators', (SELECT count(*) FROM daily_curators), \
        'days', (SELECT sum(saves) FROM trend_days WHERE subject = 'url'), \
        'trends', (SELECT sum(total) FROM trends WHERE subject = 'url'))";
    sqlx::query_scalar(sql).fetch_one(pool).await.unwrap()
}

async fn count(pool: &PgPool, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(pool).await.unwrap()
}

/// Has everything go to the queue again. Its id.
async fn start(client: &Client, queue: &str) -> String {
    let all = json!({ "queue": queue, "from": "2000-01-01", "until": "2900-01-01" });
    let (status, answer) = client.post(ADMIN, REPLAYS, &all).await.unwrap();
    assert_eq!(status, 202, "{answer}");
    answer["id"].as_str().unwrap().to_owned()
}

async fn state(client: &Client, id: &str) -> Option<Value> {
    let (status, answer) = client.ask(Method::GET, ADMIN, REPLAYS, None).await?;
    assert_eq!(status, 200, "{answer}");
    answer["replays"].as_array()?.iter().find(|replay| replay["id"] == id).cloned()
}

/// Waits until the replay is in this state.
async fn reaches(client: &Client, id: &str, expected: &str, within: Duration) -> Value {
    let deadline = Instant::now() + within;
    loop {
        let last = state(client, id).await;
        match last {
            Some(replay) if replay["state"] == expected => return replay,
            last => assert!(Instant::now() < deadline, "{last:?}"),
        }
        sleep(Duration::from_millis(50)).await;
    }
}

/// REPLAY_EVENTS=100000 makes it longer.
#[tokio::test(flavor = "multi_thread")]
async fn counts_are_the_truth_after_a_replay_to_analytics_beside_saves() {
    let events = longer::told("REPLAY_EVENTS", 5_000);
    let each = usize::try_from(events).unwrap() / PEOPLE;
    let within = Duration::from_secs(120 + events / 100);
    let stack = Stack::start(&Plan::default()).await;
    let client = stack.client();
    let mut history = client.load(PEOPLE, each, Duration::ZERO).await;
    stack.settled(within).await;
    let before = count(stack.pool(), "SELECT sum(saves)::bigint FROM daily_totals").await;
    assert_eq!(usize::try_from(before).unwrap(), PEOPLE * each);

    // As if a bad build had counted nonsense.
    sqlx::raw_sql("UPDATE daily_totals SET saves = saves + 7, new_cards = 0; DELETE FROM daily_curators")
        .execute(stack.pool())
        .await
        .unwrap();
    let id = start(&client, "analytics").await;
    let saver = stack.client();
    let saves = tokio::spawn(async move {
        let mut history = History::default();
        for n in 0..200 {
            let url = format!("https://meanwhile.example/{n}");
            while !saver.save("did:plc:person0", &url, &[], &mut history).await {
                sleep(Duration::from_millis(100)).await;
            }
        }
        history
    });
    let started = Instant::now();
    reaches(&client, &id, "done", within).await;
    println!("{events} events were counted again within {:?}", started.elapsed());
    history.merge(saves.await.unwrap());
    stack.settled(within).await;
    let saved = count(stack.pool(), "SELECT sum(saves)::bigint FROM daily_totals").await;
    assert_eq!(usize::try_from(saved).unwrap(), history.len(), "each save once");
    let new = count(stack.pool(), "SELECT sum(new_cards)::bigint FROM daily_totals").await;
    assert_eq!(new, saved);
    let kept = count(stack.pool(), "SELECT count(*) FROM cards WHERE library_link IS NOT NULL").await;
    assert_eq!(count(stack.pool(), "SELECT sum(total)::bigint FROM trends WHERE subject = 'url'").await, kept);

    let truth = counts(stack.pool()).await;
    let id = start(&client, "analytics").await;
    reaches(&client, &id, "done", within).await;
    assert_eq!(counts(stack.pool()).await, truth, "once more changes nothing");
    stack.check(&history).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_goes_on_when_processes_die_and_has_no_second_effect() {
    let mut stack = Stack::start(&Plan::default()).await;
    let client = stack.client();
    let history = client.load(PEOPLE, 100, Duration::ZERO).await;
    stack.settled(Duration::from_secs(90)).await;
    let activities = count(stack.pool(), "SELECT count(*) FROM activities").await;
    for queue in ["feeds", "search"] {
        let id = start(&client, queue).await;
        // Any of them may have taken it.
        for worker in 0..stack.workers.len() {
            stack.kill_and_restart(worker);
        }
        let done = reaches(&client, &id, "done", Duration::from_secs(120)).await;
        assert!(done["done"].as_u64() >= Some(1_000), "{done}");
        stack.settled(Duration::from_secs(90)).await;
    }
    assert_eq!(count(stack.pool(), "SELECT count(*) FROM activities").await, activities, "no second activity");
    assert_eq!(count(stack.pool(), "SELECT count(*) FROM deliveries").await, 0, "no dead letter");
    stack.check(&history).await;
}
