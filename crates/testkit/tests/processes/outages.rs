use std::time::Duration;

use cardwire_testkit::process::readyz;
use cardwire_testkit::stack::{Plan, Stack};
use nix::sys::signal::Signal;
use tokio::time::{Instant, sleep};

/// What Redis lost is due 10 s after it was accepted, or 30 s after it was published again.
const DUE: Duration = Duration::from_secs(90);

#[tokio::test(flavor = "multi_thread")]
async fn flushall_under_load_loses_and_doubles_nothing() {
    let stack = Stack::start(&Plan { feed_workers: 2, ..Plan::default() }).await;
    let client = stack.client();
    let load = tokio::spawn(async move { client.load(10, 60, Duration::from_millis(50)).await });
    sleep(Duration::from_secs(2)).await;
    stack.redis.flushall();
    let history = load.await.unwrap();
    let took = stack.settled(DUE).await;
    println!("settled {took:?} after the load: {:?}", stack.check(&history).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_redis_is_away_web_accepts_and_all_is_delivered_after() {
    let mut stack = Stack::start(&Plan::default()).await;
    stack.redis.kill();
    let history = stack.client().load(5, 20, Duration::ZERO).await;
    assert_eq!(history.len(), 100, "web accepts without Redis");
    let unready = Instant::now() + Duration::from_secs(10);
    while readyz(stack.workers[0].process.metrics_port).await != Some(503) {
        assert!(Instant::now() < unready, "the worker stays ready without Redis");
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(readyz(stack.web.metrics_port).await, Some(200), "web needs no Redis");
    stack.redis.restart();
    let took = stack.settled(DUE).await;
    let ready = Instant::now() + Duration::from_secs(10);
    while readyz(stack.workers[0].process.metrics_port).await != Some(200) {
        assert!(Instant::now() < ready, "the worker is not ready again");
        sleep(Duration::from_millis(50)).await;
    }
    println!("settled {took:?} after Redis was back: {:?}", stack.check(&history).await);
    for worker in &mut stack.workers {
        assert!(worker.process.is_running(), "nothing was restarted");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_frozen_for_ten_seconds_is_recovered_without_help() {
    let mut stack = Stack::start(&Plan { feed_workers: 2, ..Plan::default() }).await;
    let client = stack.client();
    let load = tokio::spawn(async move { client.load(5, 100, Duration::from_millis(50)).await });
    sleep(Duration::from_secs(1)).await;
    stack.redis.signal(Signal::SIGSTOP);
    sleep(Duration::from_secs(10)).await;
    stack.redis.signal(Signal::SIGCONT);
    let history = load.await.unwrap();
    let took = stack.settled(DUE).await;
    println!("settled {took:?} after the load: {:?}", stack.check(&history).await);
    for worker in &mut stack.workers {
        assert!(worker.process.is_running(), "nothing was restarted");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_restarted_at_once_under_load_loses_and_doubles_nothing() {
    let mut stack = Stack::start(&Plan { feed_workers: 2, ..Plan::default() }).await;
    let client = stack.client();
    let load = tokio::spawn(async move { client.load(10, 60, Duration::from_millis(50)).await });
    sleep(Duration::from_secs(2)).await;
    stack.postgres.restart_immediate().unwrap();
    let history = load.await.unwrap();
    let took = stack.settled(DUE).await;
    println!("settled {took:?} after the load: {:?}", stack.check(&history).await);
    assert!(stack.web.is_running(), "web survives");
    for worker in &mut stack.workers {
        assert!(worker.process.is_running(), "the workers survive");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_in_a_queue_is_kept_for_people_and_stops_nothing() {
    let stack = Stack::start(&Plan::default()).await;
    let garbage = ["", "nonsense", "{\"id\": 1}", "01ARZ3NDEKTSV4RRFFQ69G5FAV|x", "||||"];
    for entry in garbage {
        stack.redis.command(&["LPUSH", "{feeds:0}:wait", entry]);
    }
    let history = stack.client().load(2, 5, Duration::ZERO).await;
    stack.settled(DUE).await;
    stack.check(&history).await;
    let rejected: i64 = sqlx::query_scalar("SELECT count(*) FROM rejected_entries WHERE queue = 'feeds'")
        .fetch_one(stack.pool())
        .await
        .unwrap();
    assert_eq!(usize::try_from(rejected).unwrap(), garbage.len());
}

/// Moves an owed event from one open window into another's, so that the wrong person would have saved the wrong card.
const FORGE: &str = "local windows = redis.call('KEYS', 'saga:feed:pending:*')
if #windows < 2 then return 0 end
local event = redis.call('HGETALL', windows[1])
redis.call('HSET', windows[2], event[1], event[2])
redis.call('HDEL', windows[1], event[1])
return 1";

#[tokio::test(flavor = "multi_thread")]
async fn an_event_moved_into_another_window_in_redis_is_shown_in_its_own() {
    let stack = Stack::start(&Plan::default()).await;
    let client = stack.client();
    let load = tokio::spawn(async move { client.load(4, 10, Duration::from_millis(200)).await });
    let (mut forged, deadline) = (0, Instant::now() + Duration::from_secs(60));
    while forged < 5 {
        assert!(Instant::now() < deadline, "only {forged} events could be moved");
        forged += stack.redis.command(&["EVAL", FORGE, "0"]).trim().parse::<usize>().unwrap();
        sleep(Duration::from_millis(50)).await;
    }
    let history = load.await.unwrap();
    println!("{forged} events moved; settled {:?} after the load", stack.settled(Duration::from_secs(90)).await);
    stack.check(&history).await;
}
