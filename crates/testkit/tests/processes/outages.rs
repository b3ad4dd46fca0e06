use std::time::Duration;

use cardwire_testkit::history::History;
use cardwire_testkit::process::{PATIENCE, readyz};
use cardwire_testkit::stack::{Plan, Stack};
use nix::sys::signal::Signal;
use sqlx::{Connection as _, PgConnection};
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

/// Saves so many links one after the other, and each is accepted at once.
async fn accepted(stack: &Stack, host: &str, count: usize, history: &mut History) {
    let client = stack.client();
    for n in 0..count {
        let url = format!("https://{host}.example/{n}");
        assert!(client.save("did:plc:alice", &url, &[], history).await, "{url} is not accepted");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_that_redis_forgets_are_loaded_again_at_once() {
    let stack = Stack::start(&Plan::default()).await;
    let mut history = History::default();
    for host in ["before", "after", "again"] {
        accepted(&stack, host, 3, &mut history).await;
        // What is lost comes again 10 s after it was accepted, and is shown 3 s later.
        let took = stack.settled(DUE).await;
        assert!(took < Duration::from_secs(10), "{host}: {took:?}");
        stack.redis.command(&["SCRIPT", "FLUSH"]);
    }
    stack.check(&history).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_redis_closes_are_made_anew() {
    let mut stack = Stack::start(&Plan::default()).await;
    let client = stack.client();
    let load = tokio::spawn(async move { client.load(5, 40, Duration::from_millis(50)).await });
    for _ in 0..5 {
        sleep(Duration::from_millis(300)).await;
        stack.redis.command(&["CLIENT", "KILL", "TYPE", "normal"]);
    }
    let history = load.await.unwrap();
    println!("settled {:?} after the load: {:?}", stack.settled(DUE).await, stack.check(&history).await);
    for worker in &mut stack.workers {
        assert!(worker.process.is_running(), "nothing was restarted");
    }
}

/// As a replica, which it becomes by mistake or by a failover, and while its memory is full.
#[tokio::test(flavor = "multi_thread")]
async fn while_redis_takes_no_writes_web_accepts_and_all_is_delivered_after() {
    let mut stack = Stack::start(&Plan::default()).await;
    let mut history = History::default();
    for (host, begin, end) in [
        ("replica", &["REPLICAOF", "127.0.0.1", "1"][..], &["REPLICAOF", "NO", "ONE"][..]),
        ("full", &["CONFIG", "SET", "maxmemory", "1"], &["CONFIG", "SET", "maxmemory", "0"]),
    ] {
        stack.redis.command(begin);
        stack.redis.try_command(&["SET", "more", "data"]).expect_err("it takes no writes");
        accepted(&stack, host, 10, &mut history).await;
        sleep(Duration::from_secs(3)).await;
        stack.redis.command(end);
        println!("{host}: settled {:?} after it took writes again", stack.settled(DUE).await);
    }
    stack.check(&history).await;
    for worker in &mut stack.workers {
        assert!(worker.process.is_running(), "nothing was restarted");
    }
}

const END_SESSIONS: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'cardwire'";

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_postgresql_ends_are_made_anew() {
    let mut stack = Stack::start(&Plan::default()).await;
    let client = stack.client();
    let load = tokio::spawn(async move { client.load(5, 40, Duration::from_millis(50)).await });
    for _ in 0..5 {
        sleep(Duration::from_millis(300)).await;
        sqlx::raw_sql(END_SESSIONS).execute(stack.pool()).await.unwrap();
    }
    let ended = Instant::now();
    let history = load.await.unwrap();
    assert!(ended.elapsed() < PATIENCE, "saves are accepted again soon: {:?}", ended.elapsed());
    println!("settled {:?} after the load: {:?}", stack.settled(DUE).await, stack.check(&history).await);
    assert!(stack.web.is_running(), "web survives");
    for worker in &mut stack.workers {
        assert!(worker.process.is_running(), "the workers survive");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgresql_that_took_no_writes_is_used_again_as_soon_as_it_does() {
    const SET: &str = "DO $$ BEGIN \
        EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); END $$";
    const RESET: &str = "DO $$ BEGIN \
        EXECUTE format('ALTER DATABASE %I RESET default_transaction_read_only', current_database()); END $$";
    let mut stack = Stack::start(&Plan::default()).await;
    // Its session is older than the setting, so that it can take it back.
    let mut operator = stack.pool().acquire().await.unwrap();
    for sql in [SET, END_SESSIONS] {
        sqlx::raw_sql(sql).execute(&mut *operator).await.unwrap();
    }
    let client = stack.client();
    let load = tokio::spawn(async move { client.load(5, 10, Duration::from_millis(50)).await });
    let unready = Instant::now() + PATIENCE;
    while readyz(stack.web.metrics_port).await != Some(503) {
        assert!(Instant::now() < unready, "web stays ready although nothing can be saved");
        sleep(Duration::from_millis(50)).await;
    }
    sleep(Duration::from_secs(3)).await;
    sqlx::raw_sql(RESET).execute(&mut *operator).await.unwrap();
    let writable = Instant::now();
    let history = load.await.unwrap();
    assert!(writable.elapsed() < Duration::from_secs(15), "{:?}", writable.elapsed());
    println!("settled {:?} after the load: {:?}", stack.settled(DUE).await, stack.check(&history).await);
    stack.web.ready().await;
    for worker in &mut stack.workers {
        worker.process.ready().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_others_take_every_other_connection_the_own_ones_are_enough() {
    let stack = Stack::start(&Plan::default()).await;
    let mut history = History::default();
    accepted(&stack, "before", 5, &mut history).await;
    stack.settled(DUE).await;
    // Those that this test looks with.
    let looking = [stack.pool().acquire().await.unwrap(), stack.pool().acquire().await.unwrap()];
    let mut taken = Vec::new();
    let refused = loop {
        match PgConnection::connect(stack.database_url()).await {
            Ok(connection) => taken.push(connection),
            Err(error) => break error,
        }
    };
    let code = refused.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned());
    assert_eq!(code.as_deref(), Some("53300"), "{refused}");
    let (client, deadline) = (stack.client(), Instant::now() + PATIENCE);
    for n in 0..20 {
        while !client.save("did:plc:bob", &format!("https://full.example/{n}"), &[], &mut history).await {
            assert!(Instant::now() < deadline, "link {n} is never accepted");
            sleep(Duration::from_millis(50)).await;
        }
    }
    drop(looking);
    println!("settled {:?} while {} connections were taken", stack.settled(DUE).await, taken.len());
    stack.check(&history).await;
}
