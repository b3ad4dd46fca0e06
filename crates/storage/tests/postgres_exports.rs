//! Exporting one collection reads it by its links, however large the library is.

use cardwire_domain::library::LibraryRepository;
use cardwire_domain::{Limit, PageRequest, UserId};
use cardwire_events::Handover;
use cardwire_storage::PostgresStore;
use cardwire_storage::postgres::PoolSettings;
use cardwire_testkit::postgres::Postgres;
use sqlx::PgPool;

/// A library of 6,000 cards, ten in each collection.
async fn fill(pool: &PgPool) -> anyhow::Result<()> {
    for sql in [
        "INSERT INTO collections (id, author_id, name, description, access) \
         SELECT lpad(to_hex(n), 32, '0')::uuid, 'did:plc:alice', 'n' || n, '', 'CLOSED' FROM generate_series(1, 600) n",
        "INSERT INTO cards (id, owner_id, url, normalised_url, url_digest, library_link, library_at) \
         SELECT lpad(to_hex(n), 32, '0')::uuid, 'did:plc:alice', u, u, sha256(u::bytea), gen_random_uuid(), now() - n * interval '1 minute' \
         FROM generate_series(1, 6000) n, LATERAL (SELECT 'https://h.example/' || n AS u) x",
        "INSERT INTO links (id, card_id, collection_id) \
         SELECT gen_random_uuid(), lpad(to_hex(n), 32, '0')::uuid, lpad(to_hex(n / 10 + 1), 32, '0')::uuid \
         FROM generate_series(1, 5999) n",
        "VACUUM ANALYZE",
    ] {
        sqlx::query(sql).execute(pool).await?;
    }
    Ok(())
}

/// Index entries of cards and links that were read.
async fn reads(pool: &PgPool) -> anyhow::Result<i64> {
    sqlx::query("SELECT pg_stat_force_next_flush()").execute(pool).await?;
    let sql = "SELECT sum(idx_tup_read)::bigint FROM pg_stat_user_indexes WHERE relname IN ('cards', 'links')";
    Ok(sqlx::query_scalar(sql).fetch_one(pool).await?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_collection_costs_what_it_holds() -> anyhow::Result<()> {
    let server = Postgres::start()?;
    let database = server.database().await?;
    // One connection, so that its statistics can be read.
    let settings = PoolSettings { batch_ms: 120_000, max_connections: 1, ..PoolSettings::default() };
    let store = PostgresStore::connect(database.url(), settings, Handover::default())?;
    fill(store.pool()).await?;
    let alice = UserId::parse("did:plc:alice")?;
    let names = store.names_of_collections(&alice, None, 600).await?;
    assert_eq!(names.len(), 600);
    let page = PageRequest { limit: Limit::new(100)?, after: None };
    for namesakes in names.iter().step_by(60) {
        let before = reads(store.pool()).await?;
        let found = store.exported(&alice, Some(&namesakes.collections), &page).await?;
        assert!((9..=10).contains(&found.items.len()), "{namesakes:?}: {}", found.items.len());
        assert!(found.items.iter().all(|card| card.collections.contains_key(&namesakes.name)));
        let read = reads(store.pool()).await? - before;
        assert!(read <= 100, "{read} entries were read for {namesakes:?}");
    }
    Ok(())
}
