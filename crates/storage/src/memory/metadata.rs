//! Pages and the jobs that fetch them.

use std::collections::BTreeSet;

use async_trait::async_trait;
use cardwire_domain::Result;
use cardwire_domain::metadata::{FetchFailure, FetchJob, FetchPolicy, FetchState, Metadata, PageInfo, PageRepository};
use cardwire_domain::url::CardUrl;
use jiff::Timestamp;
use ulid::Ulid;

use super::kept::{Pages, StoredPage};
use super::store::InMemoryStore;

impl Pages {
    /// A page that is not known yet is to be fetched at once.
    pub(super) fn make(&mut self, url: &CardUrl, now: Timestamp) {
        self.pages.entry(url.normalised().to_owned()).or_insert_with(|| StoredPage {
            host: url.domain().to_owned(),
            info: PageInfo::default(),
            tries: 0,
            next_fetch_at: now,
            lease: None,
        });
    }

    /// Nobody keeps it any more: what a fetch brings that is on its way is dropped.
    pub(super) fn forget(&mut self, normalised: &str) {
        self.pages.remove(normalised);
    }

    pub(super) fn info(&self, normalised: &str) -> PageInfo {
        self.pages.get(normalised).map(|page| page.info.clone()).unwrap_or_default()
    }

    pub(super) fn metadata(&self, normalised: &str) -> Option<&Metadata> {
        self.pages.get(normalised).map(|page| &page.info.metadata)
    }
}

#[async_trait]
impl PageRepository for InMemoryStore {
    async fn lease_fetches(&self, limit: usize, busy: &[String], policy: &FetchPolicy) -> Result<Vec<FetchJob>> {
        let now = self.now();
        let mut state = self.lock().await;
        let mut due: Vec<(Timestamp, String)> = state
            .pages
            .pages
            .iter()
            .filter(|(_, page)| page.next_fetch_at <= now)
            .map(|(url, page)| (page.next_fetch_at, url.clone()))
            .collect();
        due.sort();
        let mut hosts: BTreeSet<String> = busy.iter().cloned().collect();
        let mut jobs = Vec::new();
        for (_, url) in due {
            let Some(page) = state.pages.pages.get_mut(&url) else { continue };
            if jobs.len() == limit || !hosts.insert(page.host.clone()) {
                continue;
            }
            let lease = Ulid::generate();
            page.lease = Some(lease);
            page.tries += 1;
            page.next_fetch_at = now.checked_add(policy.lease).unwrap_or(Timestamp::MAX);
            jobs.push(FetchJob { url, host: page.host.clone(), lease, tries: page.tries });
        }
        Ok(jobs)
    }

    async fn finish_fetch(
        &self,
        job: &FetchJob,
        outcome: &std::result::Result<Metadata, FetchFailure>,
        policy: &FetchPolicy,
    ) -> Result<bool> {
        let now = self.now();
        let mut state = self.lock().await;
        let Some(page) = state.pages.pages.get_mut(&job.url).filter(|page| page.lease == Some(job.lease)) else {
            return Ok(false);
        };
        page.lease = None;
        let wait = match outcome {
            Ok(metadata) => {
                page.tries = 0;
                page.info = PageInfo { state: FetchState::Ready, metadata: metadata.clone(), fetched_at: Some(now) };
                policy.refresh
            }
            Err(failure) => {
                if page.info.state != FetchState::Ready {
                    let FetchFailure { reason, retryable } = failure.clone();
                    page.info.state = FetchState::Failed { reason, retryable };
                }
                // A later refresh has all its attempts again.
                if !failure.retryable || job.tries >= policy.attempts {
                    page.tries = 0;
                }
                if failure.retryable { policy.wait(job.tries, rand::random()) } else { policy.refresh }
            }
        };
        page.next_fetch_at = now.checked_add(wait).unwrap_or(Timestamp::MAX);
        Ok(true)
    }

    async fn page(&self, url: &CardUrl) -> Result<PageInfo> {
        Ok(self.lock().await.pages.info(url.normalised()))
    }
}
