//! Where events are on their way, and who works on them.

use std::time::Duration;

use cardwire_events::{Backlog, Depth, Pause, Queue, QueueSettings, WorkerInfo};
use futures_util::future::{join, join_all, join3, try_join};
use jiff::Timestamp;
use tokio::time::timeout;

use super::{OperatedQueue, Operations};
use crate::problem::Problem;

/// How long the transport may take to tell its numbers; the answer does without them then.
const TRANSPORT_PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub struct Overview {
    /// Every queue once.
    pub queues: Vec<QueueNow>,
    /// Those seen within ten minutes, oldest first, and whether each is alive. `None`: the transport, which knows them, did not answer.
    pub workers: Option<Vec<(WorkerInfo, bool)>>,
}

impl Overview {
    /// Whether the queues themselves could be asked. What the event log owes does not depend on them.
    pub fn transport_answers(&self) -> bool {
        self.workers.is_some() && self.queues.iter().all(|queue| queue.depth.is_some())
    }
}

#[derive(Debug)]
pub struct QueueNow {
    pub queue: Queue,
    /// `None`: the transport did not answer.
    pub depth: Option<Depth>,
    /// `None`: the log owes the queue nothing.
    pub backlog: Option<Backlog>,
    /// Of the oldest owed event. `None`: none is owed.
    pub oldest_age_s: Option<u64>,
    pub paused: Option<Pause>,
    pub settings: QueueSettings,
}

impl Operations {
    pub async fn overview(&self) -> Result<Overview, Problem> {
        let (backlog, pauses, (depths, workers)) =
            join3(self.log.backlog(), self.operator.pauses(), self.transported()).await;
        let (backlog, pauses) = (backlog?, pauses?);
        let now = self.clock.now();
        let queue = |(operated, depth): (&OperatedQueue, Option<Depth>)| {
            let backlog = backlog.iter().find(|backlog| backlog.queue == operated.queue).copied();
            QueueNow {
                queue: operated.queue,
                depth,
                backlog,
                oldest_age_s: backlog.and_then(|backlog| backlog.oldest).map(|oldest| age_s(oldest, now)),
                paused: pauses.iter().find(|pause| pause.queue == operated.queue).cloned(),
                settings: operated.settings,
            }
        };
        Ok(Overview { queues: self.queues.iter().zip(depths).map(queue).collect(), workers })
    }

    /// Whether this queue is paused, by whom and why.
    pub async fn pause_of(&self, queue: Queue) -> Result<Option<Pause>, Problem> {
        Ok(self.operator.pauses().await?.into_iter().find(|pause| pause.queue == queue))
    }

    /// What the transport tells: depths in the order of `queues`, and workers; `None` where it does not.
    async fn transported(&self) -> (Vec<Option<Depth>>, Option<Vec<(WorkerInfo, bool)>>) {
        let depths = self.queues.iter().map(|operated| told("depth", operated.subscriber.depth()));
        join(join_all(depths), told("workers", self.workers())).await
    }

    /// As [`Overview::workers`].
    pub(super) async fn workers_now(&self) -> Option<Vec<(WorkerInfo, bool)>> {
        told("workers", self.workers()).await
    }

    async fn workers(&self) -> cardwire_events::Result<Vec<(WorkerInfo, bool)>> {
        let (alive, all) = try_join(self.registry.list(), self.registry.with_silent()).await?;
        let is_alive = |worker: &WorkerInfo| alive.iter().any(|one| one.id == worker.id);
        Ok(all.into_iter().map(|worker| (is_alive(&worker), worker)).map(|(alive, worker)| (worker, alive)).collect())
    }
}

/// The clock here may be behind the log's, so an age may come out negative.
fn age_s(oldest: Timestamp, now: Timestamp) -> u64 {
    u64::try_from(now.duration_since(oldest).as_secs()).unwrap_or_default()
}

pub(super) async fn told<T>(what: &'static str, asked: impl Future<Output = cardwire_events::Result<T>>) -> Option<T> {
    match timeout(TRANSPORT_PATIENCE, asked).await {
        Ok(Ok(answer)) => Some(answer),
        Ok(Err(error)) => {
            tracing::warn!(%error, what, "the transport cannot be asked");
            None
        }
        Err(_) => {
            tracing::warn!(what, "the transport does not answer");
            None
        }
    }
}
