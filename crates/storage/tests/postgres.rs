//! The store's contract over PostgreSQL, each case in its own database.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use cardwire_domain::collection::AccessType;
use cardwire_domain::imports::{ImportRow, NewImport, RowOutcome};
use cardwire_domain::metadata::{FetchPolicy, Metadata};
use cardwire_domain::search::SearchRequest;
use cardwire_domain::use_cases::UpdateUrlCardAssociations;
use cardwire_domain::{CardId, Changes, DomainEvent, EventId, ImportId, PageRequest, Visibility};
use cardwire_events::envelope::KNOWN_TYPES;
use cardwire_events::{Handover, Queue};
use cardwire_storage::PostgresStore;
use cardwire_storage::postgres::{PoolSettings, SchemaError};
use cardwire_testkit::postgres::{Database, Postgres};
use cardwire_testkit::remains;
use cardwire_testkit::schemas::EventSchemas;
use cardwire_testkit::store_suite::scene::{Draws, at_once, begin_import, person};
use cardwire_testkit::store_suite::{Stores, TimeMachine};
use jiff::Timestamp;
use serde_json::Value;
use sqlx::PgPool;
use sqlx::types::Uuid;

/// Makes everything that waits for its time older. Keeps the database and its server until the case ends.
struct Aging {
    pool: PgPool,
    _database: Database,
    _server: Postgres,
}

#[async_trait]
impl TimeMachine for Aging {
    async fn advance(&self, by: Duration) {
        for sql in [
            "UPDATE events SET occurred_at = occurred_at - make_interval(secs => $1)",
            "UPDATE cards SET created_at = created_at - make_interval(secs => $1)",
            "UPDATE collections SET created_at = created_at - make_interval(secs => $1)",
            "UPDATE deliveries SET occurred_at = occurred_at - make_interval(secs => $1), \
             published_at = published_at - make_interval(secs => $1), \
             due_at = due_at - make_interval(secs => $1), dead_at = dead_at - make_interval(secs => $1), \
             failed_at = failed_at - make_interval(secs => $1)",
            "UPDATE cards SET library_at = library_at - make_interval(secs => $1)",
            // By way of distant days, so that no row collides with another.
            "UPDATE trend_days SET day = day + 1000000 + 0 * $1::int",
            "UPDATE trend_days SET day = day - 1000000 - ($1 / 86400)::int",
            "UPDATE trend_windows SET from_day = from_day - ($1 / 86400)::int",
            "UPDATE pages SET next_fetch_at = next_fetch_at - make_interval(secs => $1), \
             fetched_at = fetched_at - make_interval(secs => $1), not_before = not_before - make_interval(secs => $1), \
             pictures_at = pictures_at - make_interval(secs => $1), pictured_at = pictured_at - make_interval(secs => $1)",
            "UPDATE pictures SET kept_at = kept_at - make_interval(secs => $1)",
            "UPDATE pictures_dropped SET at = at - make_interval(secs => $1)",
            "UPDATE record_people SET leased_until = leased_until - make_interval(secs => $1), \
             paused_until = paused_until - make_interval(secs => $1), due_at = due_at - make_interval(secs => $1), \
             turned_at = turned_at - make_interval(secs => $1), hour_at = hour_at - make_interval(secs => $1), \
             day_at = day_at - make_interval(secs => $1), failing_since = failing_since - make_interval(secs => $1)",
            "UPDATE record_owed SET not_before = not_before - make_interval(secs => $1)",
            "UPDATE queue_pauses SET resumed_at = resumed_at - make_interval(secs => $1)",
            "UPDATE sample_turn SET at = at - make_interval(secs => $1)",
            "UPDATE queue_samples SET at = at - make_interval(secs => $1)",
            "UPDATE queue_latencies SET at = at - make_interval(secs => $1)",
            "UPDATE worker_samples SET at = at - make_interval(secs => $1)",
            "UPDATE search_rebuilds SET lease_until = lease_until - make_interval(secs => $1)",
            "UPDATE replays SET lease_until = lease_until - make_interval(secs => $1)",
            "UPDATE imports SET next_at = next_at - make_interval(secs => $1), begun_at = begun_at - make_interval(secs => $1), \
             received_at = received_at - make_interval(secs => $1)",
            "UPDATE idempotency_keys SET created_at = created_at - make_interval(secs => $1)",
        ] {
            sqlx::query(sql)
                .bind(by.as_secs_f64())
                .execute(&self.pool)
                .await
                .expect("the database of the case answers");
        }
    }

    async fn redate(&self, event: EventId, occurred_at: Timestamp) {
        sqlx::query("UPDATE events SET occurred_at = $2::timestamptz WHERE id = $1")
            .bind(Uuid::from_u128(event.ulid().0))
            .bind(jiff_sqlx::Timestamp::from(occurred_at))
            .execute(&self.pool)
            .await
            .expect("the database of the case answers");
    }

    async fn outdate(&self) {
        let outdate = sqlx::query("UPDATE cards SET identity_version = 0").execute(&self.pool);
        outdate.await.expect("the database of the case answers");
    }

    async fn holding(&self, text: &str) -> Vec<String> {
        remains::in_postgres(&self.pool, text).await.expect("the database of the case answers")
    }
}

async fn stores() -> anyhow::Result<Stores> {
    Ok(stores_and_pool().await?.0)
}

async fn stores_and_pool() -> anyhow::Result<(Stores, PgPool)> {
    let server = Postgres::shared()?;
    let database = server.database().await?;
    // Time changes while it runs.
    let settings = PoolSettings { whole_look_ms: 0, answer_ms: 20_000, ..PoolSettings::default() };
    let store = PostgresStore::connect(database.url(), settings, Handover::default())?;
    let pool = store.pool().clone();
    let aging = Aging { pool: pool.clone(), _database: database, _server: server };
    Ok((Stores::of(Arc::new(store), Arc::new(aging)), pool))
}

cardwire_testkit::store_suite!(stores, (flavor = "multi_thread", worker_threads = 2));

#[tokio::test]
async fn an_older_schema_is_refused_and_migrating_again_changes_nothing() -> anyhow::Result<()> {
    let server = Postgres::shared()?;
    let database = server.database().await?;
    let store = PostgresStore::connect(database.url(), PoolSettings::default(), Handover::default())?;
    store.check_schema().await?;
    tokio::try_join!(store.migrate(), store.migrate())?;
    store.check_schema().await?;
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (9000, 'of a newer build', true, '', 0)",
    )
    .execute(store.pool())
    .await?;
    store.check_schema().await?;
    store.migrate().await?;
    sqlx::query("DELETE FROM _sqlx_migrations").execute(store.pool()).await?;
    let refused = store.check_schema().await.unwrap_err();
    assert!(matches!(refused, SchemaError::Older { found: 0, .. }), "{refused:?}");
    assert!(refused.to_string().contains("web migrate"), "{refused}");
    sqlx::query("DROP TABLE _sqlx_migrations").execute(store.pool()).await?;
    assert!(matches!(store.check_schema().await, Err(SchemaError::Older { found: 0, .. })));
    Ok(())
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_told_with_its_reason() -> anyhow::Result<()> {
    let server = Postgres::shared()?;
    let database = server.database().await?;
    let (base, _) = database.url().rsplit_once('/').context("the URL ends in the database")?;
    let settings = PoolSettings { acquire_ms: 500, ..PoolSettings::default() };
    for (url, reason) in [
        (format!("{base}/no_such_database"), "does not exist"),
        (format!("postgres://cardwire@127.0.0.1:{}/cardwire", cardwire_testkit::net::free_port()), "refused"),
    ] {
        let store = PostgresStore::connect(&url, settings, Handover::default())?;
        let error = store.check_schema().await.unwrap_err();
        assert!(matches!(&error, SchemaError::Unavailable(why) if why.contains(reason)), "{url}: {error}");
        let error = cardwire_domain::Store::ping(&store).await.unwrap_err();
        assert!(matches!(error, cardwire_domain::Error::Unavailable(_)), "{url}: {error}");
    }
    Ok(())
}

/// As read from the table: the server, not the encoder, sets their time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_stand_in_the_log_as_their_schemas_say() -> anyhow::Result<()> {
    let (stores, pool) = stores_and_pool().await?;
    let ann = person("ann");
    let shelf = stores.collection(&ann, "Shelf", AccessType::Closed).await?;
    let card = stores.save(&ann, "https://example.com/").await?.url_card_id;
    stores.collect(&ann, card, &[shelf]).await?;
    let noted =
        UpdateUrlCardAssociations { note: Some("Read it".into()), card_id: card.to_string(), ..Default::default() };
    stores.run(&ann, &noted).await?;
    stores.remove(&ann, card).await?;
    let mut changes = Changes::default();
    changes.events.push(DomainEvent::CardUrlChanged { card_id: card, actor_id: ann.clone() });
    changes.events.push(DomainEvent::AccountDeleted { actor_id: ann });
    stores.store.begin().await?.commit(changes).await?;

    let schemas = EventSchemas::load()?;
    let rows: Vec<(String, Value)> = sqlx::query_as("SELECT type, envelope FROM events").fetch_all(&pool).await?;
    for (kind, envelope) in &rows {
        schemas.check(kind, envelope)?;
    }
    let seen: BTreeSet<_> = rows.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(seen, KNOWN_TYPES.into_iter().collect());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_card_that_cannot_be_indexed_keeps_no_other_from_it() -> anyhow::Result<()> {
    let (stores, pool) = stores_and_pool().await?;
    let saves: Vec<_> = (0..7).map(|n| (person("alice"), format!("https://example.com/rust/{n}"))).collect();
    let cards = stores.save_at_once(&saves).await?;
    let bad = cards[2];
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not this one'; END $$;
         CREATE TRIGGER refuse BEFORE INSERT ON search_documents FOR EACH ROW WHEN (NEW.card_id = '{}')
         EXECUTE FUNCTION refuse()",
        Uuid::from_u128(bad.ulid().0)
    )))
    .execute(&pool)
    .await?;
    let portion = stores.search.reindex(None, 100).await?.context("there are cards")?;
    assert_eq!(Some(&portion.last), cards.iter().max());
    let [(card, why)] = &portion.failed[..] else { panic!("one fails: {:?}", portion.failed) };
    assert!(*card == bad && why.contains("not this one"), "{card}: {why}");
    let request = SearchRequest { text: "rust".into(), ..SearchRequest::default() };
    assert_eq!(stores.search.search(&request, &PageRequest::default()).await?.items.len(), 6);
    let saves: Vec<_> = (0..30).map(|n| (person("bob"), format!("https://example.com/c/{n}"))).collect();
    stores.save_at_once(&saves).await?;
    sqlx::raw_sql(
        "DROP TRIGGER refuse ON search_documents;
         CREATE TRIGGER refuse BEFORE INSERT ON search_documents FOR EACH ROW WHEN (NEW.owner_id = 'did:plc:bob')
         EXECUTE FUNCTION refuse()",
    )
    .execute(&pool)
    .await?;
    let error = stores.search.reindex(None, 100).await.unwrap_err();
    assert!(
        matches!(&error, cardwire_domain::Error::Corrupt(why) if why.contains("the first is") && why.contains("not this one")),
        "{error}"
    );
    sqlx::raw_sql("DROP TRIGGER refuse ON search_documents").execute(&pool).await?;
    assert_eq!(stores.search.reindex(None, 100).await?.context("there are cards")?.failed, []);
    assert_eq!(stores.search.search(&request, &PageRequest::default()).await?.items.len(), 7);
    Ok(())
}

/// The whole search index, in a fixed order.
async fn search_tables(pool: &PgPool) -> anyhow::Result<Vec<String>> {
    let mut rows = Vec::new();
    for sql in [
        "SELECT 'word ' || word || ' of ' || owner_id FROM search_words",
        "SELECT 'page ' || url || ' ' || coalesce(title, '') FROM pages",
        "SELECT 'indexed ' || encode(url_digest, 'hex') || words::text || cards FROM search_pages",
        "SELECT 'document ' || card_id::text || coalesce(own_words::text, '') FROM search_documents",
        "SELECT 'title ' || card_id::text || words::text FROM search_titles",
    ] {
        rows.extend(sqlx::query_scalar::<_, String>(sql).fetch_all(pool).await?);
    }
    rows.sort();
    Ok(rows)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn words_and_pages_go_with_the_last_card_that_has_them_and_a_rebuild_gives_the_same() -> anyhow::Result<()> {
    let (stores, pool) = stores_and_pool().await?;
    let mut draws = Draws::seeded(7);
    let words = ["gnome", "teapot", "lantern", "kettle", "orchard"];
    let mut changes = Vec::new();
    for _ in 0..120 {
        let by = person(&format!("p{}", draws.below(3)));
        let url = format!("https://h{}.example/{}", draws.below(2), words[draws.below(5)]);
        let note = (draws.below(2) == 0).then(|| format!("{} {}", words[draws.below(5)], words[draws.below(5)]));
        let card = stores.save_with(&by, &url, Some(note.as_deref().unwrap_or_default()), &[]).await?.url_card_id;
        let title = [String::new(), words[draws.below(5)].into(), format!("my {}", words[draws.below(5)])];
        stores.call(&by, card, &title[draws.below(3)]).await?;
        stores.let_see(&by, card, Visibility::of(draws.below(2) == 0)).await?;
        changes.push((by.clone(), card));
        if draws.below(3) > 0 {
            let (by, card) = changes[draws.below(changes.len())].clone();
            // It may be gone already.
            let _ = stores.remove(&by, card).await;
        }
        if draws.below(4) == 0 {
            for job in stores.due().await? {
                let title = format!("{} title", words[draws.below(5)]);
                let metadata = Metadata { title: Some(title), ..Metadata::default() };
                stores.pages.finish_fetch(&job, &Ok(metadata), &FetchPolicy::default()).await?;
            }
        }
        if draws.below(5) == 0 {
            let mut events = stores.deliver(Queue::Search).await?;
            draws.shuffle(&mut events);
            let workers = events.chunks(4).map(|events| {
                let (stores, events) = (stores.clone(), events.to_vec());
                async move { stores.search.index(&events).await }
            });
            for worker in at_once(workers.collect::<Vec<_>>()).await? {
                worker?;
            }
        }
    }
    stores.index_all().await?;
    let live = search_tables(&pool).await?;
    assert!(["word ", "title "].iter().all(|kind| live.iter().any(|row| row.starts_with(kind))), "{live:#?}");
    sqlx::query("INSERT INTO search_words (word, owner_id) VALUES ('stray', ''), ('stray', 'did:plc:p0')")
        .execute(&pool)
        .await?;
    sqlx::query("DELETE FROM search_words WHERE word = 'https'").execute(&pool).await?;
    let mut after = None;
    while let Some(portion) = stores.search.reindex(after, 7).await? {
        after = Some(portion.last);
    }
    assert_eq!(search_tables(&pool).await?, live);
    for (by, card) in changes {
        let _ = stores.remove(&by, card).await;
    }
    stores.index_all().await?;
    assert_eq!(search_tables(&pool).await?, Vec::<String>::new(), "nobody keeps anything");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_imported_is_kept_by_its_card_alone() -> anyhow::Result<()> {
    let (stores, pool) = stores_and_pool().await?;
    let row =
        |url: &str| ImportRow { title: Some("A private title".into()), ..ImportRow::new(url, Some("a private note")) };
    let import = NewImport {
        id: ImportId::generate(),
        owner: person("alice"),
        file_name: "cards.csv".into(),
        collection: None,
        is_check: false,
    };
    begin_import(&*stores.imports, &import, &[row("https://example.com/"), row("no address")]).await?;
    let texts = async || -> sqlx::Result<i64> {
        sqlx::query_scalar("SELECT count(note) + count(title) FROM import_rows").fetch_one(&pool).await
    };
    assert_eq!(texts().await?, 4i64);
    let leased = stores.imports.lease_rows(10, Duration::from_secs(60)).await?.context("nothing to lease")?;
    let outcomes = [(1, RowOutcome::Saved(CardId::generate())), (2, RowOutcome::Refused("url: is no address".into()))];
    assert!(stores.imports.finish_rows(&leased, &outcomes).await?);
    assert_eq!(texts().await?, 0i64);
    Ok(())
}
