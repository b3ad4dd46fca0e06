use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use cardwire_domain::Clock;
use jiff::Timestamp;

use crate::error::Result;
use crate::queue::Queue;
use crate::registry::{KEEP_SILENT, WorkerId, WorkerInfo, WorkerRegistry};

/// The workers of one process.
#[derive(Clone)]
pub struct InMemoryWorkerRegistry {
    clock: Arc<dyn Clock>,
    remembered: Duration,
    workers: Arc<Mutex<BTreeMap<WorkerId, WorkerInfo>>>,
}

impl InMemoryWorkerRegistry {
    /// `remembered` is how long after its last beat a worker is listed.
    pub fn new(clock: Arc<dyn Clock>, remembered: Duration) -> Self {
        Self { clock, remembered, workers: Arc::default() }
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<WorkerId, WorkerInfo>> {
        // No code panics while it holds the lock, so the data is intact even if it is poisoned.
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        workers.retain(|_, worker| silence(now, worker) <= KEEP_SILENT);
        workers
    }
}

#[async_trait]
impl WorkerRegistry for InMemoryWorkerRegistry {
    async fn beat(&self, worker: &WorkerInfo) -> Result<()> {
        let seen = WorkerInfo { last_seen: self.clock.now(), ..worker.clone() };
        self.known().insert(worker.id, seen);
        Ok(())
    }

    async fn leave(&self, _: Queue, worker: WorkerId) -> Result<()> {
        self.known().remove(&worker);
        Ok(())
    }

    async fn list(&self) -> Result<Vec<WorkerInfo>> {
        let now = self.clock.now();
        let alive = |worker: &&WorkerInfo| silence(now, worker) <= self.remembered;
        Ok(self.known().values().filter(alive).cloned().collect())
    }

    async fn with_silent(&self) -> Result<Vec<WorkerInfo>> {
        Ok(self.known().values().cloned().collect())
    }
}

fn silence(now: Timestamp, worker: &WorkerInfo) -> Duration {
    Duration::try_from(now.duration_since(worker.last_seen)).unwrap_or_default()
}
