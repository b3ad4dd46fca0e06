//! The feed at scale: the depth of a page does not matter.

use std::time::{Duration, Instant};

use cardwire_domain::feed::FeedRepository;
use cardwire_domain::{PageRequest, Position, UserId};
use cardwire_events::Handover;
use cardwire_storage::PostgresStore;
use cardwire_storage::postgres::PoolSettings;
use cardwire_testkit::postgres::Postgres;
use sqlx::PgPool;

/// `CARDWIRE_FEED_SIZE=1000000` for the figures of the documentation.
fn size() -> i64 {
    std::env::var("CARDWIRE_FEED_SIZE").ok().and_then(|size| size.parse().ok()).unwrap_or(200_000)
}

/// Activities of a hundred people on a thousand cards, ten in the same microsecond, each of one link to the library.
async fn fill(pool: &PgPool, size: i64) -> anyhow::Result<()> {
    sqlx::query(
        "INSERT INTO cards (id, owner_id, url, normalised_url, url_digest, library_link, library_at) \
         SELECT lpad(to_hex(n), 32, '0')::uuid, 'did:plc:p' || n % 100, 'https://example.com/' || n, \
                'https://example.com/' || n, sha256(n::text::bytea), lpad(to_hex(n), 32, 'a')::uuid, now() \
         FROM generate_series(1, 1000) n",
    )
    .execute(pool)
    .await?;
    sqlx::query(
        "INSERT INTO activities (id, card_id, actor_id, created_at, window_start, event_ids, occurred_ats, \
                                 link_ids, collection_ids) \
         SELECT md5(n::text)::uuid, lpad(to_hex(1 + n % 1000), 32, '0')::uuid, 'did:plc:p' || (1 + n % 1000) % 100, \
                at, at, ARRAY[md5(n::text)::uuid], ARRAY[at], ARRAY[lpad(to_hex(1 + n % 1000), 32, 'a')::uuid], \
                ARRAY[NULL::uuid] \
         FROM (SELECT n, timestamptz '2026-01-01 00:00Z' + n / 10 * interval '1 second' AS at \
               FROM generate_series(1, $1) n) x",
    )
    .bind(size)
    .execute(pool)
    .await?;
    sqlx::query("VACUUM ANALYZE activities").execute(pool).await?;
    sqlx::query("ANALYZE cards").execute(pool).await?;
    Ok(())
}

/// The median of many reads.
async fn typical(store: &PostgresStore, actor: Option<&UserId>, page: &PageRequest) -> anyhow::Result<Duration> {
    let mut times = Vec::new();
    for _ in 0..41 {
        let asked = Instant::now();
        assert_eq!(store.feed(actor, page).await?.items.len(), 20);
        times.push(asked.elapsed());
    }
    times.sort();
    Ok(times[times.len() / 2])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deep_page_costs_what_the_first_one_costs() -> anyhow::Result<()> {
    let server = Postgres::start()?;
    let database = server.database().await?;
    // The server's time-out for statements is for commands, not for creating a million rows.
    let settings = PoolSettings { batch_ms: 120_000, ..PoolSettings::default() };
    let store = PostgresStore::connect(database.url(), settings, Handover::default())?;
    let size = size();
    fill(store.pool(), size).await?;
    let (at, id): (i64, String) = sqlx::query_as(
        "SELECT (extract(epoch FROM created_at) * 1000000)::bigint, replace(id::text, '-', '') FROM activities \
         ORDER BY created_at DESC, id DESC OFFSET $1 LIMIT 1",
    )
    .bind(size / 2)
    .fetch_one(store.pool())
    .await?;
    let id = ulid::Ulid(u128::from_str_radix(&id, 16)?).to_string();
    let first = PageRequest::default();
    let deep = PageRequest { after: Some(Position { key: at, id }), ..PageRequest::default() };
    let person = UserId::parse("did:plc:p7")?;
    for actor in [None, Some(&person)] {
        let (first, deep) = (typical(&store, actor, &first).await?, typical(&store, actor, &deep).await?);
        println!("{size} activities, actor {actor:?}: first page {first:?}, {} deep {deep:?}", size / 2);
        // A floor, so that noise in pages of less than a millisecond does not fail the test.
        let limit = (first * 2).max(Duration::from_millis(2));
        assert!(deep <= limit, "first page {first:?}, deep page {deep:?}");
    }
    Ok(())
}

/// Entries read from each index of activities, and scans of the whole table.
async fn reads(pool: &PgPool, index: &str) -> anyhow::Result<(i64, i64)> {
    sqlx::query("SELECT pg_stat_force_next_flush()").execute(pool).await?;
    let sql = "SELECT i.idx_tup_read, t.seq_scan FROM pg_stat_user_indexes i JOIN pg_stat_user_tables t USING (relid) \
               WHERE i.indexrelname = $1";
    Ok(sqlx::query_as(sql).bind(index).fetch_one(pool).await?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_reads_no_more_entries_than_it_shows() -> anyhow::Result<()> {
    let server = Postgres::start()?;
    let database = server.database().await?;
    // One connection, so that its statistics can be read.
    let settings = PoolSettings { batch_ms: 120_000, max_connections: 1, ..PoolSettings::default() };
    let store = PostgresStore::connect(database.url(), settings, Handover::default())?;
    fill(store.pool(), 20_000).await?;
    let person = UserId::parse("did:plc:p7")?;
    for (actor, index) in [(None, "activities_feed"), (Some(&person), "activities_actor")] {
        let (before, scans) = reads(store.pool(), index).await?;
        let mut page = PageRequest::default();
        // More than five reads, so that prepared statements get their generic plan too.
        for _ in 0..8 {
            page.after = store.feed(actor, &page).await?.next;
            assert!(page.after.is_some(), "there are more pages");
        }
        let (after, scanned) = reads(store.pool(), index).await?;
        assert_eq!(scanned, scans, "the table was scanned for the feed of {actor:?}");
        assert!((1..=8 * 22).contains(&(after - before)), "{} entries were read for 8 pages of 20", after - before);
    }
    Ok(())
}
