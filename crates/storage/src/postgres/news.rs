//! Tells the readers of this process that there is something new.

use std::sync::OnceLock;
use std::time::Duration;

use sqlx::postgres::{PgListener, PgPool, PgPoolOptions};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use super::error::Failure;
use super::pool::Session;

const CHANNEL: &str = "cardwire_feed";
/// How long to wait before listening again after the server was unreachable.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);
/// A listener that heard nothing for this long checks that the server is still there.
const LISTEN_PATIENCE: Duration = Duration::from_secs(30);

/// Tells the readers of this process that there is something new, no matter which process wrote it.
pub(super) struct News {
    /// One extra connection, so that listening takes none from the pool.
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
        // Also after connecting: earlier notifications were missed.
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
