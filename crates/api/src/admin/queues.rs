//! How many events are where in each queue, and the workers.

use actix_web::HttpResponse;
use actix_web::web::{Data, ServiceConfig};
use cardwire_domain::UserId;
use cardwire_events::{Pause, Queue, QueueSettings, WorkerId, WorkerInfo};
use cardwire_http::caller::Observer;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::operations::overview::{Overview, QueueNow};
use cardwire_http::problem::Problem;
use cardwire_http::query::NoParams;
use cardwire_http::state::AppState;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use crate::resource::Resource;

pub const RESOURCE: Resource = Resource { configure, document: Document::openapi };

#[derive(OpenApi)]
#[openapi(paths(list))]
struct Document;

fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/api/admin/queues").get(list).register(config);
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Queues {
    transport: Transport,
    queues: Vec<QueueBody>,
    /// Workers seen within ten minutes, oldest first. Null: the transport, which knows them, did not answer.
    workers: Option<Vec<WorkerBody>>,
}

/// Whether the queues themselves answered. Figures of the event log do not depend on that.
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
    /// Entries claimed by workers. Null: the transport did not answer.
    in_flight: Option<usize>,
    /// Entries whose worker was lost, run one at a time. Null: the transport did not answer.
    suspects: Option<usize>,
    /// Events without effect so far, not counting dead letters.
    owed: u64,
    /// Those of `owed` that are not in the queue now.
    unpublished: u64,
    dead: u64,
    /// Age of the oldest owed event. Null: none is owed.
    oldest_age_seconds: Option<u64>,
    /// Null: the queue is not paused.
    paused: Option<PauseBody>,
    settings: SettingsBody,
}

impl From<Overview> for Queues {
    fn from(overview: Overview) -> Self {
        Self {
            transport: if overview.transport_answers() { Transport::Ok } else { Transport::Unavailable },
            queues: overview.queues.into_iter().map(Into::into).collect(),
            workers: overview.workers.map(|workers| workers.into_iter().map(Into::into).collect()),
        }
    }
}

impl From<QueueNow> for QueueBody {
    fn from(now: QueueNow) -> Self {
        let QueueNow { queue, depth, backlog, oldest_age_s, paused, settings } = now;
        Self {
            queue,
            waiting: depth.map(|depth| depth.waiting),
            in_flight: depth.map(|depth| depth.in_flight),
            suspects: depth.map(|depth| depth.suspects),
            owed: backlog.map_or(0, |backlog| backlog.owed),
            unpublished: backlog.map_or(0, |backlog| backlog.unpublished),
            dead: backlog.map_or(0, |backlog| backlog.dead),
            oldest_age_seconds: oldest_age_s,
            paused: paused.map(Into::into),
            settings: settings.into(),
        }
    }
}

/// Workers claim nothing from the queue, and nothing is published to it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Pause)]
pub struct PauseBody {
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
    #[schema(value_type = String, example = "did:plc:alice")]
    by: UserId,
    reason: Option<String>,
}

impl From<Pause> for PauseBody {
    fn from(pause: Pause) -> Self {
        let Pause { queue: _, since, by, reason } = pause;
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
    /// The id of this run of the process.
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
    /// Batches it is working on.
    in_flight: u64,
    /// False: it stopped reporting without signing off.
    alive: bool,
}

impl From<(WorkerInfo, bool)> for WorkerBody {
    fn from((worker, alive): (WorkerInfo, bool)) -> Self {
        let WorkerInfo { id, queue, host, pid, version, started_at, last_seen, processed, in_flight } = worker;
        Self { id, queue, host, pid, version, started_at, last_seen, processed, in_flight, alive }
    }
}

/// The figures of each queue, and the workers. While the transport does not answer, its figures are null.
#[utoipa::path(
    operation_id = "listQueues",
    get, path = "/api/admin/queues", tag = "admin", security(("bearer" = [])),
    responses((status = 200, body = Queues))
)]
pub async fn list(state: Data<AppState>, _: Observer, _: NoParams) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(Queues::from(state.operations.overview().await?)))
}
