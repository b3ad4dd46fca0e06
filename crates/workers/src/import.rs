//! Saves the rows of imports, a few at a time and with pauses, so that other people's saves hardly notice. For a check,
//! it only finds out what would happen to them.
//!
//! A few rows share a commit and an idempotency key. Each row that saves a card says so in the same commit. So a
//! process that is killed between saving and reporting loses nothing: once the lease has run out, the next process
//! reports the row as saved.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use cardwire_domain::changes::Idempotency;
use cardwire_domain::changes::IdempotencyKey;
use cardwire_domain::imports::{ImportRepository, ImportRow, LeasedRows, RowOutcome};
use cardwire_domain::quotas::Quotas;
use cardwire_domain::use_cases::{ImportUrls, Request, UrlsImported, check_urls, execute};
use cardwire_domain::{Error, ImportId, Store};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

#[derive(Clone, Copy, Debug)]
pub struct ImportSettings {
    /// Rows saved before a pause.
    pub batch: usize,
    /// That many of them share a commit. It divides `batch`.
    pub commit: usize,
    /// After each batch comes a pause as long as the batch took, so half of the time belongs to everybody else, and a
    /// slower store gets longer pauses. This is the minimum.
    pub pause_at_least: Duration,
    pub pause_at_most: Duration,
    /// Between checks while there is no import.
    pub poll: Duration,
    /// After an error of the store.
    pub pause_after_error: Duration,
    /// A batch that takes longer than this may be taken over by another process.
    pub lease: Duration,
}

impl Default for ImportSettings {
    fn default() -> Self {
        Self {
            batch: 50,
            commit: 10,
            pause_at_least: Duration::from_millis(50),
            pause_at_most: Duration::from_secs(1),
            poll: Duration::from_secs(1),
            pause_after_error: Duration::from_secs(2),
            lease: Duration::from_secs(15),
        }
    }
}

/// After this many failures in a row, each row of an import gets its own commit until the store is fast again.
const TRIES_OF_A_FEW: u32 = 2;

/// How many commits of imports failed in a row.
type Failures = HashMap<ImportId, u32>;

/// Leases rows of imports, saves or checks them, and reports the results.
pub struct ImportLoop {
    imports: Arc<dyn ImportRepository>,
    store: Arc<dyn Store>,
    settings: ImportSettings,
}

impl ImportLoop {
    pub fn new(imports: Arc<dyn ImportRepository>, store: Arc<dyn Store>, settings: ImportSettings) -> Self {
        Self { imports, store, settings }
    }

    /// Runs until `stop`; the commit in progress is then finished. If the future is dropped, the lease runs out and
    /// another process continues.
    pub async fn run(&self, stop: CancellationToken) {
        let mut failures = Failures::new();
        while !stop.is_cancelled() {
            let begun = Instant::now();
            let wait = match self.work_once(&mut failures, &stop).await {
                Ok(true) => begun.elapsed().clamp(self.settings.pause_at_least, self.settings.pause_at_most),
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
    async fn work_once(&self, failures: &mut Failures, stop: &CancellationToken) -> cardwire_domain::Result<bool> {
        let Some(leased) = self.imports.lease_rows(self.settings.batch, self.settings.lease).await? else {
            return Ok(false);
        };
        let mut outcomes: Vec<(u32, RowOutcome)> =
            leased.saved.iter().map(|(number, card)| (*number, RowOutcome::Saved(*card))).collect();
        let mut away = None;
        let failed = failures.get(&leased.import).copied().unwrap_or_default();
        let commit = if failed < TRIES_OF_A_FEW { self.settings.commit } else { 1 };
        let begun = Instant::now();
        for rows in leased.rows.chunks(commit) {
            // A slow store must not cost us the lease.
            if stop.is_cancelled() || begun.elapsed() >= self.settings.lease / 2 {
                break;
            }
            if let Err(error) = self.save(&leased, rows, &mut outcomes).await {
                away = Some(error);
                break;
            }
        }
        // Rows after the first begin the next batch, and count there.
        if away.is_some() && outcomes.is_empty() {
            failures.insert(leased.import, failed + 1);
        }
        let is_fast = begun.elapsed() < self.settings.lease / 4;
        for (_, outcome) in &outcomes {
            metrics::counter!("cardwire_import_rows_total", "outcome" => outcome.name()).increment(1);
        }
        if !self.imports.finish_rows(&leased, &outcomes).await? {
            tracing::debug!(import = %leased.import, "somebody else works on this import now");
        } else if away.is_none() && is_fast {
            failures.remove(&leased.import);
        }
        away.map_or(Ok(true), Err)
    }

    /// Adds the results of the rows. `Err` only if the store cannot say; then the rest waits.
    async fn save(
        &self,
        leased: &LeasedRows,
        rows: &[(u32, ImportRow)],
        outcomes: &mut Vec<(u32, RowOutcome)>,
    ) -> cardwire_domain::Result<()> {
        let done = if leased.is_check {
            check_urls(&*self.store, &leased.owner, rows, leased.collection).await
        } else {
            self.commit(leased, rows).await
        };
        match done {
            Ok(saved) => outcomes.extend(saved),
            // Forbidden: its owner is leaving, so the import has ended.
            Err(error @ (Error::Stale | Error::Unavailable(_) | Error::Forbidden(_))) => return Err(error),
            Err(error) if rows.len() == 1 => {
                let number = rows[0].0;
                tracing::error!(%error, import = %leased.import, number, "a row of an import cannot be stored");
                outcomes.push((number, RowOutcome::Refused("It could not be stored.".into())));
            }
            // One of them is at fault; save the others.
            Err(_) => {
                for row in rows {
                    Box::pin(self.save(leased, std::slice::from_ref(row), outcomes)).await?;
                }
            }
        }
        Ok(())
    }

    async fn commit(
        &self,
        leased: &LeasedRows,
        rows: &[(u32, ImportRow)],
    ) -> cardwire_domain::Result<Vec<(u32, RowOutcome)>> {
        let numbers = || rows.iter().map(|(number, _)| *number);
        let (first, last) = (numbers().min().unwrap_or_default(), numbers().max().unwrap_or_default());
        let key = IdempotencyKey::of_rows(leased.import, first, last, rows.len());
        let request = Request {
            by: leased.owner.clone(),
            idempotency: Some(Idempotency { fingerprint: key.as_str().to_owned(), key }),
            traceparent: None,
            // The import was counted.
            quotas: Quotas::default(),
        };
        let command = ImportUrls {
            import: leased.import,
            rows: rows.to_vec(),
            collection_id: leased.collection.map(|id| id.to_string()),
            begun_at: Some(leased.begun_at),
        };
        let UrlsImported(outcomes) = execute(&*self.store, &request, &command).await?;
        Ok(numbers().zip(outcomes).collect())
    }
}
