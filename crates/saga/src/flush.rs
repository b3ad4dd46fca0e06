//! Flushes what is due, for as long as a worker lives. Any number of workers may do so at once.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::saga::CardCollectionSaga;

/// The shortest rest between two looks: windows that become due meanwhile share a transaction.
const REST_AT_LEAST: Duration = Duration::from_millis(50);
/// The longest. Less than a window, so that what other processes merge is seen before it is due.
const REST_AT_MOST: Duration = Duration::from_secs(1);

pub struct FlushLoop {
    saga: Arc<CardCollectionSaga>,
}

impl FlushLoop {
    pub const fn new(saga: Arc<CardCollectionSaga>) -> Self {
        Self { saga }
    }

    /// Returns after `shutdown`, with the flush in progress finished. Windows that are not due stay in the store.
    ///
    /// Dropped instead: a flush in progress is cut off, and its windows are claimed again when their locks expire.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut away = false;
        while !shutdown.is_cancelled() {
            let rest = self.round(&mut away).await;
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = tokio::time::sleep(rest) => {}
                () = self.saga.window_full() => {}
            }
        }
    }

    /// Flushes once. Returns how long to rest.
    async fn round(&self, away: &mut bool) -> Duration {
        let why = match self.saga.flush_due().await {
            Ok(flushed) => match flushed.away {
                Some(why) => why,
                None if flushed.claimed >= self.saga.settings().windows_per_flush => return Duration::ZERO,
                None => match self.saga.next_due().await {
                    Ok(next) => {
                        if std::mem::take(away) {
                            tracing::info!("windows are flushed again");
                        }
                        return next.unwrap_or(REST_AT_MOST).clamp(REST_AT_LEAST, REST_AT_MOST);
                    }
                    Err(error) => error.to_string(),
                },
            },
            Err(error) => error.to_string(),
        };
        if !std::mem::replace(away, true) {
            tracing::warn!(error = %why, "windows cannot be flushed now");
        }
        REST_AT_MOST
    }
}
