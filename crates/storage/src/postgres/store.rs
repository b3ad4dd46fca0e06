//! The store itself; its ports have their own files.

use std::sync::Arc;
use std::time::Duration;

use cardwire_domain::{Error, Result};
use cardwire_events::Handover;
use sqlx::postgres::PgPool;
use tokio::runtime::Handle;

use super::error::Failure;
use super::looks::Looks;
use super::news::News;
use super::pool::{PoolSettings, Session, read_url};

/// All ports over one pool. Cloning is cheap and shares it.
#[derive(Clone)]
pub struct PostgresStore {
    pub(super) pool: PgPool,
    pub(super) settings: PoolSettings,
    pub(super) handover: Handover,
    pub(super) looks: Arc<Looks>,
    pub(super) news: Arc<News>,
    /// The runtime on which it was created, which drives its connections.
    home: Option<Handle>,
}

impl PostgresStore {
    /// Does not connect yet. [`Error::Invalid`] if `url` is not a PostgreSQL URL.
    pub fn connect(url: &str, settings: PoolSettings, handover: Handover) -> Result<Self> {
        let (options, _) = read_url(url).map_err(|rule| Error::invalid("DATABASE_URL", rule))?;
        Ok(Self::new(settings.pool(options), settings, handover))
    }

    /// Over a pool from [`PoolSettings::pool`]. Commits are handed to `handover` while it is open; otherwise it is
    /// rung.
    pub fn new(pool: PgPool, settings: PoolSettings, handover: Handover) -> Self {
        let news = Arc::new(News::new(&pool));
        Self { pool, settings, handover, looks: Arc::default(), news, home: Handle::try_current().ok() }
    }

    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// For commands and pages: somebody waits for the answer.
    pub(super) async fn session(&self) -> Result<Session, Failure> {
        self.session_within(Duration::from_millis(self.settings.answer_ms)).await
    }

    /// For work on events.
    pub(super) async fn batch_session(&self) -> Result<Session, Failure> {
        self.session_within(Duration::from_millis(self.settings.batch_ms)).await
    }

    pub(super) async fn session_within(&self, patience: Duration) -> Result<Session, Failure> {
        Session::open(&self.pool, self.home.as_ref(), patience).await
    }
}
