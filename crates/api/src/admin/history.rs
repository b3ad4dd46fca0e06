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
    /// The length of time that a point covers.
    step_seconds: u64,
    /// Oldest first. Times without measurements are left out.
    points: Vec<Point>,
}

/// The highest value of each figure in that time.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = QueueHistoryPoint)]
pub struct Point {
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// Entries to be claimed. Null: the transport did not answer.
    waiting: Option<u64>,
    /// Entries claimed by workers. Null: the transport did not answer.
    in_flight: Option<u64>,
    /// Entries whose worker was lost. Null: the transport did not answer.
    suspects: Option<u64>,
    /// Events without effect so far, not counting dead letters.
    owed: u64,
    unpublished: u64,
    dead: u64,
    /// Age of the oldest owed event; 0 if none is owed.
    oldest_age_seconds: u64,
    /// Workers that are alive. Null: the transport did not answer.
    workers: Option<u64>,
    /// Entries that workers finished since the previous point. Null: this is the first.
    processed: Option<u64>,
    processed_per_second: Option<f64>,
    /// Attempts that failed since the previous point. Null: this is the first.
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

/// The queue's figures over time, up to a day back: a sample every 15 seconds, combined into about 240 points.
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
