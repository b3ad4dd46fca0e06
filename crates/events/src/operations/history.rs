use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::error::Result;
use crate::latency::Histogram;
use crate::queue::Queue;
use crate::registry::{WorkerId, WorkerInfo};

/// How often the figures of all queues are kept.
pub const SAMPLE_EVERY: Duration = Duration::from_secs(15);
/// How long they are kept.
pub const KEEP_SAMPLES: Duration = Duration::from_secs(24 * 3_600);

/// The figures of one queue at one moment. `None`: the transport, which knows them, did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gauges {
    pub queue: Queue,
    /// Entries to be claimed.
    pub waiting: Option<u64>,
    /// Entries claimed by workers.
    pub in_flight: Option<u64>,
    pub suspects: Option<u64>,
    pub owed: u64,
    pub unpublished: u64,
    pub dead: u64,
    /// Age of the oldest owed event; 0 if none is owed.
    pub oldest_age_s: u64,
    /// Live workers.
    pub workers: Option<u64>,
}

/// The highest of each figure among several measurements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    pub at: Timestamp,
    pub gauges: Gauges,
    /// Events that workers finished, since counting began.
    pub processed: u64,
    /// Attempts that failed, since counting began.
    pub failed: u64,
}

/// How long events took that had their effect in one period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Took {
    /// When its last sample began.
    pub at: Timestamp,
    pub events: Histogram,
}

/// What a worker had done at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerSample {
    pub worker: WorkerId,
    pub queue: Queue,
    pub host: String,
    pub pid: u32,
    pub at: Timestamp,
    /// Events, since it began.
    pub processed: u64,
    /// The most batches it had in flight at once.
    pub in_flight: u64,
}

/// Figures over time, for people. Nothing depends on them.
#[async_trait]
pub trait WorkHistory: Send + Sync {
    /// Adds to a queue's totals of processed and failed events. The event log has already added the failures it
    /// recorded.
    async fn add_work(&self, queue: Queue, processed: u64, failed: u64) -> Result<()>;

    /// For one caller among all processes in each period of [`SAMPLE_EVERY`]: when it began, by the store's clock.
    async fn take_turn(&self) -> Result<Option<Timestamp>>;

    /// Keeps the measurements, along with the totals of processed and failed events so far, and deletes what is older
    /// than [`KEEP_SAMPLES`].
    async fn keep(&self, at: Timestamp, measured: &[Gauges]) -> Result<()>;

    /// The last `period` in about `points` parts of equal length, oldest first; those without a sample are left out.
    async fn history(&self, queue: Queue, period: Duration, points: u32) -> Result<Vec<Sample>>;

    /// Adds how long events took to the current period of [`SAMPLE_EVERY`], and deletes what is older than
    /// [`KEEP_SAMPLES`].
    async fn add_latencies(&self, queue: Queue, took: &Histogram) -> Result<()>;

    /// Like [`history`](Self::history), for how long events took.
    async fn latencies(&self, queue: Queue, period: Duration, points: u32) -> Result<Vec<Took>>;

    /// Keeps what these workers have done so far, and deletes what is older than [`KEEP_SAMPLES`].
    async fn keep_workers(&self, at: Timestamp, workers: &[WorkerInfo]) -> Result<()>;

    /// Like [`history`](Self::history), for every worker of the period: worker by worker in the order of their ids,
    /// each oldest first.
    async fn worker_history(&self, period: Duration, points: u32) -> Result<Vec<WorkerSample>>;
}

impl Sample {
    /// The length of each of `points` parts of the `period`: at least one sample long, in whole seconds.
    pub fn stretch(period: Duration, points: u32) -> Duration {
        let even = period.as_secs().div_ceil(u64::from(points.max(1)));
        Duration::from_secs(even.max(SAMPLE_EVERY.as_secs()))
    }
}
