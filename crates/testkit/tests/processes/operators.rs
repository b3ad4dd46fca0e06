//! What administrators do to running processes.

use std::time::Duration;

use cardwire_testkit::history::History;
use cardwire_testkit::stack::{Client, Plan, Stack};
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::time::{Instant, sleep};

const ADMIN: &str = "did:plc:mock123";
const SEARCH: usize = 1;

async fn owed(pool: &PgPool, queue: &str) -> i64 {
    let query = "SELECT count(*) FROM deliveries WHERE queue = $1 AND dead_at IS NULL";
    sqlx::query_scalar(query).bind(queue).fetch_one(pool).await.unwrap()
}

async fn eventually(what: &str, holds: impl AsyncFn() -> bool) -> Duration {
    let started = Instant::now();
    while !holds().await {
        assert!(started.elapsed() < Duration::from_secs(30), "{what}");
        sleep(Duration::from_millis(20)).await;
    }
    started.elapsed()
}

async fn act(client: &Client, path: &str, body: &Value) -> Value {
    let (status, answer) = client.post(ADMIN, path, body).await.unwrap();
    assert!((200..300).contains(&status), "{path}: {answer}");
    answer
}

/// Of all processes' health servers that tell it.
async fn tells_paused(stack: &Stack) -> bool {
    let mut told = Vec::new();
    for worker in &stack.workers {
        told.push(worker.process.ready_report().await.is_some_and(|report| report["paused"] == json!(["search"])));
    }
    told.into_iter().all(|told| told)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_outlives_the_workers_and_nothing_is_lost() {
    let mut stack = Stack::start(&Plan::default()).await;
    let client = stack.client();
    act(&client, "/api/admin/queues/search/pause", &json!({ "reason": "a bad build" })).await;
    let honoured = eventually("every process knows", async || tells_paused(&stack).await).await;
    println!("a pause is known to every worker after {honoured:?}");

    let mut history = History::default();
    for n in 0..20 {
        assert!(client.save("did:plc:alice", &format!("https://example.com/{n}"), &[], &mut history).await);
    }
    stack.kill_and_restart(SEARCH);
    stack.workers[SEARCH].process.ready().await;
    eventually("the other queues go on", async || {
        owed(stack.pool(), "feeds").await + owed(stack.pool(), "analytics").await == 0
    })
    .await;
    // The new worker has been ready all that time, and nothing is due yet; ask for more.
    act(&client, "/api/admin/queues/search/redeliver", &Value::Null).await;
    eventually("the new worker knows", async || tells_paused(&stack).await).await;
    assert_eq!(owed(stack.pool(), "search").await, 20, "nothing was worked off");

    act(&client, "/api/admin/queues/search/resume", &Value::Null).await;
    let resumed = stack.settled(Duration::from_secs(30)).await;
    println!("20 events of a resumed queue have had their effect after {resumed:?}");
    println!("{:?}", stack.check(&history).await);

    act(&client, "/api/admin/search/rebuild", &Value::Null).await;
    let rebuilt =
        "SELECT count(*) = 1 FROM search_rebuilds WHERE finished_at IS NOT NULL AND error IS NULL AND done = 20";
    let done = async || sqlx::query_scalar::<_, bool>(rebuilt).fetch_one(stack.pool()).await.unwrap();
    println!("a rebuild of 20 cards is done after {:?}", eventually("the rebuild is done", done).await);

    let counted = "SELECT count(*) FROM queue_totals WHERE processed >= 20";
    let totals = async || sqlx::query_scalar::<_, i64>(counted).fetch_one(stack.pool()).await.unwrap() == 4;
    eventually("what each queue processed is added", totals).await;
    let samples = "SELECT count(DISTINCT queue) = 4 FROM queue_samples";
    assert!(
        sqlx::query_scalar::<_, bool>(samples).fetch_one(stack.pool()).await.unwrap(),
        "a turn was taken at the start"
    );
    let actions = "SELECT array_agg(action ORDER BY id) FROM audit_log WHERE completed_at IS NOT NULL";
    let actions: Vec<String> = sqlx::query_scalar(actions).fetch_one(stack.pool()).await.unwrap();
    assert_eq!(actions, ["queue.pause", "queue.redeliver", "queue.resume", "search.rebuild"]);
}
