//! The live feed: activities in the order of the transactions that made them known.
//!
//! A reader gets only what lies below the oldest transaction still running, so that nothing can appear later before what it was
//! shown. Notifications are hints: one is sent after a flush, outside of its transaction, since `NOTIFY` makes commits take turns.

use std::sync::OnceLock;
use std::time::Duration;

use cardwire_domain::feed::{FeedItem, StreamCursor};
use cardwire_domain::{ActivityId, Result};
use sqlx::postgres::{PgListener, PgPool, PgPoolOptions};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};
use ulid::Ulid;

use super::PostgresStore;
use super::error::Failure;
use super::feed::{read_item, select_items};
use super::pool::Session;
use super::values::{get, uuid};

const STREAM: &str = select_items!(
    "AND (a.epoch, a.id) > ($2::text::xid8, $3) AND a.epoch < pg_snapshot_xmin(pg_current_snapshot()) \
     ORDER BY a.epoch, a.id LIMIT $1"
);

impl PostgresStore {
    pub(super) async fn end_of_stream(&self) -> Result<StreamCursor> {
        let sql = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS epoch";
        let rows = self.session().await?.fetch_all(sqlx::query(sql)).await?;
        let row = rows.first().ok_or_else(|| Failure::Nonsense("no snapshot".into()))?;
        // Everything below this transaction was there to be seen; it, or a later one, may still be running.
        Ok(StreamCursor { epoch: epoch(get(row, "epoch")?)?, id: ActivityId::from_ulid(Ulid::nil()) })
    }

    pub(super) async fn stream_behind(
        &self,
        after: StreamCursor,
        limit: usize,
    ) -> Result<Vec<(StreamCursor, FeedItem)>> {
        let query = sqlx::query(STREAM)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .bind(after.epoch.to_string())
            .bind(uuid(after.id.ulid()));
        let rows = self.session().await?.fetch_all(query).await?;
        let items = rows.iter().map(|row| {
            let item = read_item(row)?;
            Ok((StreamCursor { epoch: epoch(get(row, "epoch")?)?, id: item.id }, item))
        });
        Ok(items.collect::<Result<_, Failure>>()?)
    }
}

fn epoch(text: &str) -> Result<u64, Failure> {
    text.parse().map_err(|_| Failure::Nonsense(format!("{text:?} is no transaction id")))
}

const CHANNEL: &str = "cardwire_feed";
/// How long to wait before listening again after the server was away.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);
/// A listener that heard nothing for this long makes sure that the server is still there.
const LISTEN_PATIENCE: Duration = Duration::from_secs(30);

/// Tells the readers of this process that there is something new, wherever it was written.
pub(super) struct News {
    /// Of one connection, so that listening takes none from those who work.
    pool: PgPool,
    told: watch::Sender<()>,
    listener: OnceLock<AbortHandle>,
}

impl News {
    pub(super) fn new(pool: &PgPool) -> Self {
        let options = (*pool.connect_options()).clone();
        let acquire = pool.options().get_acquire_timeout();
        let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(acquire).connect_lazy_with(options);
        Self { pool, told: watch::Sender::new(()), listener: OnceLock::new() }
    }

    pub(super) async fn tell(&self, session: &mut Session) -> Result<(), Failure> {
        session.execute(sqlx::query("SELECT pg_notify($1, '')").bind(CHANNEL)).await?;
        Ok(())
    }

    /// Returns after the next notification. The first call starts the listener; it lives as long as the store.
    pub(super) async fn hint(&self) {
        let mut told = self.told.subscribe();
        self.listener.get_or_init(|| tokio::spawn(listen(self.pool.clone(), self.told.clone())).abort_handle());
        // An error means that the sender is gone, and `self` holds it.
        let _ = told.changed().await;
    }
}

impl Drop for News {
    fn drop(&mut self) {
        if let Some(listener) = self.listener.get() {
            listener.abort();
        }
    }
}

async fn listen(pool: PgPool, told: watch::Sender<()>) {
    loop {
        if let Err(error) = listen_once(&pool, &told).await {
            tracing::debug!(%error, "not listening for new activities; trying again");
        }
        sleep(LISTEN_AGAIN).await;
    }
}

async fn listen_once(pool: &PgPool, told: &watch::Sender<()>) -> sqlx::Result<()> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    loop {
        // Also after connecting: what was told before was missed.
        told.send_replace(());
        match timeout(LISTEN_PATIENCE, listener.try_recv()).await {
            Ok(Ok(Some(_))) => {}
            Ok(Ok(None)) => return Ok(()),
            Ok(Err(error)) => return Err(error),
            Err(_) => {
                let alive = timeout(LISTEN_AGAIN, sqlx::query("SELECT 1").execute(&mut listener)).await;
                alive.map_err(|_| sqlx::Error::PoolTimedOut)??;
            }
        }
    }
}
