//! A search reads only everybody's words and the reader's own.

use cardwire_domain::search::{SearchIndex, SearchRequest};
use cardwire_domain::{PageRequest, UserId};
use cardwire_events::Handover;
use cardwire_storage::PostgresStore;
use cardwire_storage::postgres::PoolSettings;
use cardwire_testkit::postgres::Postgres;
use sqlx::PgPool;

/// For everybody, and for each of 400 people.
const WORDS: i32 = 20;

/// Long words around `garden`, which no page contains.
async fn fill(pool: &PgPool) -> anyhow::Result<()> {
    sqlx::query(
        "INSERT INTO search_words (owner_id, word) \
         SELECT o.id, 'a' || chr(96 + n) || 'garden' || chr(96 + n) \
         FROM (SELECT '' AS id UNION ALL SELECT 'did:plc:p' || m FROM generate_series(1, 400) m) o, \
              generate_series(1, $1) n",
    )
    .bind(WORDS)
    .execute(pool)
    .await?;
    sqlx::query("VACUUM ANALYZE search_words").execute(pool).await?;
    Ok(())
}

/// Entries of indexes of words that were read, and scans of the whole table.
async fn reads(pool: &PgPool) -> anyhow::Result<(i64, i64)> {
    sqlx::query("SELECT pg_stat_force_next_flush()").execute(pool).await?;
    let sql = "SELECT sum(i.idx_tup_read)::bigint, max(t.seq_scan) FROM pg_stat_user_indexes i \
               JOIN pg_stat_user_tables t USING (relid) WHERE i.relname = 'search_words'";
    Ok(sqlx::query_as(sql).fetch_one(pool).await?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_peoples_own_words_are_not_read() -> anyhow::Result<()> {
    let server = Postgres::start()?;
    let database = server.database().await?;
    // One connection, so that its statistics can be read.
    let settings = PoolSettings { batch_ms: 120_000, max_connections: 1, ..PoolSettings::default() };
    let store = PostgresStore::connect(database.url(), settings, Handover::default())?;
    fill(store.pool()).await?;
    for reader in [None, Some(UserId::parse("did:plc:p7")?)] {
        // A part of words, and a word that is misspelt.
        for text in ["garden", "aagardnea"] {
            // More than five times, so that prepared statements get their generic plan too.
            for _ in 0..7 {
                let (before, scans) = reads(store.pool()).await?;
                let request = SearchRequest { text: text.into(), reader: reader.clone(), ..SearchRequest::default() };
                store.search(&request, &PageRequest::default()).await?;
                let (after, scanned) = reads(store.pool()).await?;
                assert_eq!(scanned, scans, "the table was scanned for {text}");
                // In each of three statements, everybody's and the reader's own.
                let most = i64::from(3 * 2 * WORDS);
                assert!(after - before <= most, "{} entries were read for {text} by {reader:?}", after - before);
            }
        }
    }
    Ok(())
}
