//! When PostgreSQL or a connection to it dies, nothing accepted is lost and nothing takes effect twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cardwire_domain::changes::Idempotency;
use cardwire_domain::changes::IdempotencyKey;
use cardwire_domain::collection::AccessType;
use cardwire_domain::feed::FeedRepository;
use cardwire_domain::library::{LibraryFilter, LibraryRepository};
use cardwire_domain::use_cases::{AddUrlToLibrary, Request, execute};
use cardwire_domain::{CollectedWindow, Error, PageRequest, Store, UserId};
use cardwire_events::{EventLog, Handover, Queue};
use cardwire_storage::PostgresStore;
use cardwire_storage::postgres::PoolSettings;
use cardwire_testkit::postgres::{Database, Postgres};
use cardwire_testkit::proxy::{Fault, Proxy};
use cardwire_testkit::store_suite::scene::{decode, member, person, saving, windows};
use cardwire_testkit::store_suite::{Stores, TimeMachine};
use nix::sys::signal::Signal;
use sqlx::{Connection, PgConnection, PgPool};

struct NoTime;

#[async_trait::async_trait]
impl TimeMachine for NoTime {
    async fn advance(&self, _: Duration) {
        unreachable!("these tests let time pass by itself");
    }
}

fn connect(url: &str) -> PostgresStore {
    PostgresStore::connect(url, PoolSettings::default(), Handover::default()).expect("the harness makes good URLs")
}

fn stores(store: &PostgresStore) -> Stores {
    Stores::of(Arc::new(store.clone()), Arc::new(NoTime))
}

async fn count(pool: &PgPool, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(pool).await.expect("the server answers the test")
}

/// For one save to two collections: three events, one activity.
async fn one_window(stores: &Stores, name: &str) -> anyhow::Result<Vec<CollectedWindow>> {
    let alice = person(name);
    let collections = [
        stores.collection(&alice, "one", AccessType::Closed).await?,
        stores.collection(&alice, "two", AccessType::Closed).await?,
    ];
    stores.save_with(&alice, &format!("https://example.com/{name}"), None, &collections).await?;
    let mut collected = stores.deliver(Queue::Feeds).await?;
    collected.retain(|event| member(event).is_some());
    let windows = windows(&collected);
    assert_eq!(windows.iter().map(|window| window.members.len()).collect::<Vec<_>>(), [3]);
    Ok(windows)
}

/// Retries until the store is up; what was in flight may have been stored.
async fn until_answered<T, F>(mut run: impl FnMut() -> F) -> anyhow::Result<T>
where
    F: Future<Output = cardwire_domain::Result<T>>,
{
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match run().await {
            Err(Error::Unavailable(_)) if Instant::now() < deadline => tokio::task::yield_now().await,
            result => return Ok(result?),
        }
    }
}

async fn save(store: &PostgresStore, by: &UserId, number: usize) -> anyhow::Result<bool> {
    let url = format!("https://example.com/{number}");
    let idempotency = Idempotency { key: IdempotencyKey::of_client(&number.to_string())?, fingerprint: url.clone() };
    let request = Request { idempotency: Some(idempotency), ..Request::by(by.clone()) };
    let command: AddUrlToLibrary = saving(&url, None, &[]);
    // The stored answer for the key is the same, in case the first one was lost with the connection.
    Ok(until_answered(|| execute(store, &request, &command)).await?.created)
}

async fn flush_round(store: &PostgresStore) -> cardwire_domain::Result<usize> {
    let unavailable = |error: cardwire_events::Error| Error::Unavailable(error.to_string());
    let owed = store.lease(Queue::Feeds, 200, None).await.map_err(unavailable)?.events;
    let events: Vec<_> = owed.iter().map(|owed| decode(owed).expect("the store's own events can be decoded")).collect();
    store.add_activities(&windows(&events)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_dies_under_load_loses_and_doubles_nothing() -> anyhow::Result<()> {
    const SAVERS: usize = 8;
    const EACH: usize = 60;
    let mut server = Postgres::start()?;
    let database = server.database().await?;
    let store = connect(database.url());
    let done = Arc::new(AtomicBool::new(false));
    let savers: Vec<_> = (0..SAVERS)
        .map(|saver| {
            let store = store.clone();
            tokio::spawn(async move {
                for number in 0..EACH {
                    let created = save(&store, &person(&format!("p{saver}")), saver * EACH + number).await?;
                    assert!(created, "the first answer is repeated");
                }
                anyhow::Ok(())
            })
        })
        .collect();
    let flushers: Vec<_> = (0..2)
        .map(|_| {
            let (store, done) = (store.clone(), Arc::clone(&done));
            tokio::spawn(async move {
                while !done.load(Ordering::Relaxed) {
                    until_answered(|| flush_round(&store)).await?;
                }
                anyhow::Ok(())
            })
        })
        .collect();
    for restarts in 1..=2 {
        while count(store.pool(), "SELECT count(*) FROM cards").await < restarts * 100 {
            tokio::task::yield_now().await;
        }
        server.restart_immediate()?;
        until_answered(|| store.ping()).await?;
    }
    for saver in savers {
        saver.await??;
    }
    done.store(true, Ordering::Relaxed);
    for flusher in flushers {
        flusher.await??;
    }
    // Leases of dead flushes run out by themselves; here that is done at once.
    sqlx::query("UPDATE deliveries SET due_at = now()").execute(store.pool()).await?;
    while flush_round(&store).await? > 0 {}
    let all = (SAVERS * EACH) as i64;
    for sql in [
        "SELECT count(*) FROM cards WHERE library_link IS NOT NULL",
        "SELECT count(*) FROM events",
        "SELECT count(*) FROM activities",
        "SELECT count(DISTINCT card_id) FROM activities",
        "SELECT count(*) FROM deliveries WHERE queue = 'search'",
        "SELECT count(*) FROM deliveries WHERE queue = 'analytics'",
    ] {
        assert_eq!(count(store.pool(), sql).await, all, "{sql}");
    }
    assert_eq!(count(store.pool(), "SELECT count(*) FROM deliveries WHERE queue = 'feeds'").await, 0);
    Ok(())
}

/// Committing an activity has to wait for the holder of this lock.
async fn gate_at_commit(database: &Database) -> anyhow::Result<PgConnection> {
    let mut gate = PgConnection::connect(database.url()).await?;
    sqlx::raw_sql(
        "CREATE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS \
             'BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END'; \
         CREATE CONSTRAINT TRIGGER gate AFTER INSERT ON activities DEFERRABLE INITIALLY DEFERRED \
             FOR EACH ROW EXECUTE FUNCTION gate(); \
         SELECT pg_advisory_lock(1)",
    )
    .execute(&mut gate)
    .await?;
    Ok(gate)
}

async fn in_commit(pool: &PgPool) -> i32 {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let sql = "SELECT pid FROM pg_stat_activity WHERE query = 'COMMIT' AND wait_event_type = 'Lock' \
                   AND datname = current_database()";
        if let Some(pid) = sqlx::query_scalar(sql).fetch_optional(pool).await.expect("the server answers the test") {
            return pid;
        }
        assert!(Instant::now() < deadline, "no flush got as far as its commit");
    }
}

async fn one_activity_of_three(store: &PostgresStore) -> anyhow::Result<()> {
    let feed = store.feed(None, &PageRequest::default()).await?.items;
    assert_eq!(feed.iter().map(|item| item.collections.len()).collect::<Vec<_>>(), [2]);
    let members = "SELECT cardinality(event_ids)::bigint FROM activities";
    assert_eq!(count(store.pool(), members).await, 3);
    let owed = "SELECT count(*) FROM deliveries WHERE queue = 'feeds' \
                AND event_id IN (SELECT id FROM events WHERE type <> 'CollectionCreated.v1')";
    assert_eq!(count(store.pool(), owed).await, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flush_whose_commit_was_cut_off_leaves_its_events_to_the_next() -> anyhow::Result<()> {
    let server = Postgres::start()?;
    let database = server.database().await?;
    let store = connect(database.url());
    let windows = one_window(&stores(&store), "alice").await?;
    let mut gate = gate_at_commit(&database).await?;
    let flushes: Vec<_> = (0..2)
        .map(|_| {
            let (store, windows) = (store.clone(), windows.clone());
            tokio::spawn(async move { store.add_activities(&windows).await })
        })
        .collect();
    let pid = in_commit(store.pool()).await;
    sqlx::query("SELECT pg_terminate_backend($1)").bind(pid).execute(store.pool()).await?;
    sqlx::query("SELECT pg_advisory_unlock(1)").execute(&mut gate).await?;
    let mut outcomes = Vec::new();
    for flush in flushes {
        outcomes.push(match flush.await? {
            Ok(taken) => taken,
            Err(Error::Unavailable(_)) => usize::MAX,
            Err(error) => return Err(error.into()),
        });
    }
    outcomes.sort_unstable();
    assert_eq!(outcomes, [3, usize::MAX], "the one that was cut off took nothing, the other everything");
    one_activity_of_three(&store).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flush_whose_commit_was_never_confirmed_is_not_repeated() -> anyhow::Result<()> {
    let server = Postgres::start()?;
    let database = server.database().await?;
    let store = connect(database.url());
    let windows = one_window(&stores(&store), "alice").await?;
    let mut gate = gate_at_commit(&database).await?;
    let port = server.port().expect("the server is the test's own");
    let proxy = Proxy::start(port).await;
    let url = database.url().replace(&format!(":{port}/"), &format!(":{}/", proxy.port()));
    let settings = PoolSettings { batch_ms: 1_000, lock_ms: 20_000, ..PoolSettings::default() };
    let far = PostgresStore::connect(&url, settings, Handover::default())?;
    let flush = {
        let (far, windows) = (far.clone(), windows.clone());
        tokio::spawn(async move { far.add_activities(&windows).await })
    };
    in_commit(store.pool()).await;
    proxy.set(Fault::DropReplies);
    sqlx::query("SELECT pg_advisory_unlock(1)").execute(&mut gate).await?;
    let outcome = flush.await?;
    assert!(matches!(outcome, Err(Error::Unavailable(_))), "{outcome:?}");
    proxy.set(Fault::None);
    assert_eq!(far.add_activities(&windows).await?, 0, "it was committed");
    assert_eq!(store.add_activities(&windows).await?, 0);
    one_activity_of_three(&store).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flushes_whose_connections_die_anywhere_make_one_activity() -> anyhow::Result<()> {
    let server = Postgres::start()?;
    let database = server.database().await?;
    let store = connect(database.url());
    // Only its one connection is spared.
    let settings = PoolSettings { max_connections: 1, ..PoolSettings::default() };
    let killer = PostgresStore::connect(database.url(), settings, Handover::default())?;
    let mut killed = 0;
    for round in 0..30 {
        let windows = one_window(&stores(&killer), &format!("p{round}")).await?;
        let flushes: Vec<_> = (0..3)
            .map(|_| {
                let (store, windows) = (store.clone(), windows.clone());
                tokio::spawn(async move { until_answered(|| store.add_activities(&windows)).await })
            })
            .collect();
        // Each round strikes a little later, so that every statement is hit in some round.
        for _ in 0..round % 10 {
            killer.ping().await?;
        }
        let sql = "SELECT count(*) FROM (SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                   WHERE datname = current_database() AND pid <> pg_backend_pid() \
                   AND (state <> 'idle' OR query = 'COMMIT')) x";
        killed += count(killer.pool(), sql).await;
        let mut taken = 0;
        for flush in flushes {
            taken += flush.await??;
        }
        assert!(taken == 3 || taken == 0, "a flush takes the window whole, or its answer was lost: {taken}");
        assert_eq!(count(killer.pool(), "SELECT count(*) FROM activities").await, round + 1);
        let split = "SELECT count(*) FROM activities WHERE cardinality(event_ids) <> 3";
        assert_eq!(count(killer.pool(), split).await, 0);
    }
    assert!(killed > 0, "no connection was hit");
    Ok(())
}

async fn unavailable_soon<T: std::fmt::Debug>(what: &str, run: impl Future<Output = Result<T, Error>>) {
    let asked = Instant::now();
    let outcome = run.await;
    assert!(matches!(outcome, Err(Error::Unavailable(_))), "{what}: {outcome:?}");
    assert!(asked.elapsed() < Duration::from_secs(3), "{what} took {:?}", asked.elapsed());
}

async fn everything_is_unavailable_soon(store: &PostgresStore) {
    let alice = person("alice");
    let command = saving("https://example.com/away", None, &[]);
    let page = PageRequest::default();
    unavailable_soon("a save", execute(store, &Request::by(alice.clone()), &command)).await;
    unavailable_soon("the feed", store.feed(None, &page)).await;
    unavailable_soon("a library", store.library(&alice, &LibraryFilter::default(), &page)).await;
    unavailable_soon("a ping", store.ping()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_away_is_noticed_within_three_seconds_and_found_again() -> anyhow::Result<()> {
    let mut server = Postgres::start()?;
    let database = server.database().await?;
    let store = connect(database.url());
    let all = stores(&store);
    all.save(&person("alice"), "https://example.com/before").await?;
    server.stop()?;
    everything_is_unavailable_soon(&store).await;
    server.resume()?;
    all.save(&person("alice"), "https://example.com/after").await?;
    assert_eq!(all.library_of(&person("alice")).await?.len(), 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_is_noticed_within_three_seconds_and_found_again() -> anyhow::Result<()> {
    let server = Postgres::start()?;
    let database = server.database().await?;
    let store = connect(database.url());
    let all = stores(&store);
    all.save(&person("alice"), "https://example.com/before").await?;
    server.signal(Signal::SIGSTOP)?;
    everything_is_unavailable_soon(&store).await;
    server.signal(Signal::SIGCONT)?;
    until_answered(|| store.ping()).await?;
    all.save(&person("alice"), "https://example.com/after").await?;
    assert_eq!(all.library_of(&person("alice")).await?.len(), 2);
    Ok(())
}

/// What sessions see if their server was the primary before a failover.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_whose_server_takes_no_writes_any_more_is_thrown_away() -> anyhow::Result<()> {
    let server = Postgres::start()?;
    let database = server.database().await?;
    let settings = PoolSettings { max_connections: 1, ..PoolSettings::default() };
    let store = PostgresStore::connect(database.url(), settings, Handover::default())?;
    let (alice, command) = (person("alice"), saving("https://example.com/", None, &[]));
    let make_read_only = || sqlx::query("SET default_transaction_read_only = on").execute(store.pool());
    make_read_only().await?;
    let refused = execute(&store, &Request::by(alice.clone()), &command).await.unwrap_err();
    assert!(matches!(&refused, Error::Unavailable(why) if why.contains("read-only")), "{refused}");
    execute(&store, &Request::by(alice), &command).await?;

    make_read_only().await?;
    let told = store.ping().await.unwrap_err().to_string();
    assert!(told.contains("read-only"), "what a process that is not ready says: {told}");
    store.ping().await?;
    Ok(())
}
