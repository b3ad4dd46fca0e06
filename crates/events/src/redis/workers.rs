use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::connection::{Connection, Repeat};
use super::{keys, scripts};
use crate::error::{Error, Result};
use crate::queue::Queue;
use crate::registry::{KEEP_SILENT, WorkerId, WorkerInfo, WorkerRegistry};

/// Workers of all processes. Times are by Redis' clock.
#[derive(Clone)]
pub struct RedisWorkerRegistry {
    connection: Connection,
    remembered: Duration,
}

impl RedisWorkerRegistry {
    /// `remembered` is how long after its last beat a worker is listed.
    pub fn new(connection: Connection, remembered: Duration) -> Self {
        Self { connection, remembered }
    }

    /// Those seen within that time, oldest first.
    async fn seen_within(&self, time: Duration) -> Result<Vec<WorkerInfo>> {
        let mut workers = Vec::new();
        for queue in Queue::ALL {
            let (keys, args) = (vec![keys::workers(queue).into()], vec![ms(time).into()]);
            let values: Vec<String> = self.connection.script(&scripts::WORKERS, keys, args, Repeat::Harmless).await?;
            // Entries written by somebody else, or by another version, are not shown.
            workers.extend(values.iter().filter_map(|value| read(value)));
        }
        workers.sort_by_key(|worker| worker.id);
        Ok(workers)
    }
}

#[async_trait]
impl WorkerRegistry for RedisWorkerRegistry {
    async fn beat(&self, worker: &WorkerInfo) -> Result<()> {
        let shown = serde_json::to_string(worker).map_err(|error| Error::Corrupt("worker", error.to_string()))?;
        let keys = vec![keys::workers(worker.queue).into()];
        let args = vec![worker.id.to_string().into(), shown.into(), ms(KEEP_SILENT).into()];
        self.connection.script::<()>(&scripts::BEAT, keys, args, Repeat::Harmless).await
    }

    async fn leave(&self, queue: Queue, worker: WorkerId) -> Result<()> {
        let args = vec![keys::workers(queue).into(), worker.to_string().into()];
        self.connection.command::<i64>("HDEL", args, Repeat::Harmless).await.map(|_| ())
    }

    async fn list(&self) -> Result<Vec<WorkerInfo>> {
        self.seen_within(self.remembered).await
    }

    async fn with_silent(&self) -> Result<Vec<WorkerInfo>> {
        self.seen_within(KEEP_SILENT).await
    }
}

fn ms(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

fn read(value: &str) -> Option<WorkerInfo> {
    let (seen_ms, shown) = value.split_once('|')?;
    let last_seen = Timestamp::from_millisecond(seen_ms.parse().ok()?).ok()?;
    let worker: WorkerInfo = serde_json::from_str(shown).ok()?;
    Some(WorkerInfo { last_seen, ..worker })
}
