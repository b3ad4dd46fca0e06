//! One queue over time.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path, ServiceConfig};
use askama::Template;

use super::overview::PauseShown;
use crate::endpoint::Endpoint;
use crate::pages::chart::Chart;
use crate::pages::shown::When;
use crate::pages::{Chrome, Section, Visit};
use crate::problem::Problem;
use crate::query::Params;
use crate::routes::admin::history::{self, Point};
use crate::routes::admin::{log_failed, queue_named};
use crate::state::AppState;

/// Minutes, and how they are called.
const PERIODS: [(u64, &str); 3] = [(60, "1 hour"), (360, "6 hours"), (1_440, "24 hours")];
const POINTS: u32 = 60;

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/admin/queues/{queue}").get(queue).register(config);
}

#[derive(Template)]
#[template(path = "admin_queue.html")]
struct QueuePage {
    chrome: Chrome,
    name: &'static str,
    paused: Option<PauseShown>,
    periods: [(u64, &'static str); 3],
    minutes: u64,
    step_seconds: u64,
    charts: Vec<Chart>,
    points: Vec<PointShown>,
}

/// Empty where it is not known.
struct PointShown {
    at: String,
    owed: u64,
    oldest: u64,
    waiting: String,
    in_flight: String,
    processed: String,
    retries: String,
    dead: u64,
    workers: String,
}

async fn queue(
    state: Data<AppState>,
    visit: Visit,
    queue: Path<String>,
    mut params: Params,
) -> Result<HttpResponse, Problem> {
    visit.admin()?;
    let queue = queue_named(&queue)?;
    let operations = &state.operations;
    let asked = params.number("minutes", 1..=1_440)?;
    let minutes = asked.filter(|asked| PERIODS.iter().any(|(minutes, _)| minutes == asked)).unwrap_or(PERIODS[0].0);
    let history = history::of(operations, queue, minutes, POINTS).await?;
    let pauses = operations.operator.pauses().await.map_err(log_failed)?;
    let now = operations.clock.now();
    let paused = pauses.into_iter().find(|pause| pause.queue == queue);
    let bars = |figure: fn(&Point) -> Option<u64>| {
        let time = |point: &Point| point.at.strftime("%H:%M").to_string();
        let bar = |point: &Point| (format!("{} UTC", time(point)), time(point), figure(point));
        history.points.iter().map(bar).collect::<Vec<_>>()
    };
    let chart = |id, title, figure| Chart::of(id, title, "Time", bars(figure));
    let charts = vec![
        chart("owed", "Owed events", |point| Some(point.owed)),
        chart("oldest", "Age of the oldest, in seconds", |point| Some(point.oldest_age_seconds)),
        chart("waiting", "Waiting", |point| point.waiting),
        chart("in-flight", "In flight", |point| point.in_flight),
        chart("processed", "Processed", |point| point.processed),
        chart("retries", "Failed attempts", |point| point.retries),
        chart("dead", "Dead letters", |point| Some(point.dead)),
        chart("workers", "Workers", |point| point.workers),
    ];
    let known = |figure: Option<u64>| figure.map(|figure| figure.to_string()).unwrap_or_default();
    let point = |point: &Point| PointShown {
        at: point.at.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        owed: point.owed,
        oldest: point.oldest_age_seconds,
        waiting: known(point.waiting),
        in_flight: known(point.in_flight),
        processed: known(point.processed),
        retries: known(point.retries),
        dead: point.dead,
        workers: known(point.workers),
    };
    visit.page(&QueuePage {
        chrome: visit.chrome(Section::Operations),
        name: queue.name(),
        paused: paused.map(|pause| PauseShown {
            by: pause.by.to_string(),
            since: When::of(pause.since, now),
            reason: pause.reason,
        }),
        periods: PERIODS,
        minutes,
        step_seconds: history.step_seconds,
        charts,
        points: history.points.iter().rev().map(point).collect(),
    })
}
