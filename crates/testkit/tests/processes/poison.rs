//! An event that takes its worker down.

use std::time::Duration;

use cardwire_testkit::stack::{Plan, Stack};
use tokio::time::{Instant, sleep};

/// `crates/runtime/examples/poisoned_worker.rs` aborts on every event of this person.
const POISON: &str = "did:plc:poison";

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_aborts_its_worker_alone_ends_as_a_dead_letter() {
    let plan = Plan { feed_worker: "examples/poisoned_worker", ..Plan::default() };
    let mut stack = Stack::start(&plan).await;
    let client = stack.client();
    let mut history = client.load(3, 10, Duration::ZERO).await;
    assert!(client.save(POISON, "https://example.com/poison", &[], &mut history).await);
    history.merge(client.load(3, 20, Duration::ZERO).await);

    // Somebody starts a dead worker again, as any supervisor does.
    let deadline = Instant::now() + Duration::from_secs(150);
    let dead = loop {
        for worker in 0..stack.workers.len() {
            if !stack.workers[worker].process.is_running() {
                stack.kill_and_restart(worker);
            }
        }
        let dead: Vec<(String, i32, String)> =
            sqlx::query_as("SELECT queue, tries, error FROM deliveries WHERE dead_at IS NOT NULL AND queue = 'feeds'")
                .fetch_all(stack.pool())
                .await
                .unwrap();
        let owed: i64 = sqlx::query_scalar("SELECT count(*) FROM deliveries WHERE dead_at IS NULL")
            .fetch_one(stack.pool())
            .await
            .unwrap();
        if !dead.is_empty() && owed == 0 {
            break dead;
        }
        assert!(Instant::now() < deadline, "dead: {dead:?}, owed: {owed}");
        sleep(Duration::from_millis(50)).await;
    };
    println!("{dead:?}");
    assert_eq!(dead.len(), 1, "it alone");
    assert_eq!(dead[0].1, 3, "after its attempts");

    let activities: i64 = sqlx::query_scalar("SELECT count(*) FROM activities").fetch_one(stack.pool()).await.unwrap();
    assert_eq!(usize::try_from(activities).unwrap(), history.len() - 1, "its neighbours succeed");
}
