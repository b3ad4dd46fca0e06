//! Where events are on their way, and who works on them.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::{Data, ServiceConfig};
use cardwire_domain::UserId;
use cardwire_events::{Backlog, Depth, Pause, Queue, QueueSettings, WorkerId, WorkerInfo};
use futures_util::future::{join, join_all, join3, try_join};
use jiff::Timestamp;
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;

use super::{Admin, log_failed};
use crate::endpoint::Endpoint;
use crate::operations::{OperatedQueue, Operations};
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
    pub transport: Transport,
    pub queues: Vec<QueueBody>,
    /// Those seen within ten minutes, oldest first. Null: the transport, which knows them, did not answer.
    pub workers: Option<Vec<WorkerBody>>,
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
    pub queue: Queue,
    /// Entries to be claimed. Null: the transport did not answer.
    pub waiting: Option<usize>,
    /// Entries in the hands of workers. Null: the transport did not answer.
    pub in_flight: Option<usize>,
    /// Entries whose worker was lost, run one at a time. Null: the transport did not answer.
    pub suspects: Option<usize>,
    /// Events that have had no effect yet, dead letters aside.
    pub owed: u64,
    /// Of those, not in the queue now.
    pub unpublished: u64,
    pub dead: u64,
    /// Of the oldest owed event. Null: none is owed.
    pub oldest_age_seconds: Option<u64>,
    /// Null: it is not paused.
    pub paused: Option<PauseBody>,
    pub settings: SettingsBody,
}

/// Workers claim nothing from the queue, and nothing is published to it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Pause)]
pub struct PauseBody {
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    #[schema(value_type = String, example = "did:plc:alice")]
    pub by: UserId,
    pub reason: Option<String>,
}

impl From<&Pause> for PauseBody {
    fn from(pause: &Pause) -> Self {
        let Pause { queue: _, since, by, reason } = pause.clone();
        Self { since, by, reason }
    }
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
    pub id: WorkerId,
    #[schema(value_type = String, example = "feeds")]
    pub queue: Queue,
    pub host: String,
    pub pid: u32,
    pub version: String,
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub last_seen: Timestamp,
    /// Events with an outcome since the start.
    pub processed: u64,
    /// Batches in work.
    pub in_flight: u64,
    /// False: it fell silent without saying that it ends.
    pub alive: bool,
}

impl From<(WorkerInfo, bool)> for WorkerBody {
    fn from((worker, alive): (WorkerInfo, bool)) -> Self {
        let WorkerInfo { id, queue, host, pid, version, started_at, last_seen, processed, in_flight } = worker;
        Self { id, queue, host, pid, version, started_at, last_seen, processed, in_flight, alive }
    }
}

/// How much is where in each queue, and who works. While the transport is away its numbers are null.
#[utoipa::path(
    get, path = "/api/admin/queues", tag = "admin", security(("bearer" = [])),
    responses((status = 200, body = Queues))
)]
pub async fn list(state: Data<AppState>, _: Admin, _: NoParams) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(overview(&state.operations).await?))
}

pub async fn overview(operations: &Operations) -> Result<Queues, Problem> {
    let (backlog, pauses, transported) =
        join3(operations.log.backlog(), operations.operator.pauses(), transported(operations)).await;
    let (backlog, pauses) = (backlog.map_err(log_failed)?, pauses.map_err(log_failed)?);
    let now = operations.clock.now();
    let complete = transported.workers.is_some() && transported.depths.iter().all(Option::is_some);
    let queues = operations.queues.iter().zip(&transported.depths).map(|(operated, depth)| {
        let owed = backlog.iter().find(|backlog| backlog.queue == operated.queue);
        let pause = pauses.iter().find(|pause| pause.queue == operated.queue);
        body(operated, *depth, owed, pause, now)
    });
    Ok(Queues {
        transport: if complete { Transport::Ok } else { Transport::Unavailable },
        queues: queues.collect(),
        workers: transported.workers.map(|workers| workers.into_iter().map(Into::into).collect()),
    })
}

/// What the transport told; `None` where it did not.
struct Transported {
    /// In the order of [`Operations::queues`].
    depths: Vec<Option<Depth>>,
    /// And whether each is alive.
    workers: Option<Vec<(WorkerInfo, bool)>>,
}

async fn transported(operations: &Operations) -> Transported {
    let depths = operations.queues.iter().map(|operated| told("depth", operated.subscriber.depth()));
    let (depths, workers) = join(join_all(depths), told("workers", workers(operations))).await;
    Transported { depths, workers }
}

async fn workers(operations: &Operations) -> cardwire_events::Result<Vec<(WorkerInfo, bool)>> {
    let registry = &operations.registry;
    let (alive, all) = try_join(registry.list(), registry.with_silent()).await?;
    let is_alive = |worker: &WorkerInfo| alive.iter().any(|one| one.id == worker.id);
    Ok(all.into_iter().map(|worker| (is_alive(&worker), worker)).map(|(alive, worker)| (worker, alive)).collect())
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
    operated: &OperatedQueue,
    depth: Option<Depth>,
    backlog: Option<&Backlog>,
    pause: Option<&Pause>,
    now: Timestamp,
) -> QueueBody {
    // The clock here may be behind the log's, so an age may come out negative.
    let age = |oldest: Timestamp| u64::try_from(now.duration_since(oldest).as_secs()).unwrap_or_default();
    QueueBody {
        queue: operated.queue,
        waiting: depth.map(|depth| depth.waiting),
        in_flight: depth.map(|depth| depth.in_flight),
        suspects: depth.map(|depth| depth.suspects),
        // A log that has nothing to say about a queue owes it nothing.
        owed: backlog.map_or(0, |backlog| backlog.owed),
        unpublished: backlog.map_or(0, |backlog| backlog.unpublished),
        dead: backlog.map_or(0, |backlog| backlog.dead),
        oldest_age_seconds: backlog.and_then(|backlog| backlog.oldest).map(age),
        paused: pause.map(Into::into),
        settings: operated.settings.into(),
    }
}
