//! All queues at once, what needs a person, who works, and the search index. It updates itself with a script, and is whole without.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::{Data, ServiceConfig};
use askama::Template;
use cardwire_events::WorkerInfo;
use cardwire_events::latency::Histogram;
use cardwire_events::operations::{Rebuild, SAMPLE_EVERY, Took};
use cardwire_http::endpoint::Endpoint;
use cardwire_http::operations::history::Point;
use cardwire_http::operations::overview::QueueNow;
use cardwire_http::problem::Problem;
use cardwire_http::state::AppState;
use jiff::Timestamp;

use super::alarms::Matter;
use super::figures::{PauseShown, known, lasting, took};
use super::names::Names;
use super::spark::{Axis, Spark};
use crate::shown::When;
use crate::visit::{Chrome, Section, Visit};

/// What the charts show.
const MINUTES: u64 = 60;
const POINTS: u32 = 60;
/// Of which events the figures tell how long they took.
const LATELY: Duration = Duration::from_secs(300);

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/admin").get(overview).register(config);
}

#[derive(Template)]
#[template(path = "admin.html")]
struct OverviewPage {
    chrome: Chrome,
    at: String,
    matters: Vec<Matter>,
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
    is_late: bool,
    rate: String,
    p50: String,
    p99: String,
    workers: String,
    has_no_worker: bool,
    charts: [Spark; 3],
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

/// What is known of a queue over time.
struct Past {
    points: Vec<Point>,
    took: Vec<Took>,
    step: Duration,
}

impl Past {
    fn charts(&self, now: Timestamp) -> [Spark; 3] {
        let axis = Axis::before(now, Duration::from_secs(MINUTES * 60), self.step);
        let rate = |point: &Point| Some((point.at, point.processed_per_second?));
        let quantile = |q| move |took: &Took| Some((took.at, took.events.quantile(q)?.as_secs_f64()));
        let of = |q| self.took.iter().filter_map(quantile(q)).collect::<Vec<_>>();
        let owed = self.points.iter().map(|point| (point.at, point.gauges.owed as f64)).collect();
        [
            Spark::of("Throughput", axis, vec![("trace", self.points.iter().filter_map(rate).collect())], per_second),
            Spark::of("Latency", axis, vec![("trace", of(0.5)), ("trace second", of(0.99))], |seconds| {
                took(Duration::try_from_secs_f64(seconds).unwrap_or_default())
            }),
            Spark::of("Owed", axis, vec![("trace", owed)], |owed| format!("{owed:.0}")),
        ]
    }

    /// How long so many of a hundred events took lately, at most.
    fn lately(&self, now: Timestamp, q: f64) -> String {
        let mut lately = Histogram::default();
        let since = now.checked_sub(LATELY).unwrap_or(Timestamp::MIN);
        self.took.iter().filter(|took| took.at >= since).for_each(|took| lately.merge(&took.events));
        lately.quantile(q).map_or_else(|| "no events".to_owned(), took)
    }
}

fn per_second(rate: f64) -> String {
    format!("{rate:.1}/s")
}

impl QueueShown {
    fn of(now: QueueNow, workers: Option<usize>, past: &Past, at: Timestamp) -> Self {
        // The figures of this very stretch are still being gathered.
        let settled = past.points.iter().rev().find_map(|point| point.processed_per_second);
        Self {
            name: now.queue.name(),
            paused: now.paused.map(|pause| PauseShown::of(pause, at)),
            owed: now.backlog.map_or(0, |backlog| backlog.owed),
            unpublished: now.backlog.map_or(0, |backlog| backlog.unpublished),
            waiting: known(now.depth.map(|depth| depth.waiting)),
            in_flight: known(now.depth.map(|depth| depth.in_flight)),
            dead: now.backlog.map_or(0, |backlog| backlog.dead),
            oldest: now.oldest_age_s.map_or_else(|| "none".into(), lasting),
            is_late: now.oldest_age_s.is_some_and(|age_s| age_s > cardwire_http::operations::alarms::LATE_S),
            rate: settled.map_or_else(|| "unknown".into(), per_second),
            p50: past.lately(at, 0.5),
            p99: past.lately(at, 0.99),
            workers: known(workers),
            has_no_worker: workers == Some(0),
            charts: past.charts(at),
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
    let watched = state.watch().await?;
    let seen = watched.overview;
    let mut queues = Vec::new();
    for queue in seen.queues {
        let name = queue.queue;
        let history = operations.history(name, MINUTES, POINTS).await?;
        let took = operations.latencies(name, MINUTES, POINTS).await?;
        let past = Past { points: history.points, took, step: history.step.max(SAMPLE_EVERY) };
        let of_queue =
            |all: &Vec<(WorkerInfo, bool)>| all.iter().filter(|(worker, alive)| *alive && worker.queue == name).count();
        queues.push(QueueShown::of(queue, seen.workers.as_ref().map(of_queue), &past, now));
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
        at: now.strftime("%H:%M:%S UTC").to_string(),
        matters: watched.alarms.iter().map(Matter::of).collect(),
        queues,
        workers: seen.workers.map(|workers| workers.into_iter().map(worker).collect()),
        rebuild: rebuild.map(|rebuild| RebuildShown::of(rebuild, &names, now)),
    })
}
