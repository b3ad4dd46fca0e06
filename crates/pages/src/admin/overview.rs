//! All queues at once, who works on them, and the search index.

use actix_web::HttpResponse;
use actix_web::web::{Data, ServiceConfig};
use askama::Template;
use cardwire_events::WorkerInfo;
use cardwire_events::operations::Rebuild;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::operations::history::Point;
use cardwire_http::operations::overview::QueueNow;
use cardwire_http::problem::Problem;
use cardwire_http::state::AppState;
use jiff::Timestamp;

use super::figures::{PauseShown, known, lasting};
use super::names::Names;
use crate::shown::When;
use crate::visit::{Chrome, Section, Visit};

/// What the small pictures show.
const MINUTES: u64 = 60;
const POINTS: u32 = 60;
const SPARK_WIDTH: f64 = 120.0;
const SPARK_HEIGHT: f64 = 24.0;

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/admin").get(overview).register(config);
}

#[derive(Template)]
#[template(path = "admin.html")]
struct OverviewPage {
    chrome: Chrome,
    transport_away: bool,
    queues: Vec<QueueShown>,
    /// `None`: the transport, which knows them, is away.
    workers: Option<Vec<WorkerShown>>,
    rebuild: Option<RebuildShown>,
}

struct QueueShown {
    name: &'static str,
    paused: Option<PauseShown>,
    owed: u64,
    unpublished: u64,
    waiting: String,
    in_flight: String,
    dead: u64,
    oldest: String,
    rate: String,
    spark: Spark,
}

struct WorkerShown {
    queue: &'static str,
    host: String,
    pid: u32,
    version: String,
    started: When,
    seen: When,
    processed: u64,
    in_flight: u64,
    alive: bool,
}

struct RebuildShown {
    open: bool,
    error: Option<String>,
    done: u64,
    total: Option<u64>,
    by: String,
    asked: When,
}

/// How much was owed, as a line.
struct Spark {
    /// Of the line: `x,y x,y …`.
    points: String,
    about: String,
}

impl Spark {
    fn of(values: &[u64]) -> Self {
        let largest = values.iter().max().copied().unwrap_or_default();
        let step = SPARK_WIDTH / values.len().saturating_sub(1).max(1) as f64;
        let height = |value: u64| SPARK_HEIGHT - 1.0 - (SPARK_HEIGHT - 2.0) * value as f64 / largest.max(1) as f64;
        let point = |(index, value): (usize, &u64)| format!("{:.1},{:.1}", step * index as f64, height(*value));
        let points: Vec<String> = values.iter().enumerate().map(point).collect();
        Self { points: points.join(" "), about: format!("at most {largest} owed in the last hour") }
    }
}

impl QueueShown {
    fn of(now: QueueNow, points: &[Point], at: Timestamp) -> Self {
        let rate = points.last().and_then(|point| point.processed_per_second);
        let owed: Vec<u64> = points.iter().map(|point| point.gauges.owed).collect();
        Self {
            name: now.queue.name(),
            paused: now.paused.map(|pause| PauseShown::of(pause, at)),
            owed: now.backlog.map_or(0, |backlog| backlog.owed),
            unpublished: now.backlog.map_or(0, |backlog| backlog.unpublished),
            waiting: known(now.depth.map(|depth| depth.waiting)),
            in_flight: known(now.depth.map(|depth| depth.in_flight)),
            dead: now.backlog.map_or(0, |backlog| backlog.dead),
            oldest: now.oldest_age_s.map_or_else(|| "none".into(), lasting),
            rate: rate.map_or_else(|| "unknown".into(), |rate| format!("{rate:.1}/s")),
            spark: Spark::of(&owed),
        }
    }
}

impl RebuildShown {
    fn of(rebuild: Rebuild, names: &Names, now: Timestamp) -> Self {
        Self {
            open: rebuild.finished_at.is_none(),
            error: rebuild.error,
            done: rebuild.done,
            total: rebuild.total,
            by: names.beside(rebuild.requested_by.as_str()),
            asked: When::of(rebuild.requested_at, now),
        }
    }
}

async fn overview(state: Data<AppState>, visit: Visit) -> Result<HttpResponse, Problem> {
    visit.observer()?;
    let operations = &state.operations;
    let now = operations.clock.now();
    let seen = operations.overview().await?;
    let transport_away = !seen.transport_answers();
    let mut queues = Vec::new();
    for queue in seen.queues {
        let history = operations.history(queue.queue, MINUTES, POINTS).await?;
        queues.push(QueueShown::of(queue, &history.points, now));
    }
    let worker = |(worker, alive): (WorkerInfo, bool)| WorkerShown {
        queue: worker.queue.name(),
        host: worker.host,
        pid: worker.pid,
        version: worker.version,
        started: When::of(worker.started_at, now),
        seen: When::of(worker.last_seen, now),
        processed: worker.processed,
        in_flight: worker.in_flight,
        alive,
    };
    let rebuild = operations.rebuilds.latest().await?;
    let names = Names::of(&state, rebuild.iter().map(|rebuild| rebuild.requested_by.as_str())).await?;
    visit.page(&OverviewPage {
        chrome: visit.chrome(Section::Operations),
        transport_away,
        queues,
        workers: seen.workers.map(|workers| workers.into_iter().map(worker).collect()),
        rebuild: rebuild.map(|rebuild| RebuildShown::of(rebuild, &names, now)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_picture_stays_within_its_frame() {
        assert_eq!(Spark::of(&[0, 10, 5]).points, "0.0,23.0 60.0,1.0 120.0,12.0");
        assert_eq!(Spark::of(&[0]).points, "0.0,23.0");
        assert_eq!(Spark::of(&[]).points, "");
    }
}
