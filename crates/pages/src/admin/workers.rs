//! What each worker did in the last hour, those that ended included.

use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::{Data, ServiceConfig};
use askama::Template;
use cardwire_events::operations::{SAMPLE_EVERY, WorkerSample};
use cardwire_events::registry::WorkerId;
use cardwire_events::{Queue, WorkerInfo};
use cardwire_http::endpoint::Endpoint;
use cardwire_http::problem::Problem;
use cardwire_http::state::AppState;
use jiff::Timestamp;

use super::spark::{Axis, Spark};
use crate::shown::When;
use crate::visit::{Chrome, Section, Visit};

const MINUTES: u64 = 60;
const POINTS: u32 = 60;

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/admin/workers").get(workers).register(config);
}

#[derive(Template)]
#[template(path = "admin_workers.html")]
struct WorkersPage {
    chrome: Chrome,
    at: String,
    is_known: bool,
    store_ms: u128,
    queues: Vec<QueueShown>,
}

struct QueueShown {
    name: &'static str,
    has_alive: bool,
    workers: Vec<WorkerShown>,
}

struct WorkerShown {
    host: String,
    pid: u32,
    state: &'static str,
    is_alive: bool,
    seen: When,
    processed: u64,
    chart: Spark,
}

/// A worker by what was last heard of it.
struct Seen {
    queue: Queue,
    host: String,
    pid: u32,
    at: Timestamp,
    processed: u64,
    /// `None`: it ended, or was not heard of for long.
    is_alive: Option<bool>,
    samples: Vec<WorkerSample>,
}

impl Seen {
    fn shown(self, axis: Axis, now: Timestamp) -> WorkerShown {
        let rates = self.samples.windows(2).filter_map(|pair| {
            let seconds = pair[1].at.duration_since(pair[0].at).as_secs_f64();
            let done = pair[1].processed.saturating_sub(pair[0].processed) as f64;
            (seconds > 0.0).then(|| (pair[1].at, done / seconds))
        });
        let rates = vec![("trace", rates.collect())];
        WorkerShown {
            state: match self.is_alive {
                Some(true) => "running",
                Some(false) => "silent",
                None => "ended",
            },
            is_alive: self.is_alive == Some(true),
            chart: Spark::of("Throughput", axis, rates, |rate| format!("{rate:.1}/s")),
            host: self.host,
            pid: self.pid,
            seen: When::of(self.at, now),
            processed: self.processed,
        }
    }
}

fn gather(samples: Vec<WorkerSample>, known: &[(WorkerInfo, bool)]) -> BTreeMap<WorkerId, Seen> {
    let mut seen: BTreeMap<WorkerId, Seen> = BTreeMap::new();
    for sample in samples {
        let WorkerSample { worker, queue, host, pid, at, processed, .. } = sample.clone();
        let one =
            seen.entry(worker).or_insert(Seen { queue, host, pid, at, processed, is_alive: None, samples: Vec::new() });
        (one.at, one.processed) = (at, processed);
        one.samples.push(sample);
    }
    for (worker, is_alive) in known {
        let WorkerInfo { id, queue, host, pid, last_seen, processed, .. } = worker.clone();
        let one = seen.entry(id).or_insert(Seen {
            queue,
            host,
            pid,
            at: last_seen,
            processed,
            is_alive: None,
            samples: Vec::new(),
        });
        (one.at, one.processed, one.is_alive) = (last_seen, processed, Some(*is_alive));
    }
    seen
}

async fn workers(state: Data<AppState>, visit: Visit) -> Result<HttpResponse, Problem> {
    visit.observer()?;
    let operations = &state.operations;
    let now = operations.clock.now();
    let watched = state.watch().await?;
    let samples = operations.worker_history(MINUTES, POINTS).await?;
    let known = watched.overview.workers;
    let seen = gather(samples, known.as_deref().unwrap_or_default());
    let step = Duration::from_secs(MINUTES * 60 / u64::from(POINTS)).max(SAMPLE_EVERY);
    let axis = Axis::before(now, Duration::from_secs(MINUTES * 60), step);
    let mut queues: Vec<QueueShown> = Vec::new();
    let mut seen: Vec<Seen> = seen.into_values().collect();
    for queue in watched.overview.queues.iter().map(|queue| queue.queue) {
        let (of_queue, others): (Vec<Seen>, Vec<Seen>) = seen.into_iter().partition(|one| one.queue == queue);
        seen = others;
        let workers: Vec<WorkerShown> = of_queue.into_iter().rev().map(|one| one.shown(axis, now)).collect();
        let has_alive = workers.iter().any(|worker| worker.is_alive);
        queues.push(QueueShown { name: queue.name(), has_alive, workers });
    }
    visit.page(&WorkersPage {
        chrome: visit.chrome(Section::Operations),
        at: now.strftime("%H:%M:%S UTC").to_string(),
        is_known: known.is_some(),
        store_ms: watched.store_answers_in.as_millis(),
        queues,
    })
}
