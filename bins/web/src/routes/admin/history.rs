//! A queue's figures over time.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::{Data, Path, ServiceConfig};
use cardwire_events::Queue;
use cardwire_events::operations::Sample;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Admin, log_failed, queue_named};
use crate::endpoint::Endpoint;
use crate::operations::Operations;
use crate::problem::Problem;
use crate::query::Params;
use crate::state::AppState;

const DEFAULT_MINUTES: u64 = 60;
/// As long as figures are kept.
const MAX_MINUTES: u64 = 1_440;
/// About as many points as a chart can show.
const POINTS: u32 = 240;

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/api/admin/queues/{queue}/history").get(history).register(config);
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = QueueHistory)]
pub struct History {
    #[schema(value_type = String, example = "feeds")]
    pub queue: Queue,
    pub minutes: u64,
    /// How long the stretch of time is that a point stands for.
    pub step_seconds: u64,
    /// Oldest first. Stretches in which nothing was measured are left out.
    pub points: Vec<Point>,
}

/// The highest of each figure in its stretch of time.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = QueueHistoryPoint)]
pub struct Point {
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Entries to be claimed. Null: the transport did not answer.
    pub waiting: Option<u64>,
    /// Entries in the hands of workers. Null: the transport did not answer.
    pub in_flight: Option<u64>,
    /// Entries whose worker was lost. Null: the transport did not answer.
    pub suspects: Option<u64>,
    /// Events without effect yet, dead letters aside.
    pub owed: u64,
    pub unpublished: u64,
    pub dead: u64,
    /// Of the oldest owed event; 0 when none is owed.
    pub oldest_age_seconds: u64,
    /// Workers that are alive. Null: the transport did not answer.
    pub workers: Option<u64>,
    /// Entries that workers were done with since the point before. Null: this is the first.
    pub processed: Option<u64>,
    pub processed_per_second: Option<f64>,
    /// Attempts that failed since the point before. Null: this is the first.
    pub retries: Option<u64>,
}

impl Point {
    fn of(sample: &Sample, before: Option<&Sample>) -> Self {
        let Sample { at, gauges, processed, failed } = sample;
        let seconds = |before: &Sample| at.duration_since(before.at).as_secs_f64();
        let since = |now: u64, before: u64| now.saturating_sub(before);
        let done = before.map(|before| since(*processed, before.processed));
        let rate = done.zip(before.map(seconds)).filter(|(_, seconds)| *seconds > 0.0);
        Self {
            at: *at,
            waiting: gauges.waiting,
            in_flight: gauges.in_flight,
            suspects: gauges.suspects,
            owed: gauges.owed,
            unpublished: gauges.unpublished,
            dead: gauges.dead,
            oldest_age_seconds: gauges.oldest_age_s,
            workers: gauges.workers,
            processed: done,
            processed_per_second: rate.map(|(done, seconds)| done as f64 / seconds),
            retries: before.map(|before| since(*failed, before.failed)),
        }
    }
}

/// What was where in the queue, at most a day back: a sample each 15 seconds, put together into about 240 points.
#[utoipa::path(
    get, path = "/api/admin/queues/{queue}/history", tag = "admin", security(("bearer" = [])),
    params(
        ("queue" = String, Path, example = "feeds"),
        ("minutes" = Option<u32>, Query, minimum = 1, maximum = 1440, description = "60 unless given"),
    ),
    responses((status = 200, body = History))
)]
pub async fn history(
    state: Data<AppState>,
    _: Admin,
    queue: Path<String>,
    mut params: Params,
) -> Result<HttpResponse, Problem> {
    let queue = queue_named(&queue)?;
    let minutes = params.number("minutes", 1..=MAX_MINUTES)?.unwrap_or(DEFAULT_MINUTES);
    params.finish()?;
    Ok(HttpResponse::Ok().json(of(&state.operations, queue, minutes, POINTS).await?))
}

pub async fn of(operations: &Operations, queue: Queue, minutes: u64, most_points: u32) -> Result<History, Problem> {
    let period = Duration::from_secs(minutes * 60);
    let samples = operations.history.history(queue, period, most_points).await.map_err(log_failed)?;
    let before = std::iter::once(None).chain(samples.iter().map(Some));
    let points = samples.iter().zip(before).map(|(sample, before)| Point::of(sample, before)).collect();
    Ok(History { queue, minutes, step_seconds: Sample::stretch(period, most_points).as_secs(), points })
}
