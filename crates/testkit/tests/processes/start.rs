//! Servers that are not fit, and workers that are told to stop.

use std::collections::BTreeMap;
use std::time::Duration;

use cardwire_testkit::pgbouncer::PgBouncer;
use cardwire_testkit::postgres::Postgres;
use cardwire_testkit::process::{PATIENCE, Process};
use cardwire_testkit::redis::RedisServer;
use cardwire_testkit::stack::{Client, Plan, Stack};
use nix::sys::signal::Signal;
use serde_json::json;
use sqlx::PgPool;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

const WORKERS: [&str; 4] = ["feed-worker", "search-worker", "analytics-worker", "record-worker"];

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_may_evict_is_refused_unless_told_otherwise() {
    let postgres = Postgres::start().unwrap();
    let database = postgres.database().await.unwrap();
    let redis = RedisServer::start_with(&["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"]);
    let mut environment: BTreeMap<String, String> =
        [("DATABASE_URL", database.url().to_owned()), ("REDIS_URL", redis.url())]
            .map(|(n, v)| (n.to_owned(), v))
            .into();
    for name in ["web", "feed-worker", "search-worker", "analytics-worker", "record-worker"] {
        let mut process = Process::start(name, &environment);
        assert_eq!(process.ended().await.code(), Some(78), "{}", process.log());
        assert!(process.log().contains("allkeys-lru"), "{}", process.log());
        assert!(process.log().contains("noeviction"), "{}", process.log());
    }
    environment.insert("APP__REDIS__ALLOW_ANY_MAXMEMORY_POLICY".into(), "true".into());
    let mut worker = Process::start("feed-worker", &environment);
    worker.ready().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_with_another_number_of_partitions_exits_78() {
    let stack = Stack::start(&Plan::default()).await;
    let environment: BTreeMap<String, String> = [
        ("DATABASE_URL", stack.database_url().to_owned()),
        ("REDIS_URL", stack.redis.url()),
        ("APP__REDIS__PARTITIONS", "4".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    let mut worker = Process::start("feed-worker", &environment);
    assert_eq!(worker.ended().await.code(), Some(78), "{}", worker.log());
    assert!(worker.log().contains("partitions"), "{}", worker.log());
}

/// Two databases, one Redis.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_deployment_on_one_redis_exits_78_and_costs_the_first_nothing() {
    let stack = Stack::start(&Plan::default()).await;
    let database = stack.postgres.database().await.unwrap();
    let mut other = stack.environment().clone();
    other.insert("DATABASE_URL".into(), database.url().into());
    for name in ["web", "feed-worker", "search-worker", "analytics-worker", "record-worker"] {
        let mut process = Process::start(name, &other);
        assert_eq!(process.ended().await.code(), Some(78), "{}", process.log());
        assert!(process.log().contains("belongs to another deployment"), "{}", process.log());
    }
    let history = stack.client().load(2, 6, Duration::ZERO).await;
    println!("settled {:?} after the load", stack.settled(Duration::from_secs(60)).await);
    stack.check(&history).await;
}

/// Redis loses everything and the second deployment comes first: the first one says so and keeps what it accepts.
#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_that_lost_its_redis_to_another_stops_working_off_and_loses_nothing() {
    let mut stack = Stack::start(&Plan::default()).await;
    let history = stack.client().load(1, 3, Duration::ZERO).await;
    stack.settled(Duration::from_secs(60)).await;
    stack.redis.flushall();
    stack.redis.command(&["SET", "cardwire:deployment", "another"]);
    for worker in &mut stack.workers {
        let process = &mut worker.process;
        assert_eq!(process.ended().await.code(), Some(78), "{}", process.log());
        assert!(process.log().contains("belongs to another deployment"), "{}", process.log());
    }
    let mut more = stack.client().load(1, 9, Duration::ZERO).await;
    assert!(stack.web.is_running(), "it accepts meanwhile");
    stack.redis.command(&["DEL", "cardwire:deployment"]);
    for name in WORKERS {
        stack.add_worker(name);
    }
    stack.settled(Duration::from_secs(90)).await;
    assert!(stack.web.log().contains("the relay must not publish"), "{}", stack.web.log());
    more.merge(history);
    stack.check(&more).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_that_breaks_connections_is_refused_with_a_line_that_names_it() {
    let postgres = Postgres::start().unwrap();
    let database = postgres.database().await.unwrap();
    let pooler = PgBouncer::start(postgres.port().unwrap(), "pool_mode = transaction").unwrap();
    let environment = [("DATABASE_URL".to_owned(), pooler.url(database.url()).unwrap())].into();
    for arguments in [&[][..], &["migrate"]] {
        let mut web = Process::start_with("web", arguments, &environment);
        assert_eq!(web.ended().await.code(), Some(78), "{}", web.log());
        assert!(web.log().contains("DATABASE_URL") && web.log().contains("PgBouncer"), "{}", web.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_waits_for_a_database_that_is_being_restarted() {
    let mut postgres = Postgres::start().unwrap();
    let environment = [("DATABASE_URL".to_owned(), postgres.url().to_owned())].into();
    postgres.stop().unwrap();
    let mut migrate = Process::start_with("web", &["migrate"], &environment);
    let told = |migrate: &Process| migrate.log().matches("waiting up to 30 s for PostgreSQL").count();
    let deadline = Instant::now() + PATIENCE;
    while told(&migrate) == 0 {
        assert!(migrate.is_running() && Instant::now() < deadline, "{}", migrate.log());
        sleep(Duration::from_millis(20)).await;
    }
    postgres.resume().unwrap();
    assert_eq!(migrate.ended().await.code(), Some(0), "{}", migrate.log());
    assert_eq!(told(&migrate), 1, "one line: {}", migrate.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_not_there_is_told_and_waited_for() {
    let postgres = Postgres::start().unwrap();
    let (server, _) = postgres.url().rsplit_once('/').unwrap();
    let environment: BTreeMap<String, String> =
        [("DATABASE_URL", format!("{server}/not_there")), ("USE_IN_MEMORY_EVENTS", "true".to_owned())]
            .map(|(name, value)| (name.to_owned(), value))
            .into();
    let mut web = Process::start("web", &environment);
    let deadline = Instant::now() + PATIENCE;
    while !web.log().contains("does not exist") {
        assert!(web.is_running() && Instant::now() < deadline, "{}", web.log());
        sleep(Duration::from_millis(20)).await;
    }
    let mut migrate = Process::start_with("web", &["migrate"], &environment);
    while !migrate.log().contains("does not exist") {
        assert!(migrate.is_running() && Instant::now() < deadline, "{}", migrate.log());
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_schema_is_refused_and_migrate_mends_it() {
    let postgres = Postgres::start().unwrap();
    let environment: BTreeMap<String, String> =
        [("DATABASE_URL", postgres.url().to_owned()), ("USE_IN_MEMORY_EVENTS", "true".to_owned())]
            .map(|(name, value)| (name.to_owned(), value))
            .into();
    let mut web = Process::start("web", &environment);
    assert_eq!(web.ended().await.code(), Some(1), "{}", web.log());
    assert!(web.log().contains("web migrate"), "{}", web.log());
    let mut migrate = Process::start_with("web", &["migrate"], &environment);
    assert_eq!(migrate.ended().await.code(), Some(0), "{}", migrate.log());
    let mut web = Process::start("web", &environment);
    web.ready().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_drains_although_its_requests_opened_the_connections() {
    let postgres = Postgres::start().unwrap();
    let database = postgres.database().await.unwrap();
    let pool = PgPool::connect(postgres.url()).await.unwrap();
    let settings = [("DATABASE_URL", database.url()), ("USE_IN_MEMORY_EVENTS", "true"), ("USE_MOCK_AUTH", "true")];
    let mut environment: BTreeMap<_, _> = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    environment.insert("APP_ENV".to_owned(), "development".to_owned());
    let mut web = Process::start("web", &environment);
    web.ready().await;
    let client = Client::of(&web);
    // Requests are what comes first after each time.
    for round in 0..10 {
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'cardwire'";
        sqlx::raw_sql(end).execute(&pool).await.unwrap();
        let mut saves = JoinSet::new();
        for n in 0..20 {
            let (client, body) = (client.clone(), json!({ "url": format!("https://drain.example/{round}/{n}") }));
            saves.spawn(async move { client.post("did:plc:alice", "/api/cards/library/urls", &body).await });
        }
        saves.join_all().await;
    }
    web.signal(Signal::SIGTERM);
    assert_eq!(web.ended().await.code(), Some(0), "{}", web.log());
    assert!(web.log().contains(r#""owed":0"#), "{}", web.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_help_check_their_settings_drain_and_know_what_they_cannot_be() {
    let mut stack = Stack::start(&Plan::default()).await;
    let nothing = BTreeMap::new();
    for name in WORKERS {
        let mut help = Process::start_with(name, &["--help"], &nothing);
        assert_eq!(help.ended().await.code(), Some(0));
        assert!(help.log().contains("REDIS_URL"), "{}", help.log());
        let mut usage = Process::start_with(name, &["--nonsense"], &nothing);
        assert_eq!(usage.ended().await.code(), Some(2));
        let mut configuration = Process::start(name, &nothing);
        assert_eq!(configuration.ended().await.code(), Some(78), "{}", configuration.log());
        assert!(configuration.log().contains("DATABASE_URL"), "{}", configuration.log());
        let settings = [("DATABASE_URL".to_owned(), "postgres://a:hunter2@localhost/a".to_owned())].into();
        let mut check = Process::start_with(name, &["--check-config"], &settings);
        assert_eq!(check.ended().await.code(), Some(0));
        assert!(!check.log().contains("hunter2"), "{}", check.log());
    }
    for (worker, signal) in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGTERM].into_iter().enumerate() {
        stack.signal_worker(worker, signal);
        let process = &mut stack.workers[worker].process;
        assert_eq!(process.ended().await.code(), Some(0), "{}", process.log());
    }
}
