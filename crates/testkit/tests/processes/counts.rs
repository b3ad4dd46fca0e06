//! Counts while copies arrive and workers die, and counting again.

use std::time::Duration;

use cardwire_testkit::history::History;
use cardwire_testkit::process::Process;
use cardwire_testkit::stack::{Plan, Stack};
use nix::sys::signal::Signal;
use reqwest::Method;
use serde_json::Value;
use sqlx::PgPool;
use tokio::time::sleep;

const ADMIN: &str = "did:plc:mock123";
const ANALYTICS: usize = 2;
const PEOPLE: usize = 6;
const EACH: usize = 50;

/// All that is counted, in one value.
async fn table(pool: &PgPool) -> Value {
    let sql = "SELECT jsonb_build_object( \
        'totals', (SELECT jsonb_agg(to_jsonb(t) ORDER BY t.day) FROM daily_totals t), \
        'curators', (SELECT jsonb_agg(to_jsonb(c) ORDER BY to_jsonb(c)::text) FROM daily_curators c), \
        'days', (SELECT jsonb_agg(to_jsonb(d) ORDER BY to_jsonb(d)::text) FROM trend_days d), \
        'trends', (SELECT jsonb_agg(to_jsonb(t) ORDER BY to_jsonb(t)::text) FROM trends t))";
    sqlx::query_scalar(sql).fetch_one(pool).await.unwrap()
}

async fn waits_for_analytics(pool: &PgPool) -> bool {
    let sql = "SELECT EXISTS (SELECT 1 FROM deliveries WHERE queue = 'analytics' AND published_at IS NOT NULL)";
    sqlx::query_scalar(sql).fetch_one(pool).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_and_killed_workers_leave_the_counts_true_and_a_rebuild_gives_the_same() {
    let mut stack = Stack::start(&Plan::default()).await;
    let client = stack.client();
    let load = tokio::spawn(async move { client.load(PEOPLE, EACH, Duration::from_millis(20)).await });
    let client = stack.client();
    // Three times, what is owed is published once more, and the worker that may hold it is killed.
    for _ in 0..3 {
        stack.signal_worker(ANALYTICS, Signal::SIGSTOP);
        // It cannot take what waits for it then; when all is saved, only copies are left to come.
        while !load.is_finished() && !waits_for_analytics(stack.pool()).await {
            sleep(Duration::from_millis(10)).await;
        }
        let (status, answer) = client.post(ADMIN, "/api/admin/queues/analytics/redeliver", &Value::Null).await.unwrap();
        assert!((200..300).contains(&status), "{answer}");
        stack.kill_and_restart(ANALYTICS);
        stack.workers[ANALYTICS].process.ready().await;
    }
    let history: History = load.await.unwrap();
    stack.settled(Duration::from_secs(90)).await;
    println!("{:?}", stack.check(&history).await);

    let counted = table(stack.pool()).await;
    let saves: i64 =
        sqlx::query_scalar("SELECT sum(saves)::bigint FROM daily_totals").fetch_one(stack.pool()).await.unwrap();
    assert_eq!(saves, i64::try_from(PEOPLE * EACH).unwrap());

    let mut rebuild = Process::start_with("analytics-worker", &["rebuild"], stack.environment());
    assert!(rebuild.ended().await.success(), "{}", rebuild.log());
    assert_eq!(table(stack.pool()).await, counted);
    println!("{saves} saves counted, with the same result when counted again");
    assert_eq!(last_act(&stack).await, ["command line", "analytics.rebuild"]);

    let mut reindex = Process::start_with("search-worker", &["reindex"], stack.environment());
    assert!(reindex.ended().await.success(), "{}", reindex.log());
    assert_eq!(last_act(&stack).await, ["command line", "search.rebuild"]);
}

/// Who did what, as the newest entry of the audit log tells, which is complete.
async fn last_act(stack: &Stack) -> [Value; 2] {
    let asked = stack.client().ask(Method::GET, ADMIN, "/api/admin/audit?limit=1", None).await;
    let (_, log) = asked.expect("web answers");
    let entry = &log["items"][0];
    assert!(entry["completedAt"].is_string(), "{log}");
    ["by", "action"].map(|part| entry[part].clone())
}
