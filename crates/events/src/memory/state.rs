use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use ulid::Ulid;

use crate::queue::Queue;

/// All queues of one process. Publishers and subscribers share it.
#[derive(Clone, Debug)]
pub struct InMemoryQueues {
    lanes: [Arc<Lane>; Queue::ALL.len()],
    pub(super) lease: Duration,
}

#[derive(Debug, Default)]
pub(super) struct Lane {
    entries: Mutex<Entries>,
    pub(super) bell: Notify,
}

/// The fronts of the deques are claimed next.
#[derive(Debug, Default)]
pub(super) struct Entries {
    pub wait: VecDeque<String>,
    pub suspect: VecDeque<String>,
    pub claims: BTreeMap<Ulid, Claimed>,
}

#[derive(Debug)]
pub(super) struct Claimed {
    pub entries: Vec<String>,
    pub suspect: bool,
    pub expires: Instant,
}

impl InMemoryQueues {
    pub fn new(lease: Duration) -> Self {
        Self { lanes: Default::default(), lease }
    }

    pub(super) fn lane(&self, queue: Queue) -> &Arc<Lane> {
        &self.lanes[queue.index()]
    }
}

impl Default for InMemoryQueues {
    fn default() -> Self {
        Self::new(crate::worker::LEASE)
    }
}

impl Lane {
    /// No code panics while it holds the lock, so the data is intact even if it is poisoned.
    pub fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
