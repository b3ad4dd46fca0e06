//! Trends are found at the front of an index, however much was saved.

use std::time::Instant;

use cardwire_domain::analytics::Analytics;
use cardwire_events::Handover;
use cardwire_storage::PostgresStore;
use cardwire_storage::postgres::PoolSettings;
use cardwire_testkit::postgres::Postgres;
use sqlx::PgPool;

/// URLs that somebody keeps, each saved on five days, the last of them three days ago.
const URLS: i64 = 40_000;

async fn fill(pool: &PgPool) -> anyhow::Result<()> {
    for sql in [
        "INSERT INTO cards (id, owner_id, url, normalised_url, url_digest, library_link, library_at) \
         SELECT gen_random_uuid(), 'did:plc:p' || d, u, u, sha256(u::bytea), gen_random_uuid(), now() - d * interval '1 day' \
         FROM generate_series(1, $1) n, generate_series(3, 7) d, LATERAL (SELECT 'https://h.example/' || n AS u) x",
        "INSERT INTO trend_days (subject, key, day, saves) \
         SELECT 'url', url_digest, (library_at AT TIME ZONE 'UTC')::date, count(*) FROM cards WHERE $1 > 0 GROUP BY 2, 3",
        "INSERT INTO trends (subject, key, total, d7, d30, d90, d366) \
         SELECT subject, key, sum(saves), sum(saves), sum(saves), sum(saves), sum(saves) FROM trend_days WHERE $1 > 0 GROUP BY 1, 2",
    ] {
        sqlx::query(sql).bind(URLS).execute(pool).await?;
    }
    sqlx::query("VACUUM ANALYZE").execute(pool).await?;
    Ok(())
}

/// Index entries read of the days and of the totals, and scans of either table.
async fn reads(pool: &PgPool) -> anyhow::Result<(i64, i64)> {
    sqlx::query("SELECT pg_stat_force_next_flush()").execute(pool).await?;
    let sql = "SELECT sum(i.idx_tup_read)::bigint, (SELECT sum(seq_scan)::bigint FROM pg_stat_user_tables WHERE relname LIKE 'trend%' \
               AND relname <> 'trend_windows') FROM pg_stat_user_indexes i WHERE i.relname LIKE 'trend%'";
    Ok(sqlx::query_as(sql).fetch_one(pool).await?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_the_period_few_entries_are_read() -> anyhow::Result<()> {
    let server = Postgres::start()?;
    let database = server.database().await?;
    // One connection, so that its statistics can be read.
    let settings = PoolSettings { batch_ms: 120_000, max_connections: 1, ..PoolSettings::default() };
    let store = PostgresStore::connect(database.url(), settings, Handover::default())?;
    fill(store.pool()).await?;
    // A period without saves, one with a running total, and ones without.
    for (days, found) in [(1, 0), (7, 100), (8, 100), (30, 100), (45, 100), (366, 100)] {
        let (before, scans) = reads(store.pool()).await?;
        let asked = Instant::now();
        assert_eq!(store.top_urls(days, 100).await?.len(), found, "of {days} days");
        let took = asked.elapsed();
        let (after, scanned) = reads(store.pool()).await?;
        println!("{days} days of {} rows: {} entries read in {took:?}", 5 * URLS, after - before);
        assert_eq!(scanned, scans, "a table was scanned for {days} days");
        // The totals of the 2,000 that are looked at, and the days of each.
        assert!(after - before <= 2_000 * (1 + 5), "{} entries were read for {days} days", after - before);
    }
    Ok(())
}
