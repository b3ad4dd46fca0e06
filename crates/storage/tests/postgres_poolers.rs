//! Behind a real PgBouncer: working configurations are accepted, and those that would fail later are refused at the
//! start.

use std::time::Duration;

use cardwire_domain::UserId;
use cardwire_domain::use_cases::{AddUrlToLibrary, Request, execute};
use cardwire_events::Handover;
use cardwire_storage::PostgresStore;
use cardwire_storage::postgres::{PoolSettings, SchemaError};
use cardwire_testkit::pgbouncer::PgBouncer;
use cardwire_testkit::postgres::Postgres;
use tokio::time::{Instant, sleep};

/// The settings for the role from docs/operate/DEPLOY.md.
const ROLE: [&str; 4] = [
    "ALTER ROLE postgres SET enable_seqscan = off",
    "ALTER ROLE postgres SET enable_hashjoin = off",
    "ALTER ROLE postgres SET enable_mergejoin = off",
    "ALTER ROLE postgres SET jit = off",
];

async fn checked(url: &str) -> anyhow::Result<(PostgresStore, Result<(), SchemaError>)> {
    let store = PostgresStore::connect(url, PoolSettings::default(), Handover::default())?;
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match store.check_schema().await {
            // It is not listening yet.
            Err(SchemaError::Unavailable(_)) if Instant::now() < deadline => sleep(Duration::from_millis(50)).await,
            checked => return Ok((store, checked)),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poolers_that_break_connections_are_refused_and_others_work() -> anyhow::Result<()> {
    let server = Postgres::start()?;
    let database = server.database().await?;
    let port = server.port().expect("a server of our own");
    let refused = async |lines: &str, why: &str| -> anyhow::Result<()> {
        let pooler = PgBouncer::start(port, lines)?;
        let (_, checked) = checked(&pooler.url(database.url())?).await?;
        let told = checked.unwrap_err().to_string();
        assert!(told.contains("PgBouncer") && told.contains(why), "{lines:?}: {told}");
        Ok(())
    };
    refused("pool_mode = transaction", "drops the settings").await?;
    refused("pool_mode = transaction\nignore_startup_parameters = options,extra_float_digits", "drops the settings")
        .await?;
    refused("pool_mode = session\nignore_startup_parameters = options,extra_float_digits", "drops the settings")
        .await?;
    for sql in ROLE {
        database.run(sql).await?;
    }
    refused(
        "pool_mode = transaction\nignore_startup_parameters = options,extra_float_digits",
        "gives each transaction",
    )
    .await?;

    let pooler = PgBouncer::start(port, "pool_mode = session\nignore_startup_parameters = options,extra_float_digits")?;
    let (store, checked) = checked(&pooler.url(database.url())?).await?;
    checked?;
    let alice = Request::by(UserId::parse("did:plc:alice")?);
    for n in 0..30 {
        let save = AddUrlToLibrary { url: format!("https://example.com/{n}"), ..AddUrlToLibrary::default() };
        assert!(execute(&store, &alice, &save).await?.created, "{n}");
    }
    Ok(())
}
