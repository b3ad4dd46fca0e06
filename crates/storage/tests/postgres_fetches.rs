//! The line of due pages at scale: how long it is does not matter.

use std::time::Instant;

use cardwire_domain::UserId;
use cardwire_domain::fetch_room::FetchRoom;
use cardwire_domain::metadata::{FetchPolicy, PageRepository};
use cardwire_domain::search::SearchIndex;
use cardwire_domain::use_cases::{AddUrlToLibrary, Request, execute};
use cardwire_events::Handover;
use cardwire_storage::PostgresStore;
use cardwire_storage::postgres::PoolSettings;
use cardwire_testkit::postgres::Postgres;
use sqlx::PgPool;

/// 100,000 pages of a hundred people wait on as many domains, and as many more are not due.
async fn fill(pool: &PgPool) -> anyhow::Result<()> {
    sqlx::query(
        "INSERT INTO pages (url_digest, url, host, next_fetch_at, asked_by, domain, by_person, by_domain, turn) \
         SELECT sha256(n::text::bytea), 'https://h' || n || '.example/', 'h' || n || '.example', now() - interval '1 hour', \
                'did:plc:p' || n % 100, 'h' || n || '.example', n / 100, n / 100, n / 100 \
         FROM generate_series(1, 100000) n \
         UNION ALL SELECT sha256(n::text::bytea), 'https://h' || n || '.example/', 'h' || n || '.example', \
                now() + interval '7 days', NULL, NULL, NULL, NULL, NULL FROM generate_series(100001, 200000) n",
    )
    .execute(pool)
    .await?;
    sqlx::query("VACUUM ANALYZE pages").execute(pool).await?;
    Ok(())
}

/// Entries read from the indexes of the line, and scans of the whole table.
async fn reads(pool: &PgPool) -> anyhow::Result<(i64, i64)> {
    sqlx::query("SELECT pg_stat_force_next_flush()").execute(pool).await?;
    let sql = "SELECT sum(i.idx_tup_read)::bigint, max(t.seq_scan) FROM pg_stat_user_indexes i \
               JOIN pg_stat_user_tables t USING (relid) WHERE i.indexrelname IN \
               ('pages_line', 'pages_line_of_person', 'pages_line_of_domain', 'pages_to_line_up')";
    Ok(sqlx::query_as(sql).fetch_one(pool).await?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_reads_the_front_of_the_line_alone() -> anyhow::Result<()> {
    let server = Postgres::start()?;
    let database = server.database().await?;
    // One connection, so that its statistics can be read.
    let settings = PoolSettings { batch_ms: 120_000, max_connections: 1, ..PoolSettings::default() };
    let store = PostgresStore::connect(database.url(), settings, Handover::default())?;
    fill(store.pool()).await?;

    let (before, scans) = reads(store.pool()).await?;
    let mut times = Vec::new();
    // More than five, so that prepared statements get their generic plan too.
    for _ in 0..8 {
        let asked = Instant::now();
        let room = FetchRoom { per_host: 2, share: 16, ..FetchRoom::idle(32) };
        assert_eq!(store.lease_fetches(&room, &FetchPolicy::default()).await?.len(), 32);
        times.push(asked.elapsed());
    }
    times.sort();
    let (after, scanned) = reads(store.pool()).await?;
    println!("100,000 due pages: a lease takes {:?} and reads {} entries", times[4], (after - before) / 8);
    assert_eq!(scanned, scans, "the table was scanned for a lease");
    // The front, and what earlier leases took out of it.
    assert!((8 * 32..=8 * 800).contains(&(after - before)), "{} entries were read for 8 leases", after - before);

    let ann = Request::by(UserId::parse("did:plc:p7")?);
    for n in 0..8 {
        let url = format!("https://new.h{n}.example/");
        execute(&store, &ann, &AddUrlToLibrary { url, ..AddUrlToLibrary::default() }).await?;
    }
    let (before, scans) = reads(store.pool()).await?;
    store.reindex(None, 100).await?;
    let (after, scanned) = reads(store.pool()).await?;
    assert_eq!(scanned, scans, "the table was scanned to find a place in line");
    assert!((1..=600).contains(&(after - before)), "{} entries were read to line up 8 pages", after - before);
    Ok(())
}
