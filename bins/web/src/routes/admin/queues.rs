//! Where events are on their way, and who works on them.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::{Data, ServiceConfig};
use cardwire_events::{Backlog, Depth, Queue, QueueSettings, WorkerId, WorkerInfo};
use futures_util::future::{join, join_all};
use jiff::Timestamp;
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;

use super::{Admin, log_failed};
use crate::endpoint::Endpoint;
use crate::operations::Operations;
use crate::problem::Problem;
use crate::query::NoParams;
use crate::state::AppState;

/// How long the transport may take to tell its numbers; the answer does without them then.
const TRANSPORT_PATIENCE: Duration = Duration::from_secs(2);

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/api/admin/queues").get(list).register(config);
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Queues {
    transport: Transport,
    queues: Vec<QueueBody>,
    /// Those seen lately, oldest first. Null: the transport, which knows them, did not answer.
    workers: Option<Vec<WorkerBody>>,
}

/// Whether the queues themselves could be asked. What the event log owes does not depend on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    Ok,
    Unavailable,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Queue)]
pub struct QueueBody {
    #[schema(value_type = String, example = "feeds")]
    queue: Queue,
    /// Entries to be claimed. Null: the transport did not answer.
    waiting: Option<usize>,
    /// Entries in the hands of workers. Null: the transport did not answer.
    in_flight: Option<usize>,
    /// Entries whose worker was lost, run one at a time. Null: the transport did not answer.
    suspects: Option<usize>,
    /// Events that have had no effect yet, dead letters aside.
    owed: u64,
    /// Of those, not in the queue now.
    unpublished: u64,
    dead: u64,
    /// Of the oldest owed event. Null: none is owed.
    oldest_age_seconds: Option<u64>,
    settings: SettingsBody,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = QueueSettings)]
pub struct SettingsBody {
    attempts: u32,
    backoff_ms: u64,
    /// Batches in flight in one worker.
    concurrency: usize,
}

impl From<QueueSettings> for SettingsBody {
    fn from(settings: QueueSettings) -> Self {
        let QueueSettings { attempts, backoff_ms, concurrency } = settings;
        Self { attempts, backoff_ms, concurrency }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Worker)]
pub struct WorkerBody {
    /// Of this run of the process.
    #[schema(value_type = String)]
    id: WorkerId,
    #[schema(value_type = String, example = "feeds")]
    queue: Queue,
    host: String,
    pid: u32,
    version: String,
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    last_seen: Timestamp,
    /// Events with an outcome since the start.
    processed: u64,
}

impl From<WorkerInfo> for WorkerBody {
    fn from(worker: WorkerInfo) -> Self {
        let WorkerInfo { id, queue, host, pid, version, started_at, last_seen, processed } = worker;
        Self { id, queue, host, pid, version, started_at, last_seen, processed }
    }
}

/// How much is where in each queue, and who works. While the transport is away its numbers are null.
#[utoipa::path(
    get, path = "/api/admin/queues", tag = "admin", security(("bearer" = [])),
    responses((status = 200, body = Queues))
)]
pub async fn list(state: Data<AppState>, _: Admin, _: NoParams) -> Result<HttpResponse, Problem> {
    let operations = &state.operations;
    let (backlog, transported) = join(operations.log.backlog(), transported(operations)).await;
    let backlog = backlog.map_err(log_failed)?;
    let now = operations.clock.now();
    let complete = transported.workers.is_some() && transported.depths.iter().all(Option::is_some);
    let queues = operations.queues.iter().zip(&transported.depths).map(|(operated, depth)| {
        let owed = backlog.iter().find(|backlog| backlog.queue == operated.queue);
        body(operated.queue, operated.settings, *depth, owed, now)
    });
    Ok(HttpResponse::Ok().json(Queues {
        transport: if complete { Transport::Ok } else { Transport::Unavailable },
        queues: queues.collect(),
        workers: transported.workers.map(|workers| workers.into_iter().map(Into::into).collect()),
    }))
}

/// What the transport told; `None` where it did not.
struct Transported {
    /// In the order of [`Operations::queues`].
    depths: Vec<Option<Depth>>,
    workers: Option<Vec<WorkerInfo>>,
}

async fn transported(operations: &Operations) -> Transported {
    let depths = operations.queues.iter().map(|operated| told("depth", operated.subscriber.depth()));
    let (depths, workers) = join(join_all(depths), told("workers", operations.registry.list())).await;
    Transported { depths, workers }
}

async fn told<T>(what: &'static str, asked: impl Future<Output = cardwire_events::Result<T>>) -> Option<T> {
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

fn body(
    queue: Queue,
    settings: QueueSettings,
    depth: Option<Depth>,
    backlog: Option<&Backlog>,
    now: Timestamp,
) -> QueueBody {
    // The clock here may be behind the log's, so an age may come out negative.
    let age = |oldest: Timestamp| u64::try_from(now.duration_since(oldest).as_secs()).unwrap_or_default();
    QueueBody {
        queue,
        waiting: depth.map(|depth| depth.waiting),
        in_flight: depth.map(|depth| depth.in_flight),
        suspects: depth.map(|depth| depth.suspects),
        // A log that has nothing to say about a queue owes it nothing.
        owed: backlog.map_or(0, |backlog| backlog.owed),
        unpublished: backlog.map_or(0, |backlog| backlog.unpublished),
        dead: backlog.map_or(0, |backlog| backlog.dead),
        oldest_age_seconds: backlog.and_then(|backlog| backlog.oldest).map(age),
        settings: settings.into(),
    }
}
