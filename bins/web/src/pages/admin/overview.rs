//! All queues at once, who works on them, and the search index.

use actix_web::HttpResponse;
use actix_web::web::{Data, ServiceConfig};
use askama::Template;
use cardwire_events::operations::Rebuild;

use super::{known, lasting};
use crate::endpoint::Endpoint;
use crate::pages::shown::When;
use crate::pages::{Chrome, Section, Visit};
use crate::problem::Problem;
use crate::routes::admin::{history, log_failed, queues};
use crate::state::AppState;

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

pub(super) struct PauseShown {
    pub(super) by: String,
    pub(super) since: When,
    pub(super) reason: Option<String>,
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

impl RebuildShown {
    fn of(rebuild: Rebuild, now: jiff::Timestamp) -> Self {
        Self {
            open: rebuild.finished_at.is_none(),
            error: rebuild.error,
            done: rebuild.done,
            total: rebuild.total,
            by: rebuild.requested_by.to_string(),
            asked: When::of(rebuild.requested_at, now),
        }
    }
}

async fn overview(state: Data<AppState>, visit: Visit) -> Result<HttpResponse, Problem> {
    visit.admin()?;
    let operations = &state.operations;
    let now = operations.clock.now();
    let seen = queues::overview(operations).await?;
    let mut queues = Vec::new();
    for queue in seen.queues {
        let history = history::of(operations, queue.queue, MINUTES, POINTS).await?;
        let rate = history.points.last().and_then(|point| point.processed_per_second);
        let owed: Vec<u64> = history.points.iter().map(|point| point.owed).collect();
        queues.push(QueueShown {
            name: queue.queue.name(),
            paused: queue.paused.map(|pause| PauseShown {
                by: pause.by.to_string(),
                since: When::of(pause.since, now),
                reason: pause.reason,
            }),
            owed: queue.owed,
            unpublished: queue.unpublished,
            waiting: known(queue.waiting),
            in_flight: known(queue.in_flight),
            dead: queue.dead,
            oldest: queue.oldest_age_seconds.map_or_else(|| "none".into(), lasting),
            rate: rate.map_or_else(|| "not known".into(), |rate| format!("{rate:.1}/s")),
            spark: Spark::of(&owed),
        });
    }
    let worker = |worker: queues::WorkerBody| WorkerShown {
        queue: worker.queue.name(),
        host: worker.host,
        pid: worker.pid,
        version: worker.version,
        started: When::of(worker.started_at, now),
        seen: When::of(worker.last_seen, now),
        processed: worker.processed,
        in_flight: worker.in_flight,
        alive: worker.alive,
    };
    let rebuild = operations.rebuilds.latest().await.map_err(log_failed)?;
    visit.page(&OverviewPage {
        chrome: visit.chrome(Section::Operations),
        transport_away: seen.transport == queues::Transport::Unavailable,
        queues,
        workers: seen.workers.map(|workers| workers.into_iter().map(worker).collect()),
        rebuild: rebuild.map(|rebuild| RebuildShown::of(rebuild, now)),
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
