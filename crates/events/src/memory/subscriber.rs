use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, timeout};
use ulid::Ulid;

use super::state::{Claimed, InMemoryQueues, Lane};
use crate::error::Result;
use crate::port::{Claim, Depth, EventSubscriber};
use crate::queue::Queue;

#[derive(Clone, Debug)]
pub struct InMemoryEventSubscriber {
    lane: Arc<Lane>,
    lease: Duration,
}

impl InMemoryEventSubscriber {
    pub fn new(queues: &InMemoryQueues, queue: Queue) -> Self {
        Self { lane: Arc::clone(queues.lane(queue)), lease: queues.lease }
    }
}

#[async_trait]
impl EventSubscriber for InMemoryEventSubscriber {
    async fn claim(&self, max: usize) -> Result<Option<Claim>> {
        let mut entries = self.lane.lock();
        let (claimed, suspect) = match entries.suspect.pop_front() {
            Some(entry) => (vec![entry], true),
            None => {
                let count = max.min(entries.wait.len());
                (entries.wait.drain(..count).collect(), false)
            }
        };
        if claimed.is_empty() {
            return Ok(None);
        }
        let batch = Ulid::generate();
        let expires = Instant::now() + self.lease;
        entries.claims.insert(batch, Claimed { entries: claimed.clone(), suspect, expires });
        if !entries.suspect.is_empty() || !entries.wait.is_empty() {
            self.lane.bell.notify_one();
        }
        Ok(Some(Claim { batch, partition: 0, entries: claimed, suspect }))
    }

    async fn ack(&self, claim: &Claim) -> Result<()> {
        self.lane.lock().claims.remove(&claim.batch);
        Ok(())
    }

    async fn release(&self, claim: &Claim) -> Result<()> {
        let mut entries = self.lane.lock();
        if let Some(claimed) = entries.claims.remove(&claim.batch) {
            let back = if claimed.suspect { &mut entries.suspect } else { &mut entries.wait };
            for entry in claimed.entries.into_iter().rev() {
                back.push_front(entry);
            }
            self.lane.bell.notify_one();
        }
        Ok(())
    }

    async fn renew(&self, claim: &Claim) -> Result<bool> {
        let mut entries = self.lane.lock();
        let held = entries.claims.get_mut(&claim.batch);
        Ok(held.map(|claimed| claimed.expires = Instant::now() + self.lease).is_some())
    }

    async fn reclaim(&self) -> Result<usize> {
        let now = Instant::now();
        let mut entries = self.lane.lock();
        let lost: Vec<Ulid> =
            entries.claims.iter().filter(|(_, claimed)| claimed.expires <= now).map(|(batch, _)| *batch).collect();
        let mut count = 0;
        for batch in lost {
            if let Some(claimed) = entries.claims.remove(&batch) {
                count += claimed.entries.len();
                entries.suspect.extend(claimed.entries);
            }
        }
        if count > 0 {
            self.lane.bell.notify_one();
        }
        Ok(count)
    }

    async fn wait(&self) -> Result<()> {
        // A bell and two quiet seconds both mean "look", so there is nothing to tell apart.
        let _ = timeout(Duration::from_secs(2), self.lane.bell.notified()).await;
        Ok(())
    }

    async fn depth(&self) -> Result<Depth> {
        let entries = self.lane.lock();
        Ok(Depth {
            waiting: entries.wait.len(),
            suspects: entries.suspect.len(),
            in_flight: entries.claims.values().map(|claimed| claimed.entries.len()).sum(),
        })
    }
}
