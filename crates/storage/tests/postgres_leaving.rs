//! An account is deleted while commands that name its owner are on their way to PostgreSQL. Each command is either
//! committed before the account is marked as deleted, and its rows are deleted with it, or refused.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use async_trait::async_trait;
use cardwire_domain::accounts::TokenHash;
use cardwire_domain::collection::AccessType;
use cardwire_domain::imports::NewImport;
use cardwire_domain::profile::ProfileChange;
use cardwire_domain::use_cases::{BlockPerson, renew_identities};
use cardwire_domain::{CollectionId, ImportId, UserId, Visibility};
use cardwire_events::operations::Action;
use cardwire_events::{Handover, Queue};
use cardwire_storage::PostgresStore;
use cardwire_storage::postgres::PoolSettings;
use cardwire_testkit::postgres::{Database, Postgres};
use cardwire_testkit::remains;
use cardwire_testkit::store_suite::leaving::is_leaving;
use cardwire_testkit::store_suite::scene::{refused, saving};
use cardwire_testkit::store_suite::{Stores, TimeMachine};
use sqlx::types::Uuid;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};

/// Longer than anything waits in a test.
const PATIENCE_MS: u64 = 60_000;

/// Keeps the database, and its server, until the test ends.
struct Place {
    pool: PgPool,
    _database: Database,
    _server: Postgres,
}

#[async_trait]
impl TimeMachine for Place {
    async fn advance(&self, by: Duration) {
        panic!("nobody moves the time by {by:?}");
    }

    async fn holding(&self, text: &str) -> Vec<String> {
        remains::in_postgres(&self.pool, text).await.expect("the database of the case answers")
    }
}

/// And a connection that keeps others waiting.
async fn stores() -> anyhow::Result<(Stores, PgPool, PgConnection)> {
    let server = Postgres::shared()?;
    let database = server.database().await?;
    let settings =
        PoolSettings { answer_ms: PATIENCE_MS, batch_ms: PATIENCE_MS, lock_ms: PATIENCE_MS, ..PoolSettings::default() };
    let store = PostgresStore::connect(database.url(), settings, Handover::default())?;
    let (pool, gate) = (store.pool().clone(), PgConnection::connect(database.url()).await?);
    let place = Place { pool: pool.clone(), _database: database, _server: server };
    Ok((Stores::of(Arc::new(store), Arc::new(place)), pool, gate))
}

macro_rules! waits {
    ($condition:literal) => {
        concat!(
            "SELECT EXISTS (SELECT FROM pg_stat_activity \
             WHERE datname = current_database() AND wait_event_type = 'Lock' AND ",
            $condition,
            ")"
        )
    };
}
const AT_THE_GATE: &str = waits!("wait_event = 'advisory'");
const A_SAVE: &str = waits!("query ~ '^WITH (held|new_cards) AS'");
const A_DELETION: &str = waits!("query LIKE 'UPDATE users SET deleted_at%'");

async fn is_waiting(pool: &PgPool, who: &'static str) -> anyhow::Result<bool> {
    Ok(sqlx::query_scalar(who).fetch_one(pool).await?)
}

async fn until_waiting(pool: &PgPool, who: &'static str) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_waiting(pool, who).await? {
        ensure!(Instant::now() < deadline, "nobody waits: {who}");
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// Each commit of a new row in these tables has to pass the gate.
async fn gate_at(gate: &mut PgConnection, tables: &[&str]) -> anyhow::Result<()> {
    let function = "CREATE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS \
                    'BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END'";
    sqlx::raw_sql(function).execute(&mut *gate).await?;
    for table in tables {
        let trigger = format!(
            "CREATE CONSTRAINT TRIGGER gate AFTER INSERT ON {table} DEFERRABLE INITIALLY DEFERRED \
             FOR EACH ROW EXECUTE FUNCTION gate()"
        );
        sqlx::raw_sql(AssertSqlSafe(trigger)).execute(&mut *gate).await?;
    }
    Ok(())
}

async fn close(gate: &mut PgConnection) -> anyhow::Result<()> {
    sqlx::query("SELECT pg_advisory_lock(1)").execute(gate).await?;
    Ok(())
}

async fn open(gate: &mut PgConnection) -> anyhow::Result<()> {
    sqlx::query("SELECT pg_advisory_unlock(1)").execute(gate).await?;
    Ok(())
}

const NAMING: [&str; 9] = [
    "cards",
    "imports",
    "profiles",
    "invites",
    "blocks",
    "invitations",
    "collaborators",
    "queue_pauses",
    "search_rebuilds",
];

/// Writes a row of this table that names Alice.
async fn name(stores: Stores, table: &str, alice: UserId, bob: UserId, his: CollectionId) -> anyhow::Result<()> {
    match table {
        "cards" => {
            stores.save_with(&alice, "https://example.com/late", Some("a note"), &[his]).await?;
        }
        "imports" => {
            let (id, file_name) = (ImportId::generate(), "late.html".to_owned());
            let import = NewImport { id, owner: alice, file_name, collection: None, is_check: false };
            stores.imports.open_import(&import).await?;
        }
        "profiles" => {
            let change = ProfileChange { default_visibility: Some(Visibility::Private), ..ProfileChange::default() };
            stores.accounts.change_profile(&alice, &change).await?;
        }
        "invites" => {
            stores.accounts.create_invite(&alice, &TokenHash([1; 32])).await?;
        }
        "blocks" => stores.run(&bob, &BlockPerson { person: alice }).await?,
        "invitations" => stores.invite(&bob, his, &[&alice]).await?,
        "collaborators" => stores.accept(&alice, his).await?,
        "queue_pauses" => {
            let (queue, reason) = (Queue::Search, None);
            stores.operator.act(&alice, &Action::Pause { queue, reason }).await?;
        }
        "search_rebuilds" => {
            stores.rebuilds.request(&alice).await?;
        }
        other => bail!("nothing is known to write to {other}"),
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_is_marked_as_deleted_after_whatever_is_on_its_way() -> anyhow::Result<()> {
    let (stores, pool, mut gate) = stores().await?;
    let bob = stores.sign_up("bob.the.builder").await?.user.id;
    let his = stores.collection(&bob, "His", AccessType::Open).await?;
    gate_at(&mut gate, &NAMING).await?;
    for table in NAMING {
        let alice = stores.sign_up(&format!("alice.{table}")).await?;
        if table == "collaborators" {
            stores.invite(&bob, his, &[&alice.user.id]).await?;
        }
        close(&mut gate).await?;
        let command = tokio::spawn(name(stores.clone(), table, alice.user.id.clone(), bob.clone(), his));
        until_waiting(&pool, AT_THE_GATE).await?;
        let deletion = tokio::spawn({
            let (accounts, alice) = (stores.accounts.clone(), alice.clone());
            async move { accounts.delete_account(&alice).await }
        });
        let deadline = Instant::now() + Duration::from_secs(20);
        while !is_waiting(&pool, A_DELETION).await? {
            ensure!(Instant::now() < deadline, "the deletion does not come to {table}");
            ensure!(!deletion.is_finished(), "the account is marked while a row of {table} is on its way");
        }
        open(&mut gate).await?;
        command.await??;
        ensure!(deletion.await??, "{table}");
        stores.let_leave().await?;
        let named = stores.naming(&alice).await;
        ensure!(named.is_empty(), "{table}: {} is named by {named:?}", alice.user.id);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_save_that_waits_for_a_deletion_is_refused() -> anyhow::Result<()> {
    let (stores, pool, mut gate) = stores().await?;
    let alice = stores.sign_up("alice.in.chains").await?;
    gate_at(&mut gate, &["leaving"]).await?;
    close(&mut gate).await?;
    let deletion = tokio::spawn({
        let (accounts, alice) = (stores.accounts.clone(), alice.clone());
        async move { accounts.delete_account(&alice).await }
    });
    until_waiting(&pool, AT_THE_GATE).await?;
    let save = tokio::spawn({
        let (stores, person) = (stores.clone(), alice.user.id.clone());
        async move { stores.run(&person, &saving("https://example.com/late", None, &[])).await }
    });
    until_waiting(&pool, A_SAVE).await?;
    open(&mut gate).await?;
    ensure!(deletion.await??);
    refused(save.await?, is_leaving)?;
    stores.let_leave().await?;
    let named = stores.naming(&alice).await;
    ensure!(named.is_empty(), "{} is named by {named:?}", alice.user.id);
    Ok(())
}

/// Its statement began while the account existed, and continues when nothing is left of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_save_that_outlives_the_deletion_of_its_account_is_refused() -> anyhow::Result<()> {
    let (stores, pool, mut gate) = stores().await?;
    let alice = stores.sign_up("alice.in.chains").await?;
    let bob = stores.sign_up("bob.the.builder").await?.user.id;
    let his = stores.collection(&bob, "His", AccessType::Open).await?;
    let mut held = gate.begin().await?;
    let hold = "SELECT 1 FROM collections WHERE id = $1 FOR UPDATE";
    sqlx::query(hold).bind(Uuid::from_u128(his.ulid().0)).execute(&mut *held).await?;
    let save = tokio::spawn({
        let (stores, person) = (stores.clone(), alice.user.id.clone());
        async move { stores.run(&person, &saving("https://example.com/late", Some("a note"), &[his])).await }
    });
    until_waiting(&pool, A_SAVE).await?;
    ensure!(stores.accounts.delete_account(&alice).await?);
    stores.let_leave().await?;
    let named = stores.naming(&alice).await;
    ensure!(named.is_empty(), "{} is named by {named:?}", alice.user.id);
    held.rollback().await?;
    refused(save.await?, is_leaving)?;
    let named = stores.naming(&alice).await;
    ensure!(named.is_empty(), "{} is named by {named:?} afterwards", alice.user.id);
    Ok(())
}

/// By new rules for URLs: the event names the card's owner.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_is_marked_as_deleted_after_its_card_has_got_another_url() -> anyhow::Result<()> {
    let (stores, pool, mut gate) = stores().await?;
    let alice = stores.sign_up("alice.in.chains").await?;
    stores.save(&alice.user.id, "https://example.com/late?igsh=1").await?;
    let outdate =
        "UPDATE cards SET normalised_url = url, url_digest = sha256(convert_to(url, 'UTF8')), identity_version = 0";
    sqlx::query(outdate).execute(&pool).await?;
    gate_at(&mut gate, &["events"]).await?;
    close(&mut gate).await?;
    let look = tokio::spawn({
        let store = stores.store.clone();
        async move { renew_identities(&*store, None, 10).await }
    });
    until_waiting(&pool, AT_THE_GATE).await?;
    let deletion = tokio::spawn({
        let (accounts, alice) = (stores.accounts.clone(), alice.clone());
        async move { accounts.delete_account(&alice).await }
    });
    until_waiting(&pool, A_DELETION).await?;
    open(&mut gate).await?;
    let looked = look.await??;
    ensure!(looked.failed.is_empty(), "{looked:?}");
    ensure!(deletion.await??);
    let changed = "SELECT count(*) FROM events WHERE type LIKE 'CardUrlChanged.%'";
    ensure!(sqlx::query_scalar::<_, i64>(changed).fetch_one(&pool).await? == 1);
    stores.let_leave().await?;
    let named = stores.naming(&alice).await;
    ensure!(named.is_empty(), "{} is named by {named:?}", alice.user.id);
    Ok(())
}
