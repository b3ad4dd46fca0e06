//! Data from earlier releases, and what their processes keep writing until they are replaced.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use cardwire_domain::search::{Found, Renewal, Renewed, SearchIndex, SearchRequest};
use cardwire_domain::use_cases::renew_identities;
use cardwire_domain::{EventId, PageRequest};
use cardwire_events::{EventLog, Handover, Queue};
use cardwire_storage::PostgresStore;
use cardwire_storage::postgres::PoolSettings;
use cardwire_testkit::postgres::{Database, Postgres};
use sqlx::PgPool;
use sqlx::migrate::Migrator;
use sqlx::postgres::PgPoolOptions;
use sqlx::types::Uuid;
use ulid::Ulid;

/// A database with the migrations up to this one.
async fn migrated(server: &Arc<Postgres>, version: i64) -> anyhow::Result<(Database, PgPool)> {
    let database = server.database().await?;
    let pool = PgPoolOptions::new().max_connections(2).connect(database.url()).await?;
    sqlx::raw_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public").execute(&pool).await?;
    let mut migrator = Migrator::new(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations"))).await?;
    migrator.migrations.to_mut().retain(|migration| migration.version <= version);
    migrator.run(&pool).await?;
    Ok((database, pool))
}

/// Before deliveries were born published.
const OLD_LEDGER: i64 = 13;

/// How a relay of that time leased.
const OLD_LEASE: &str = "\
WITH due AS (
    SELECT d.queue, d.event_id FROM deliveries d
    WHERE d.queue = 'feeds' AND d.published_at IS NULL AND d.dead_at IS NULL
      AND (d.claimed_until IS NULL OR d.claimed_until <= now()) AND (d.not_before IS NULL OR d.not_before <= now())
    ORDER BY d.occurred_at, d.event_id FOR UPDATE SKIP LOCKED
)
UPDATE deliveries d SET claimed_until = now() + interval '10 seconds'
FROM due WHERE d.queue = due.queue AND d.event_id = due.event_id RETURNING d.event_id";

/// An event and its delivery, with these additional columns.
async fn owe(pool: &PgPool, columns: &str, values: &str) -> anyhow::Result<EventId> {
    let id = Ulid::generate();
    let hex = format!("{:032x}", id.0);
    let sql = format!(
        "INSERT INTO events (id, type, envelope, occurred_at) VALUES ('{hex}', 'CardNoteChanged.v1', '{{}}', now()); \
         INSERT INTO deliveries (queue, event_id, occurred_at {columns}) VALUES ('feeds', '{hex}', now() {values})"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(pool).await?;
    Ok(EventId::from_ulid(id))
}

async fn found(store: &PostgresStore) -> anyhow::Result<BTreeSet<EventId>> {
    let due = store.lease(Queue::Feeds, 100, None).await?;
    Ok(due.events.into_iter().map(|owed| owed.envelope.id).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_ledger_is_carried_over_while_old_processes_go_on() -> anyhow::Result<()> {
    let server = Arc::new(Postgres::start()?);
    let (database, pool) = migrated(&server, OLD_LEDGER).await?;
    let due = [
        owe(&pool, "", "").await?,
        owe(&pool, ", claimed_until", ", now() - interval '1 s'").await?,
        owe(&pool, ", published_at, resend_at", ", now() - interval '31 s', now() - interval '1 s'").await?,
        owe(&pool, ", not_before, tries", ", now() - interval '1 s', 1").await?,
    ];
    let later = [
        owe(&pool, ", claimed_until", ", now() + interval '10 s'").await?,
        owe(&pool, ", published_at, resend_at", ", now(), now() + interval '30 s'").await?,
        owe(&pool, ", not_before, tries", ", now() + interval '1 h', 1").await?,
    ];
    owe(&pool, ", dead_at, error", ", now(), 'poison'").await?;

    let settings = PoolSettings { whole_look_ms: 0, ..PoolSettings::default() };
    let store = PostgresStore::connect(database.url(), settings, Handover::default())?;
    store.migrate().await?;
    assert_eq!(found(&store).await?, BTreeSet::from(due), "what was due is due");
    sqlx::query("UPDATE deliveries SET due_at = due_at - interval '1 h'").execute(&pool).await?;
    assert_eq!(found(&store).await?, due.into_iter().chain(later).collect(), "all that is not dead is due some time");
    sqlx::query("DELETE FROM deliveries WHERE dead_at IS NULL").execute(&pool).await?;

    // An old process accepts one, and publishes it itself.
    let old = owe(&pool, "", "").await?;
    assert!(found(&store).await?.is_empty(), "its own relay has some seconds");
    assert_eq!(sqlx::query(OLD_LEASE).fetch_all(&pool).await?.len(), 1);
    // If it dies first, others find it.
    sqlx::query("UPDATE deliveries SET due_at = due_at - interval '11 s'").execute(&pool).await?;
    assert_eq!(found(&store).await?, BTreeSet::from([old]));
    sqlx::query("DELETE FROM deliveries WHERE dead_at IS NULL").execute(&pool).await?;

    // Old processes leave alone what a new one published.
    owe(&pool, ", published_at, due_at", ", now(), now() + interval '10 s'").await?;
    assert!(sqlx::query(OLD_LEASE).fetch_all(&pool).await?.is_empty());
    Ok(())
}

/// Before URLs were read by better rules.
const OLD_IDENTITY: i64 = 20;

/// A card in the library, as stored by a process of that time.
async fn keep(pool: &PgPool, url: &str) -> anyhow::Result<Uuid> {
    let id = Uuid::from_u128(Ulid::generate().0);
    let sql = "INSERT INTO cards (id, owner_id, url, normalised_url, url_digest, library_link, library_at, private, imported) \
               VALUES ($1, 'did:plc:alice', $2, $2, sha256(convert_to($2, 'UTF8')), $1, now(), false, false)";
    sqlx::query(sql).bind(id).bind(url).execute(pool).await?;
    Ok(id)
}

async fn look_at_all(store: &PostgresStore) -> anyhow::Result<()> {
    let mut after = None;
    loop {
        let renewed = renew_identities(store, after, 1).await?;
        assert!(renewed.failed.is_empty(), "{:?}", renewed.failed);
        if renewed.last.is_none() {
            return Ok(());
        }
        after = renewed.last;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cards_of_old_processes_are_looked_at_whenever_they_are_stored() -> anyhow::Result<()> {
    let server = Arc::new(Postgres::start()?);
    let (database, pool) = migrated(&server, OLD_IDENTITY).await?;
    let first = keep(&pool, "https://example.com/~user").await?;
    keep(&pool, "https://example.com/%7Euser").await?;
    let store = PostgresStore::connect(database.url(), PoolSettings::default(), Handover::default())?;
    store.migrate().await?;
    for _ in 0..2 {
        look_at_all(&store).await?;
        let kept: Vec<Uuid> =
            sqlx::query_scalar("SELECT id FROM cards WHERE library_link IS NOT NULL").fetch_all(&pool).await?;
        assert_eq!(kept, [first]);
        let outdated: i64 =
            sqlx::query_scalar("SELECT count(*) FROM cards WHERE identity_version < 1").fetch_one(&pool).await?;
        assert_eq!(outdated, 0);
        // An old process that still runs does not know that one.
        keep(&pool, "https://example.com/%7Euser").await?;
    }
    Ok(())
}

/// Before words were compared without their accents.
const OLD_WORDS: i64 = 20;

/// A card as indexed by a build of that time.
const OLD_CARD: &str = "\
INSERT INTO cards (id, owner_id, url, normalised_url, url_digest, library_link, library_at)
SELECT id, owner, url, url, digest, id, now() FROM old;
INSERT INTO pages (url_digest, url, host, state, title, next_fetch_at)
SELECT digest, url, 'example.com', 'ready', 'Größe', now() + interval '7 days' FROM old;
INSERT INTO search_documents (card_id, owner_id, url, url_digest) SELECT id, owner, url, digest FROM old;
INSERT INTO search_pages (url_digest, cards, popularity, words) SELECT digest, 1, 0, words FROM old;
INSERT INTO search_words (word, owner_id)
SELECT w, '' FROM old, unnest(tsvector_to_array(words)) AS w ON CONFLICT DO NOTHING";

async fn index_as_before(pool: &PgPool, number: u32) -> anyhow::Result<()> {
    let url = format!("https://example.com/{number}");
    let words = format!("größe:1A https:10 example:11 com:12 {number}:13");
    let card = format!(
        "BEGIN; CREATE TEMPORARY TABLE old ON COMMIT DROP AS SELECT '{number:032x}'::uuid AS id, 'did:plc:alice' AS owner, \
         '{url}' AS url, sha256('{url}') AS digest, '{words}'::tsvector AS words; {OLD_CARD}; COMMIT"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(card)).execute(pool).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cards_that_an_older_build_indexed_are_indexed_again_some_at_a_time() -> anyhow::Result<()> {
    let server = Arc::new(Postgres::start()?);
    let (database, pool) = migrated(&server, OLD_WORDS).await?;
    let person = "INSERT INTO users (id, handle, password_hash) VALUES ('did:plc:alice', 'alice', '')";
    sqlx::raw_sql(person).execute(&pool).await?;
    for number in 1..=5 {
        index_as_before(&pool, number).await?;
    }
    let store = PostgresStore::connect(database.url(), PoolSettings::default(), Handover::default())?;
    store.migrate().await?;
    let find = async |text: &str| -> anyhow::Result<Found> {
        let request = SearchRequest { text: text.into(), ..SearchRequest::default() };
        Ok(store.search(&request, &PageRequest::default()).await?)
    };
    assert_eq!((find("example").await?.items.len(), find("grosse").await?.items.len()), (5, 0));
    let mut from = Renewal::default();
    // With the first two, the person's name.
    for (renewed, found) in [(3, 2), (2, 4), (1, 5)] {
        assert_eq!(store.renew(&mut from, 2).await?, Renewed { count: renewed, failed: Vec::new() });
        assert_eq!(store.find_people("alice").await?.len(), 1, "names do not wait for cards");
        assert_eq!((find("example").await?.items.len(), find("grosse").await?.items.len()), (5, found));
    }
    assert_eq!(from, Renewal::default(), "after the last, at the front");
    // A process of the older build that is still running.
    index_as_before(&pool, 6).await?;
    let refuse = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not this one'; END $$; \
                  CREATE TRIGGER refuse BEFORE INSERT ON search_documents FOR EACH ROW EXECUTE FUNCTION refuse()";
    sqlx::raw_sql(refuse).execute(&pool).await?;
    let renewed = store.renew(&mut from, 2).await?;
    let [(card, why)] = &renewed.failed[..] else { anyhow::bail!("{renewed:?}") };
    assert!(card.ulid().0 == 6 && why.contains("not this one"), "{card}: {why}");
    assert_eq!(store.renew(&mut from, 2).await?, Renewed::default(), "it is not tried again");
    assert_eq!(find("grosse").await?.items.len(), 5);
    sqlx::raw_sql("DROP TRIGGER refuse ON search_documents").execute(&pool).await?;
    let mut after = None;
    while let Some(portion) = store.reindex(after, 100).await? {
        after = Some(portion.last);
    }
    assert_eq!(find("grosse").await?.items.len(), 6);
    let words: Vec<String> = sqlx::query_scalar("SELECT word FROM search_words ORDER BY word").fetch_all(&pool).await?;
    assert_eq!(words, ["com", "example", "grosse", "https"], "numbers are not looked up");
    Ok(())
}

/// How many index entries of documents to re-index were read.
async fn reads_of_old_documents(pool: &PgPool) -> anyhow::Result<i64> {
    sqlx::query("SELECT pg_stat_force_next_flush()").execute(pool).await?;
    let sql = "SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'search_documents_old'";
    Ok(sqlx::query_scalar(sql).fetch_one(pool).await?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn indexing_again_does_not_begin_at_the_front_each_time() -> anyhow::Result<()> {
    const CARDS: u32 = 120;
    let server = Arc::new(Postgres::start()?);
    let (database, pool) = migrated(&server, OLD_WORDS).await?;
    for number in 1..=CARDS {
        index_as_before(&pool, number).await?;
    }
    // One connection, so that its statistics can be read.
    let settings = PoolSettings { max_connections: 1, ..PoolSettings::default() };
    let store = PostgresStore::connect(database.url(), settings, Handover::default())?;
    store.migrate().await?;
    sqlx::query("VACUUM ANALYZE search_documents").execute(&pool).await?;
    // A snapshot stays open the whole time, so that no dead entry can be removed.
    let mut reader = pool.begin().await?;
    let look = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM cards";
    sqlx::raw_sql(look).execute(&mut *reader).await?;
    let (mut from, mut renewed) = (Renewal::default(), 0);
    while renewed < CARDS as usize {
        let portion = store.renew(&mut from, 10).await?;
        assert!(portion.count > 0 && portion.failed.is_empty(), "{portion:?}");
        renewed += portion.count;
    }
    let read = reads_of_old_documents(store.pool()).await?;
    // To find them, to settle them, and some more.
    assert!((i64::from(CARDS)..4 * i64::from(CARDS)).contains(&read), "{read} entries were read for {CARDS} cards");
    reader.rollback().await?;
    Ok(())
}
