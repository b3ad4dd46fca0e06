//! The live feed on PostgreSQL: the effects of other transactions.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cardwire_domain::feed::{FeedRepository, StreamCursor};
use cardwire_domain::{ActivityId, EventId, UserId};
use cardwire_events::Handover;
use cardwire_storage::PostgresStore;
use cardwire_storage::postgres::PoolSettings;
use cardwire_testkit::postgres::{Database, Postgres};
use cardwire_testkit::store_suite::{Stores, TimeMachine};
use jiff::Timestamp;
use sqlx::{Connection, PgConnection};

/// Time stands still.
struct Now;

#[async_trait]
impl TimeMachine for Now {
    async fn advance(&self, by: Duration) {
        panic!("nobody moves the time by {by:?}");
    }

    async fn redate(&self, id: EventId, _: Timestamp) {
        panic!("nobody moves {id}");
    }

    async fn retype(&self, id: EventId, _: &str) {
        panic!("nobody changes {id}");
    }
}

async fn stores(database: &Database) -> anyhow::Result<(Stores, PostgresStore)> {
    let store = PostgresStore::connect(database.url(), PoolSettings::default(), Handover::default())?;
    Ok((Stores::of(Arc::new(store.clone()), Arc::new(Now)), store))
}

async fn save(stores: &Stores, name: &str) -> anyhow::Result<()> {
    let person = UserId::parse(&format!("did:plc:{name}"))?;
    stores.save(&person, &format!("https://example.com/{name}")).await?;
    stores.flush_feed().await?;
    Ok(())
}

/// A report, somebody else's migration, a forgotten psql: a transaction that has written something and has not
/// committed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_left_open_stops_nobodys_live_feed() -> anyhow::Result<()> {
    let server = Postgres::start()?;
    let (database, other) = (server.database().await?, server.database().await?);
    let (stores, store) = stores(&database).await?;
    let mut forgotten = Vec::new();
    for url in [database.url(), other.url()] {
        let mut connection = PgConnection::connect(url).await?;
        sqlx::raw_sql("BEGIN; CREATE TABLE forgotten (n integer)").execute(&mut connection).await?;
        forgotten.push(connection);
    }
    let end = store.stream_end().await?;
    save(&stores, "alice").await?;
    assert_eq!(store.stream(end, 10).await?.len(), 1, "it is told although both transactions are open");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_of_an_older_release_goes_on_with_what_is_new() -> anyhow::Result<()> {
    let server = Postgres::start()?;
    let database = server.database().await?;
    let (stores, store) = stores(&database).await?;
    save(&stores, "before").await?;
    // As at that time: including the id of its transaction, which cursors also used.
    sqlx::query("UPDATE activities SET epoch = pg_current_xact_id()").execute(store.pool()).await?;
    let sql = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text";
    let xmin: String = sqlx::query_scalar(sql).fetch_one(store.pool()).await?;
    let cursor = StreamCursor { epoch: xmin.parse()?, id: ActivityId::from_ulid(ulid::Ulid::nil()) };
    for name in ["alice", "bob"] {
        save(&stores, name).await?;
    }
    let behind = store.stream(cursor, 10).await?;
    let people: Vec<_> = behind.iter().map(|(_, item)| item.actor.id.as_str()).collect();
    assert_eq!(people, ["did:plc:alice", "did:plc:bob"]);
    assert_eq!(store.stream(behind[0].0, 10).await?.len(), 1);
    Ok(())
}
