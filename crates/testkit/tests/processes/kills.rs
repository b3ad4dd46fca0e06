use std::time::Duration;

use cardwire_events::Queue;
use cardwire_saga::Timing;
use cardwire_testkit::history::History;
use cardwire_testkit::stack::{Plan, Stack};
use nix::sys::signal::Signal;
use tokio::time::{Instant, sleep};

/// A killed worker's leases run out after 15 s, its windows' locks after 13 s, and suspects are run one by one.
const RECOVERY: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn one_of_three_workers_killed_while_it_holds_batches_costs_and_doubles_nothing() {
    let mut stack = Stack::start(&Plan { feed_workers: 3, ..Plan::default() }).await;
    // Frozen, the workers let the queue fill. Then one goes on alone, and is frozen again as soon as it holds batches.
    for worker in 0..3 {
        stack.signal_worker(worker, Signal::SIGSTOP);
    }
    let history = stack.client().load(20, 50, Duration::ZERO).await;
    let in_flight = async || stack.redis.command(&["ZCARD", "{feeds:0}:leases"]).trim().parse::<u32>().unwrap();
    stack.signal_worker(0, Signal::SIGCONT);
    let deadline = Instant::now() + Duration::from_secs(10);
    while in_flight().await == 0 && Instant::now() < deadline {
        sleep(Duration::from_millis(1)).await;
    }
    stack.signal_worker(0, Signal::SIGSTOP);
    let leases = in_flight().await;
    assert!(leases > 0, "the worker was too fast to be caught with a batch");
    let killed = Instant::now();
    stack.workers[0].process.kill();
    for worker in 1..3 {
        stack.signal_worker(worker, Signal::SIGCONT);
    }
    // They move on when nobody holds them any more: their leases have run out, and others have them.
    while in_flight().await > 0 {
        assert!(killed.elapsed() < RECOVERY, "the lost worker's events do not move on");
        sleep(Duration::from_millis(20)).await;
    }
    let moved_on = killed.elapsed();
    assert!(moved_on < Duration::from_secs(18 + 7), "18 s, and some for a loaded machine: {moved_on:?}");
    stack.settled(RECOVERY).await;
    let checked = stack.check(&history).await;
    println!(
        "{leases} batches lost; moved on after {moved_on:?}; {checked:?}; all settled after {:?}",
        killed.elapsed()
    );
}

/// While another takes the table from them, the workers are killed in their flushes. Their locks end in different milliseconds.
#[tokio::test(flavor = "multi_thread")]
async fn windows_of_workers_killed_in_mid_flush_are_written_as_soon_as_their_locks_have_ended() {
    const WORKERS: usize = 4;
    const ROUNDS: usize = 2;
    /// The longest rest of a worker, one flush, and some for a loaded machine. Much less than a second lock.
    const SLACK: Duration = Duration::from_secs(5);
    let lock = Timing::default().lock;
    let mut stack = Stack::start(&Plan { feed_workers: WORKERS, ..Plan::default() }).await;
    let mut history = History::default();
    for round in 0..ROUNDS {
        let mut held = stack.pool().begin().await.unwrap();
        sqlx::query("LOCK TABLE activities IN ACCESS EXCLUSIVE MODE").execute(&mut *held).await.unwrap();
        for n in 0..WORKERS {
            assert!(
                stack.client().save(&format!("did:plc:p{round}-{n}"), "https://example.com/", &[], &mut history).await
            );
            sleep(Duration::from_millis(300)).await;
        }
        let locks = || -> Vec<String> {
            let keys = stack.redis.command(&["KEYS", "*saga:feed:lock:*"]);
            keys.lines().map(str::to_owned).collect()
        };
        let deadline = Instant::now() + Duration::from_secs(30);
        while locks().len() < WORKERS {
            assert!(Instant::now() < deadline, "not all windows are being flushed: {:?}", locks());
            sleep(Duration::from_millis(20)).await;
        }
        let locked = locks();
        for worker in 0..WORKERS {
            stack.workers[worker].process.kill();
        }
        let killed = Instant::now();
        held.rollback().await.unwrap();
        for worker in 0..WORKERS {
            stack.kill_and_restart(worker);
        }
        let mut written = Vec::new();
        while written.len() < WORKERS {
            let actors: Vec<String> =
                sqlx::query_scalar("SELECT actor_id FROM activities WHERE actor_id LIKE $1 ORDER BY 1")
                    .bind(format!("did:plc:p{round}-%"))
                    .fetch_all(stack.pool())
                    .await
                    .unwrap();
            written.resize(actors.len(), killed.elapsed());
            assert!(killed.elapsed() < lock + SLACK, "after {:?} only {actors:?} of {locked:?}", killed.elapsed());
            sleep(Duration::from_millis(20)).await;
        }
        println!("round {round}: written {written:.1?} after the kill; a lock lasts {lock:?}");
    }
    stack.settled(RECOVERY).await;
    println!("{:?}", stack.check(&history).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_kills_in_a_row_make_no_dead_letter() {
    let mut stack = Stack::start(&Plan { feed_workers: 3, ..Plan::default() }).await;
    let client = stack.client();
    let load = tokio::spawn(async move { client.load(10, 100, Duration::from_millis(40)).await });
    for kill in 0..10 {
        sleep(Duration::from_millis(500)).await;
        stack.kill_and_restart(kill % 3);
    }
    let history = load.await.unwrap();
    stack.settled(RECOVERY * 2).await;
    println!("{:?}", stack.check(&history).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_worker_killed_again_and_again_publishes_each_card_once() {
    const CARDS: i64 = 5 * 40;
    /// What a killed one had begun is begun again after the lease of its turn.
    const LEASES: Duration = Duration::from_secs(3 * 65);
    let settings = vec![("USE_FAKE_PUBLISHERS", "true".to_owned())];
    let mut stack = Stack::start(&Plan { settings, ..Plan::default() }).await;
    let worker = stack.workers.iter().position(|worker| worker.name == "record-worker").unwrap();
    let client = stack.client();
    let load = tokio::spawn(async move { client.load(5, 40, Duration::from_millis(100)).await });
    for _ in 0..10 {
        sleep(Duration::from_millis(500)).await;
        stack.kill_and_restart(worker);
    }
    let history = load.await.unwrap();
    stack.settled(RECOVERY * 2).await;
    let deadline = Instant::now() + LEASES;
    let counted = async |sql: &'static str| sqlx::query_scalar::<_, i64>(sql).fetch_one(stack.pool()).await.unwrap();
    let published = "SELECT count(*) FROM records WHERE cid IS NOT NULL AND NOT in_doubt";
    while counted(published).await < CARDS || counted("SELECT count(*) FROM record_owed").await > 0 {
        assert!(Instant::now() < deadline, "{} of {CARDS} are published", counted(published).await);
        sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(counted("SELECT count(DISTINCT (person_id, nsid, rkey)) FROM records").await, CARDS);
    println!("{:?}", stack.check(&history).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn web_killed_between_commit_and_publish_yields_its_activity_once() {
    let mut stack = Stack::start(&Plan::default()).await;
    // Once this has its effect, web publishes what it accepts.
    let mut history = stack.client().load(1, 1, Duration::ZERO).await;
    stack.settled(RECOVERY).await;
    // Publishing hangs while Redis is frozen, so the process dies after the commit and before the publish.
    stack.redis.signal(Signal::SIGSTOP);
    // The workers' relays must not do it in its place: they freeze, too.
    for worker in 0..stack.workers.len() {
        stack.signal_worker(worker, Signal::SIGSTOP);
    }
    assert!(stack.client().save("did:plc:alice", "https://example.com/", &[], &mut history).await);
    stack.kill_web();
    let born_published: i64 = sqlx::query_scalar("SELECT count(*) FROM deliveries WHERE published_at IS NOT NULL")
        .fetch_one(stack.pool())
        .await
        .unwrap();
    assert_eq!(born_published, i64::try_from(Queue::ALL.len()).unwrap(), "it is committed, and has no effect yet");
    stack.redis.signal(Signal::SIGCONT);
    for worker in 0..stack.workers.len() {
        stack.signal_worker(worker, Signal::SIGCONT);
    }
    stack.restart_web().await;
    let took = stack.settled(RECOVERY).await;
    println!("settled after {took:?}: {:?}", stack.check(&history).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_worker_told_to_stop_leaves_its_windows_to_the_others_on_time() {
    let mut stack = Stack::start(&Plan { feed_workers: 2, ..Plan::default() }).await;
    let started = Instant::now();
    let history = stack.client().load(10, 10, Duration::ZERO).await;
    stack.signal_worker(0, Signal::SIGTERM);
    let status = stack.workers[0].process.ended().await;
    assert_eq!(status.code(), Some(0), "{}", stack.workers[0].process.log());
    stack.settled(Duration::from_secs(10)).await;
    println!("all windows written {:?} after the first save: {:?}", started.elapsed(), stack.check(&history).await);
}
