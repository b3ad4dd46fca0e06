//! One queue over time.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path, ServiceConfig};
use askama::Template;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::operations::history::Point;
use cardwire_http::operations::queue_named;
use cardwire_http::problem::Problem;
use cardwire_http::query::Params;
use cardwire_http::state::AppState;
use jiff::Timestamp;

use super::figures::PauseShown;
use crate::chart::Chart;
use crate::visit::{Chrome, Section, Visit};

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
    /// Events that are owed and were published again, since their copies were lost.
    resent: u64,
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
    half: String,
    most: String,
}

async fn queue(
    state: Data<AppState>,
    visit: Visit,
    queue: Path<String>,
    mut params: Params,
) -> Result<HttpResponse, Problem> {
    visit.observer()?;
    let queue = queue_named(&queue)?;
    let operations = &state.operations;
    let asked = params.number("minutes", 1..=1_440)?;
    let minutes = asked.filter(|asked| PERIODS.iter().any(|(minutes, _)| minutes == asked)).unwrap_or(PERIODS[0].0);
    let history = operations.history(queue, minutes, POINTS).await?;
    let now = operations.clock.now();
    let paused = operations.pause_of(queue).await?;
    let resent =
        operations.finder.resent().await?.into_iter().find(|(of, _)| *of == queue).map_or(0, |(_, events)| events);
    let bars = |figure: fn(&Point) -> Option<u64>| {
        let time = |point: &Point| point.at.strftime("%H:%M").to_string();
        let bar = |point: &Point| (format!("{} UTC", time(point)), time(point), figure(point));
        history.points.iter().map(bar).collect::<Vec<_>>()
    };
    let chart = |id, title, figure| Chart::of(id, title, "Time", bars(figure));
    let took = operations.latencies(queue, minutes, POINTS).await?;
    let stretch = |at: Timestamp| at.as_second() / i64::try_from(history.step.as_secs()).unwrap_or(i64::MAX).max(1);
    let took_ms = |at: Timestamp, q: f64| {
        let of_point = took.iter().find(|took| stretch(took.at) == stretch(at))?;
        Some(u64::try_from(of_point.events.quantile(q)?.as_millis()).unwrap_or(u64::MAX))
    };
    let quantile = |id, title, q| {
        let time = |point: &Point| point.at.strftime("%H:%M").to_string();
        let bar = |point: &Point| (format!("{} UTC", time(point)), time(point), took_ms(point.at, q));
        Chart::of(id, title, "Time", history.points.iter().map(bar).collect())
    };
    let charts = vec![
        chart("owed", "Owed events", |point| Some(point.gauges.owed)),
        chart("oldest", "Age of the oldest, in seconds", |point| Some(point.gauges.oldest_age_s)),
        chart("waiting", "Waiting", |point| point.gauges.waiting),
        chart("in-flight", "In flight", |point| point.gauges.in_flight),
        chart("processed", "Processed", |point| point.processed),
        quantile("half", "Latency, p50, in ms", 0.5),
        quantile("most", "Latency, p99, in ms", 0.99),
        chart("retries", "Failed attempts", |point| point.retries),
        chart("dead", "Dead letters", |point| Some(point.gauges.dead)),
        chart("workers", "Workers", |point| point.gauges.workers),
    ];
    let known = |figure: Option<u64>| figure.map(|figure| figure.to_string()).unwrap_or_default();
    let point = |point: &Point| PointShown {
        at: point.at.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        owed: point.gauges.owed,
        oldest: point.gauges.oldest_age_s,
        waiting: known(point.gauges.waiting),
        in_flight: known(point.gauges.in_flight),
        processed: known(point.processed),
        retries: known(point.retries),
        dead: point.gauges.dead,
        workers: known(point.gauges.workers),
        half: known(took_ms(point.at, 0.5)),
        most: known(took_ms(point.at, 0.99)),
    };
    visit.page(&QueuePage {
        chrome: visit.chrome(Section::Operations),
        name: queue.name(),
        paused: paused.map(|pause| PauseShown::of(pause, now)),
        periods: PERIODS,
        minutes,
        resent,
        step_seconds: history.step.as_secs(),
        charts,
        points: history.points.iter().rev().map(point).collect(),
    })
}
