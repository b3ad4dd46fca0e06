//! Pages and the jobs that fetch them.

use std::collections::BTreeMap;

use async_trait::async_trait;
use cardwire_domain::metadata::{
    FetchFailure, FetchJob, FetchPolicy, FetchRoom, FetchState, Metadata, PageInfo, PageRepository,
};
use cardwire_domain::url::{CardUrl, registrable_domain};
use cardwire_domain::{Result, UserId};
use jiff::Timestamp;
use ulid::Ulid;

use super::kept::{Index, Pages, StoredPage};
use super::state::State;
use super::store::InMemoryStore;

impl Pages {
    /// This person keeps the page: one that is not known yet is to be fetched at once.
    pub(super) fn keep(&mut self, url: &CardUrl, keeper: &UserId, now: Timestamp) {
        let page = self.pages.entry(url.normalised().to_owned()).or_insert_with(|| StoredPage {
            host: url.domain().to_owned(),
            info: PageInfo::default(),
            tries: 0,
            next_fetch_at: now,
            lease: None,
        });
        if page.next_fetch_at <= now {
            self.line.join(url.normalised(), keeper, &registrable_domain(&page.host), page.next_fetch_at);
        }
    }

    /// This person keeps it no more. It lines up again for somebody who does.
    pub(super) fn let_go(&mut self, normalised: &str, keeper: &UserId) {
        if self.line.place(normalised).is_some_and(|place| place.asked_by == *keeper) {
            self.line.leave(normalised);
        }
    }

    /// Nobody keeps it any more: what a fetch brings that is on its way is dropped.
    pub(super) fn forget(&mut self, normalised: &str) {
        self.pages.remove(normalised);
        self.line.leave(normalised);
    }

    /// Pages to be tried or refreshed again, and those whose lease ran out, line up for whoever of their keepers has them longest.
    fn line_up(&mut self, index: &Index, now: Timestamp) {
        let due = self.pages.iter().filter(|(url, page)| page.next_fetch_at <= now && self.line.place(url).is_none());
        let mut due: Vec<_> = due.map(|(url, page)| (page.next_fetch_at, url.clone(), page.host.clone())).collect();
        if due.is_empty() {
            return;
        }
        due.sort();
        let mut keepers: BTreeMap<&str, &UserId> = BTreeMap::new();
        for document in index.documents.values() {
            keepers.entry(&document.normalised).or_insert(&document.owner);
        }
        for (at, url, host) in due {
            if let Some(keeper) = keepers.get(url.as_str()) {
                self.line.join(&url, keeper, &registrable_domain(&host), at);
            }
        }
    }

    /// The next that there is room for.
    fn next(&self, room: &FetchRoom) -> Vec<String> {
        let (mut hosts, mut domains, mut people) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for job in &room.running {
            *hosts.entry(job.host.as_str()).or_insert(0) += 1;
            *domains.entry(job.domain.as_str()).or_insert(0) += 1;
            *people.entry(&job.asked_by).or_insert(0) += 1;
        }
        let mut next = Vec::new();
        for (url, place) in self.line.in_order() {
            let Some(page) = self.pages.get(url) else { continue };
            let host = hosts.entry(&page.host).or_insert(0);
            let domain = domains.entry(&place.domain).or_insert(0);
            let person = people.entry(&place.asked_by).or_insert(0);
            if next.len() < room.free && *host < room.per_host && *domain < room.share && *person < room.share {
                *host += 1;
                *domain += 1;
                *person += 1;
                next.push(url.to_owned());
            }
        }
        next
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
    async fn lease_fetches(&self, room: &FetchRoom, policy: &FetchPolicy) -> Result<Vec<FetchJob>> {
        let now = self.now();
        let mut state = self.lock().await;
        let State { pages, index, .. } = &mut *state;
        pages.line_up(index, now);
        let mut jobs = Vec::new();
        for url in pages.next(room) {
            let (Some(place), Some(page)) = (pages.line.leave(&url), pages.pages.get_mut(&url)) else { continue };
            let lease = Ulid::generate();
            page.lease = Some(lease);
            page.tries += 1;
            page.next_fetch_at = now.checked_add(policy.lease).unwrap_or(Timestamp::MAX);
            let (host, tries) = (page.host.clone(), page.tries);
            jobs.push(FetchJob { url, host, domain: place.domain, asked_by: place.asked_by, lease, tries });
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
