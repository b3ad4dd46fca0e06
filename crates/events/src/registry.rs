//! The list of workers: each worker process reports now and then that it is alive.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use ulid::Ulid;

use crate::error::Result;
use crate::queue::Queue;

/// One run of a worker process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WorkerId(Ulid);

impl WorkerId {
    pub fn generate() -> Self {
        Self(Ulid::generate())
    }

    pub const fn from_ulid(ulid: Ulid) -> Self {
        Self(ulid)
    }

    pub const fn ulid(self) -> Ulid {
        self.0
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a worker says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkerInfo {
    pub id: WorkerId,
    pub queue: Queue,
    pub host: String,
    pub pid: u32,
    pub version: String,
    pub started_at: Timestamp,
    /// By the registry's clock, not the worker's.
    pub last_seen: Timestamp,
    /// Events with an outcome since the start.
    pub processed: u64,
    /// Batches it is working on.
    #[serde(default)]
    pub in_flight: u64,
}

/// How long a silent worker is still shown.
pub const KEEP_SILENT: Duration = Duration::from_secs(600);

/// Keeps the workers' latest reports, for people. Nothing depends on them.
#[async_trait]
pub trait WorkerRegistry: Send + Sync {
    /// Notes that the worker is alive. It is forgotten [`KEEP_SILENT`] after the last beat.
    async fn beat(&self, worker: &WorkerInfo) -> Result<()>;
    /// The worker signs off.
    async fn leave(&self, queue: Queue, worker: WorkerId) -> Result<()>;
    /// Workers of all queues seen lately, oldest first.
    async fn list(&self) -> Result<Vec<WorkerInfo>>;
    /// Includes those that fell silent without signing off, oldest first.
    async fn with_silent(&self) -> Result<Vec<WorkerInfo>> {
        self.list().await
    }
}
