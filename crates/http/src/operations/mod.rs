//! What operators look at and act on: queues, dead letters, workers, windows of the saga, the search index; and what they did.
//!
//! Each file is one thing that operators see or do, written once for the API and the pages, which only read requests and shape answers.

pub mod act;
pub mod alarms;
pub mod audit;
pub mod cards;
pub mod command_line;
pub mod dead_letters;
pub mod failures;
pub mod finding;
pub mod history;
pub mod journey;
pub mod overview;
pub mod people;
pub mod replays;
pub mod windows;

use std::sync::Arc;

use cardwire_domain::Clock;
use cardwire_domain::analytics::Analytics;
use cardwire_events::{
    EventLog, EventSubscriber, Finder, Operator, Queue, QueueSettings, Rebuilds, Replays, WorkHistory, WorkerRegistry,
};
use cardwire_saga::SagaStateStore;

use crate::problem::{NOT_FOUND, Problem};

#[derive(Clone)]
pub struct Operations {
    pub log: Arc<dyn EventLog>,
    pub operator: Arc<dyn Operator>,
    pub finder: Arc<dyn Finder>,
    pub history: Arc<dyn WorkHistory>,
    pub rebuilds: Arc<dyn Rebuilds>,
    pub replays: Arc<dyn Replays>,
    pub analytics: Arc<dyn Analytics>,
    pub saga: Arc<dyn SagaStateStore>,
    pub registry: Arc<dyn WorkerRegistry>,
    /// Every queue once.
    pub queues: Arc<[OperatedQueue]>,
    /// Tells how old an event is; the log stamped it by its own clock.
    pub clock: Arc<dyn Clock>,
    /// Where people look a trace up: `{traceId}` stands for its id. `None`: nowhere.
    pub trace_url: Option<Arc<str>>,
}

#[derive(Clone)]
pub struct OperatedQueue {
    pub queue: Queue,
    /// Asked for its depth, never for entries.
    pub subscriber: Arc<dyn EventSubscriber>,
    pub settings: QueueSettings,
}

/// The queue that a path or a form names.
pub fn queue_named(name: &str) -> Result<Queue, Problem> {
    name.parse().map_err(|why: String| Problem::new(&NOT_FOUND, why))
}
