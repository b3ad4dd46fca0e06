//! Fetches what pages say about themselves. The fetches are separate jobs: neither a save nor an event waits for a
//! page.
//!
//! Unfinished work survives in the store: if a worker dies, its leases run out.

mod challenge;
mod charset;
mod content_type;
mod cookies;
mod fetch;
mod hop;
mod parse;
#[cfg(test)]
mod properties;
mod references;
mod refresh;
mod scan;
mod schema;
mod tokens;
mod unpack;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cardwire_domain::metadata::{FetchFailure, FetchJob, FetchPolicy, FetchRoom, PageRepository};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

pub use cardwire_guard::{AddressPolicy, FetchLimits, Lookup, Refusal, is_public, system_lookup};
pub use fetch::PageFetcher;

/// How many pages are fetched at once, and how often the store is asked for more.
#[derive(Clone, Copy, Debug)]
pub struct MetadataSettings {
    /// At most half of it for one person, and for one registrable domain.
    pub at_once: usize,
    /// For one host, so that a slow one does not take every place.
    pub at_once_per_host: usize,
    /// Between checks while no pages are due.
    pub poll: Duration,
    /// After an error of the store.
    pub pause: Duration,
    pub policy: FetchPolicy,
}

impl Default for MetadataSettings {
    fn default() -> Self {
        Self {
            at_once: 32,
            at_once_per_host: 2,
            poll: Duration::from_secs(1),
            pause: Duration::from_secs(2),
            policy: FetchPolicy::default(),
        }
    }
}

/// Leases due pages, fetches them and stores the results.
pub struct MetadataLoop {
    pages: Arc<dyn PageRepository>,
    fetcher: PageFetcher,
    settings: MetadataSettings,
}

impl MetadataLoop {
    pub fn new(pages: Arc<dyn PageRepository>, fetcher: PageFetcher, settings: MetadataSettings) -> Self {
        Self { pages, fetcher, settings }
    }

    /// Runs until `stop`; running fetches are then finished, which takes no longer than one fetch. If the future is
    /// dropped, the leases run out and another process fetches those pages.
    pub async fn run(&self, stop: CancellationToken) {
        let mut running: JoinSet<()> = JoinSet::new();
        let mut fetching: BTreeMap<tokio::task::Id, FetchJob> = BTreeMap::new();
        while !stop.is_cancelled() {
            let wait = match self.lease(&fetching).await {
                Ok(jobs) => {
                    let idle = jobs.is_empty();
                    for job in jobs {
                        fetching.insert(running.spawn(self.work(job.clone())).id(), job);
                    }
                    if idle { self.settings.poll } else { Duration::ZERO }
                }
                Err(error) => {
                    tracing::warn!(%error, "pages to fetch could not be read");
                    self.settings.pause
                }
            };
            if wait.is_zero() && running.len() < self.settings.at_once {
                continue;
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = sleep(wait.max(Duration::from_millis(10))), if running.len() < self.settings.at_once => {}
                Some(ended) = running.join_next_with_id() => forget(&mut fetching, ended),
            }
        }
        while let Some(ended) = running.join_next_with_id().await {
            forget(&mut fetching, ended);
        }
    }

    async fn lease(&self, fetching: &BTreeMap<tokio::task::Id, FetchJob>) -> cardwire_domain::Result<Vec<FetchJob>> {
        let room = FetchRoom {
            free: self.settings.at_once.saturating_sub(fetching.len()),
            running: fetching.values().cloned().collect(),
            per_host: self.settings.at_once_per_host,
            share: (self.settings.at_once / 2).max(1),
        };
        if room.free == 0 {
            return Ok(Vec::new());
        }
        self.pages.lease_fetches(&room, &self.settings.policy).await
    }

    fn work(&self, job: FetchJob) -> impl Future<Output = ()> + Send + 'static {
        let (pages, fetcher, policy) = (self.pages.clone(), self.fetcher.clone(), self.settings.policy);
        async move {
            let outcome = if job.tries > policy.attempts {
                // It never came back, not even with an error.
                let reason = format!("whoever fetched it was lost in each of {} attempts", policy.attempts);
                Err(FetchFailure::lasting(reason))
            } else {
                fetcher.fetch(&job.url).await
            };
            let told = if outcome.is_ok() { "ready" } else { "failed" };
            metrics::counter!("cardwire_page_fetches_total", "outcome" => told).increment(1);
            if let Err(failure) = &outcome {
                tracing::info!(
                    url = job.url,
                    reason = failure.reason,
                    retryable = failure.retryable,
                    "page not fetched"
                );
            }
            match pages.finish_fetch(&job, &outcome, &policy).await {
                Ok(true) => {}
                Ok(false) => tracing::debug!(url = job.url, "somebody else fetches this page now"),
                Err(error) => {
                    tracing::warn!(%error, url = job.url, "the fetched page could not be stored; it is fetched again")
                }
            }
        }
    }
}

/// A fetch that panicked is over too: its lease runs out.
fn forget(
    fetching: &mut BTreeMap<tokio::task::Id, FetchJob>,
    ended: Result<(tokio::task::Id, ()), tokio::task::JoinError>,
) {
    let id = match ended {
        Ok((id, ())) => id,
        Err(error) => {
            tracing::error!(%error, "a fetch panicked");
            error.id()
        }
    };
    fetching.remove(&id);
}
