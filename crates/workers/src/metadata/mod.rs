//! Fetches what pages say about themselves. The fetches are separate jobs: neither a save nor an event waits for a
//! page.

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

use std::sync::Arc;
use std::time::Duration;

use cardwire_domain::fetch_room::FetchRoom;
use cardwire_domain::metadata::{FetchFailure, FetchJob, FetchPolicy, PageRepository};
use tokio_util::sync::CancellationToken;

use crate::leased::{self, Leased, Pace};

pub use cardwire_guard::{AddressPolicy, FetchLimits, Lookup, Refusal, is_public, system_lookup};
pub use fetch::PageFetcher;

/// How many pages are fetched at once, and when they are fetched again.
#[derive(Clone, Copy, Debug)]
pub struct MetadataSettings {
    pub pace: Pace,
    pub policy: FetchPolicy,
}

impl Default for MetadataSettings {
    fn default() -> Self {
        let pace =
            Pace { at_once: 32, at_once_per_host: 2, poll: Duration::from_secs(1), pause: Duration::from_secs(2) };
        Self { pace, policy: FetchPolicy::default() }
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

    /// Runs until `stop`; running fetches are then finished, which takes no longer than one fetch.
    pub async fn run(&self, stop: CancellationToken) {
        leased::run(self, self.settings.pace, stop).await;
    }
}

impl Leased for MetadataLoop {
    type Job = FetchJob;
    const JOBS: &'static str = "page fetches";

    async fn lease(&self, room: FetchRoom<FetchJob>) -> cardwire_domain::Result<Vec<FetchJob>> {
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
