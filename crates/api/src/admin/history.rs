//! A queue's figures over time.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path, ServiceConfig};
use cardwire_events::Queue;
use cardwire_http::caller::Observer;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::operations::{history, queue_named};
use cardwire_http::problem::Problem;
use cardwire_http::query::Params;
use cardwire_http::state::AppState;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use crate::resource::Resource;

const DEFAULT_MINUTES: u64 = 60;
/// As long as figures are kept.
pub const MAX_MINUTES: u64 = 1_440;
/// About as many points as a chart can show.
const POINTS: u32 = 240;

pub const RESOURCE: Resource = Resource { configure, document: Document::openapi };

#[derive(OpenApi)]
#[openapi(paths(history))]
struct Document;

fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/api/admin/queues/{queue}/history").get(history).register(config);
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = QueueHistory)]
pub struct History {
    #[schema(value_type = String, example = "feeds")]
    queue: Queue,
    minutes: u64,
    /// How long the stretch of time is that a point stands for.
    step_seconds: u64,
    /// Oldest first. Stretches in which nothing was measured are left out.
    points: Vec<Point>,
}

/// The highest of each figure in its stretch of time.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = QueueHistoryPoint)]
pub struct Point {
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// Entries to be claimed. Null: the transport did not answer.
    waiting: Option<u64>,
    /// Entries in the hands of workers. Null: the transport did not answer.
    in_flight: Option<u64>,
    /// Entries whose worker was lost. Null: the transport did not answer.
    suspects: Option<u64>,
    /// Events without effect yet, dead letters aside.
    owed: u64,
    unpublished: u64,
    dead: u64,
    /// Of the oldest owed event; 0 when none is owed.
    oldest_age_seconds: u64,
    /// Workers that are alive. Null: the transport did not answer.
    workers: Option<u64>,
    /// Entries that workers were done with since the point before. Null: this is the first.
    processed: Option<u64>,
    processed_per_second: Option<f64>,
    /// Attempts that failed since the point before. Null: this is the first.
    retries: Option<u64>,
}

impl From<history::Point> for Point {
    fn from(point: history::Point) -> Self {
        let history::Point { at, gauges, processed, processed_per_second, retries } = point;
        Self {
            at,
            waiting: gauges.waiting,
            in_flight: gauges.in_flight,
            suspects: gauges.suspects,
            owed: gauges.owed,
            unpublished: gauges.unpublished,
            dead: gauges.dead,
            oldest_age_seconds: gauges.oldest_age_s,
            workers: gauges.workers,
            processed,
            processed_per_second,
            retries,
        }
    }
}

/// What was where in the queue, at most a day back: a sample each 15 seconds, put together into about 240 points.
#[utoipa::path(
    operation_id = "getQueueHistory",
    get, path = "/api/admin/queues/{queue}/history", tag = "admin", security(("bearer" = [])),
    params(
        ("queue" = String, Path, example = "feeds"),
        ("minutes" = Option<u32>, Query, description = "60 by default"),
    ),
    responses((status = 200, body = History))
)]
pub async fn history(
    state: Data<AppState>,
    _: Observer,
    queue: Path<String>,
    mut params: Params,
) -> Result<HttpResponse, Problem> {
    let queue = queue_named(&queue)?;
    let minutes = params.number("minutes", 1..=MAX_MINUTES)?.unwrap_or(DEFAULT_MINUTES);
    params.finish()?;
    let history::History { step, points } = state.operations.history(queue, minutes, POINTS).await?;
    let points = points.into_iter().map(Into::into).collect();
    Ok(HttpResponse::Ok().json(History { queue, minutes, step_seconds: step.as_secs(), points }))
}
