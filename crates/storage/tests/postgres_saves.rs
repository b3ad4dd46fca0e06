//! What a save costs PostgreSQL when its tables are large.

use cardwire_domain::UserId;
use cardwire_domain::use_cases::{AddUrlToLibrary, Request, execute};
use cardwire_events::Handover;
use cardwire_storage::PostgresStore;
use cardwire_storage::postgres::PoolSettings;
use cardwire_testkit::postgres::Postgres;

const FILLED: &str = "\
INSERT INTO users (id, handle, password_hash) SELECT 'did:plc:p' || n, 'p' || n, '' FROM generate_series(1, 20000) n;
INSERT INTO collections (id, author_id, name, description, access)
SELECT gen_random_uuid(), 'did:plc:p' || n, 'c', '', 'CLOSED' FROM generate_series(1, 20000) n;
ANALYZE";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn saves_share_one_plan() -> anyhow::Result<()> {
    let server = Postgres::start()?;
    let database = server.database().await?;
    // One connection, so that its plans can be counted.
    let settings = PoolSettings { max_connections: 1, ..PoolSettings::default() };
    let store = PostgresStore::connect(database.url(), settings, Handover::default())?;
    sqlx::raw_sql(FILLED).execute(store.pool()).await?;
    let alice = Request::by(UserId::parse("did:plc:alice")?);
    for n in 0..20 {
        let command = AddUrlToLibrary {
            url: format!("https://example.com/{n}"),
            note: (n % 2 == 0).then(|| "worth a look".to_owned()),
            ..AddUrlToLibrary::default()
        };
        execute(&store, &alice, &command).await?;
    }
    let sql = "SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE statement LIKE 'WITH new_cards%'";
    let plans: Vec<(i64, i64)> = sqlx::query_as(sql).fetch_all(store.pool()).await?;
    // PostgreSQL tries five before it decides.
    assert_eq!(plans, [(15, 5)]);
    Ok(())
}
