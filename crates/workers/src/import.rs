//! Saves the rows of imports, a few at a time and with pauses, so that everybody else's saves go on as fast as before.
//!
//! A row is saved under an idempotency key of its own: whoever is killed between saving and reporting finds out, when the lease has run
//! out, that the row was saved, and reports it so.

use std::sync::Arc;
use std::time::Duration;

use cardwire_domain::imports::{ImportRepository, ImportRow, LeasedRows, RowOutcome};
use cardwire_domain::store::Idempotency;
use cardwire_domain::use_cases::{ImportUrl, Request, UrlImported, execute};
use cardwire_domain::{Error, Store};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

#[derive(Clone, Copy, Debug)]
pub struct ImportSettings {
    /// Rows saved one after the other before a pause.
    pub batch: usize,
    /// Between batches.
    pub pause: Duration,
    /// Between looks while there is no import.
    pub poll: Duration,
    /// After an error of the store.
    pub pause_after_error: Duration,
    /// How long a batch may take before somebody else takes the import over.
    pub lease: Duration,
}

impl Default for ImportSettings {
    fn default() -> Self {
        Self {
            batch: 50,
            pause: Duration::from_millis(150),
            poll: Duration::from_secs(1),
            pause_after_error: Duration::from_secs(2),
            lease: Duration::from_secs(15),
        }
    }
}

/// Leases rows of imports, saves them and reports what became of them.
pub struct ImportLoop {
    imports: Arc<dyn ImportRepository>,
    store: Arc<dyn Store>,
    settings: ImportSettings,
}

impl ImportLoop {
    pub fn new(imports: Arc<dyn ImportRepository>, store: Arc<dyn Store>, settings: ImportSettings) -> Self {
        Self { imports, store, settings }
    }

    /// Until `stop`; the row that is being saved then is finished. If the future is dropped, the lease runs out and somebody else goes
    /// on.
    pub async fn run(&self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let wait = match self.work_once(&stop).await {
                Ok(true) => self.settings.pause,
                Ok(false) => self.settings.poll,
                Err(error) => {
                    tracing::warn!(%error, "an import waits for the store");
                    self.settings.pause_after_error
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = sleep(wait) => {}
            }
        }
    }

    /// One batch. False: there was none.
    async fn work_once(&self, stop: &CancellationToken) -> cardwire_domain::Result<bool> {
        let Some(leased) = self.imports.lease_rows(self.settings.batch, self.settings.lease).await? else {
            return Ok(false);
        };
        let mut outcomes = Vec::new();
        let mut away = None;
        let deadline = Instant::now() + self.settings.lease / 2;
        for (number, row) in &leased.rows {
            // A store that is slow must not cost the lease.
            if stop.is_cancelled() || Instant::now() >= deadline {
                break;
            }
            match self.save(&leased, *number, row).await {
                Ok(outcome) => {
                    metrics::counter!("cardwire_import_rows_total", "outcome" => outcome.name()).increment(1);
                    outcomes.push((*number, outcome));
                }
                Err(error) => {
                    away = Some(error);
                    break;
                }
            }
        }
        if !self.imports.finish_rows(&leased, &outcomes).await? {
            tracing::debug!(import = %leased.import, "somebody else works on this import now");
        }
        away.map_or(Ok(true), Err)
    }

    /// `Err` only when the store cannot say: the row waits.
    async fn save(&self, leased: &LeasedRows, number: u32, row: &ImportRow) -> cardwire_domain::Result<RowOutcome> {
        let key = format!("import:{}:{number}", leased.import);
        let request = Request {
            by: leased.owner.clone(),
            idempotency: Some(Idempotency { fingerprint: key.clone(), key }),
            traceparent: None,
        };
        let command = ImportUrl {
            url: row.url.clone(),
            note: row.note.clone(),
            collection_id: leased.collection.map(|id| id.to_string()),
        };
        match execute(&*self.store, &request, &command).await {
            Ok(UrlImported { card_id, created: true }) => Ok(RowOutcome::Saved(card_id)),
            Ok(UrlImported { card_id, created: false }) => Ok(RowOutcome::Known(card_id)),
            Err(error @ (Error::Stale | Error::Unavailable(_))) => Err(error),
            Err(Error::Corrupt(why)) => {
                tracing::error!(error = why, import = %leased.import, number, "a row of an import cannot be stored");
                Ok(RowOutcome::Refused("it could not be stored".into()))
            }
            Err(error) => Ok(RowOutcome::Refused(error.to_string())),
        }
    }
}
