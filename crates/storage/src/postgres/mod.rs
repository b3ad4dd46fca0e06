//! Everything in PostgreSQL, which is the truth: rows, events and what is owed of them, activities, search and counts.
//!
//! How the promises are kept:
//! - Rules that span commands are unique constraints and foreign keys; a command that meets one is stale and runs again.
//! - A command writes its rows, events and deliveries in one statement. A save of a new URL needs no other round trip but the read.
//! - Rows are locked in the order of their ids, so that batches do not wait for each other in a circle.
//! - Every statement has a time-out in the client and in the server (`tests/postgres_faults.rs`).

mod accounts;
mod analytics;
mod collections;
mod dead_letters;
mod error;
mod feed;
mod flush;
mod imports;
mod library;
mod log;
mod metadata;
mod operators;
mod pool;
mod schema;
mod search;
mod stream;
mod transaction;
mod trends;
mod values;
mod write;

use std::sync::Arc;
use std::time::Duration;

use cardwire_domain::{Error, Result};
use cardwire_events::Wake;
use sqlx::postgres::{PgConnectOptions, PgPool};

use error::Failure;
pub use pool::PoolSettings;
use pool::Session;
pub use schema::SchemaError;
use stream::News;
/// What a save of a new URL sends, to be measured against PostgreSQL alone.
pub use transaction::CARD_BY_URL;
pub use write::WRITE;

/// Every port over one pool. Cloning is cheap and shares it.
#[derive(Clone)]
pub struct PostgresStore {
    pool: PgPool,
    settings: PoolSettings,
    wake: Wake,
    news: Arc<News>,
}

impl PostgresStore {
    /// Does not connect yet. [`Error::Invalid`] when `url` is no PostgreSQL URL.
    pub fn connect(url: &str, settings: PoolSettings, wake: Wake) -> Result<Self> {
        // The parser's error may quote the URL, which holds a password.
        let options: PgConnectOptions = url
            .parse()
            .map_err(|_| Error::invalid("DATABASE_URL", "must be like postgres://user:password@host:5432/database"))?;
        Ok(Self::new(settings.pool(options), settings, wake))
    }

    /// Over a pool made by [`PoolSettings::pool`]. `wake` is rung after each commit that owes something.
    pub fn new(pool: PgPool, settings: PoolSettings, wake: Wake) -> Self {
        let news = Arc::new(News::new(&pool));
        Self { pool, settings, wake, news }
    }

    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// For commands and pages: somebody waits for the answer.
    async fn session(&self) -> Result<Session, Failure> {
        Session::open(&self.pool, Duration::from_millis(self.settings.answer_ms)).await
    }

    /// For work on events.
    async fn batch_session(&self) -> Result<Session, Failure> {
        Session::open(&self.pool, Duration::from_millis(self.settings.batch_ms)).await
    }
}
