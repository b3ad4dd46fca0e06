//! The schema: migrating it, and refusing to work on one that is too old.

use std::time::Duration;

use sha2::{Digest, Sha256};
use sqlx::ConnectOptions;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use tokio::time::timeout;

use super::error::Failure;
use super::pooler::{DROPS_SETTINGS, flaw, refuses_settings};
use super::store::PostgresStore;
use super::values::get;

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    #[error(
        "the database's schema is older than this build: it has version {found}, needed is {needed}; run `web migrate`"
    )]
    Older { found: i64, needed: i64 },
    #[error("the database cannot be migrated")]
    Migrate(#[from] MigrateError),
    #[error("the database cannot be reached: {0}")]
    Unavailable(String),
    #[error(
        "leads to a pooler, such as PgBouncer, that {0}; connect to PostgreSQL itself, or to a pooler in session mode whose role has the \
         settings of docs/operate/DEPLOY.md"
    )]
    Pooler(&'static str),
}

/// The version that this build migrates to.
fn needed_version() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default()
}

impl PostgresStore {
    /// Differs if any migration differs.
    pub fn schema_fingerprint() -> u64 {
        let digest = MIGRATIONS.iter().fold(Sha256::new(), |digest, one| digest.chain_update(&one.checksum)).finalize();
        let mut fingerprint = [0; 8];
        fingerprint.copy_from_slice(&digest[..8]);
        u64::from_be_bytes(fingerprint)
    }

    /// Brings the schema up to date and returns its version. Several may run it at once; they take turns. If the future
    /// is dropped, each migration was applied completely or not at all, and it may be run again.
    pub async fn migrate(&self) -> Result<i64, SchemaError> {
        self.check_connections().await?;
        // Building an index may take longer than any statement of ours.
        let options =
            (*self.pool.connect_options()).clone().options([("statement_timeout", "0"), ("lock_timeout", "0")]);
        let mut connection = self.connect_alone(&options).await?;
        // An older build must accept a schema that a newer one has migrated: migrations expand before they contract.
        let migrator =
            Migrator { ignore_missing: true, migrations: MIGRATIONS.migrations.clone(), ..Migrator::DEFAULT };
        migrator.run(&mut connection).await?;
        Ok(needed_version())
    }

    /// [`SchemaError::Pooler`] if the connections are not suitable.
    async fn check_connections(&self) -> Result<(), SchemaError> {
        let options = self.pool.connect_options();
        let mut one = self.connect_alone(&options).await?;
        let mut other = self.connect_alone(&options).await?;
        let patience = Duration::from_millis(self.settings.answer_ms);
        let found =
            timeout(patience, flaw(&mut one, &mut other)).await.map_err(|_| Failure::NoAnswer(patience)).flatten();
        match found.map_err(|failure| SchemaError::Unavailable(failure.to_string()))? {
            Some(flaw) => Err(SchemaError::Pooler(flaw)),
            None => Ok(()),
        }
    }

    /// Outside the pool.
    async fn connect_alone(&self, options: &PgConnectOptions) -> Result<PgConnection, SchemaError> {
        match timeout(Duration::from_millis(self.settings.acquire_ms), options.connect()).await {
            Ok(connection) => connection.map_err(|error| match refuses_settings(&error) {
                true => SchemaError::Pooler(DROPS_SETTINGS),
                false => SchemaError::Unavailable(error.to_string()),
            }),
            Err(_) => Err(SchemaError::Unavailable("no answer".into())),
        }
    }

    /// [`SchemaError::Older`] unless every migration of this build was done. A newer schema is fine.
    pub async fn check_schema(&self) -> Result<(), SchemaError> {
        self.check_connections().await?;
        let needed = needed_version();
        let found = match self.schema_version().await {
            Ok(found) => found,
            Err(failure) => {
                // The pool only says how long it waited for a connection.
                if matches!(failure, Failure::Sqlx(sqlx::Error::PoolTimedOut)) {
                    self.connect_alone(&self.pool.connect_options()).await?;
                }
                return Err(SchemaError::Unavailable(failure.to_string()));
            }
        };
        if found < needed { Err(SchemaError::Older { found, needed }) } else { Ok(()) }
    }

    /// The id of the deployment that this database belongs to, created by the first caller. A restored copy has the
    /// same id.
    pub async fn deployment(&self) -> Result<String, SchemaError> {
        self.ask_deployment().await.map_err(|failure| SchemaError::Unavailable(failure.to_string()))
    }

    async fn ask_deployment(&self) -> Result<String, Failure> {
        let mut session = self.session().await?;
        session.execute(sqlx::query("INSERT INTO deployment DEFAULT VALUES ON CONFLICT DO NOTHING")).await?;
        let rows = session.fetch_all(sqlx::query("SELECT id::text AS id FROM deployment")).await?;
        rows.first().map_or_else(|| Err(Failure::Changed), |row| get(row, "id"))
    }

    async fn schema_version(&self) -> Result<i64, Failure> {
        let mut session = self.session().await?;
        let rows =
            session.fetch_all(sqlx::query("SELECT to_regclass('_sqlx_migrations') IS NOT NULL AS migrated")).await?;
        if !rows.first().map(|row| get(row, "migrated")).transpose()?.unwrap_or(false) {
            return Ok(0);
        }
        let rows = session
            .fetch_all(sqlx::query(
                "SELECT coalesce(max(version), 0)::bigint AS version FROM _sqlx_migrations WHERE success",
            ))
            .await?;
        rows.first().map_or(Ok(0), |row| get(row, "version"))
    }
}
