//! A queue's figures over time.

use std::time::Duration;

use cardwire_events::Queue;
use cardwire_events::operations::{Gauges, Sample, Took, WorkerSample};
use jiff::Timestamp;

use super::Operations;
use crate::problem::Problem;

#[derive(Debug)]
pub struct History {
    /// How much time a point stands for.
    pub step: Duration,
    /// Oldest first. Stretches in which nothing was measured are left out.
    pub points: Vec<Point>,
}

/// The highest of each figure in its stretch of time. What was done since the point before is `None` in the first.
#[derive(Debug)]
pub struct Point {
    pub at: Timestamp,
    pub gauges: Gauges,
    /// Entries that workers were done with.
    pub processed: Option<u64>,
    pub processed_per_second: Option<f64>,
    /// Attempts that failed.
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
            gauges: *gauges,
            processed: done,
            processed_per_second: rate.map(|(done, seconds)| done as f64 / seconds),
            retries: before.map(|before| since(*failed, before.failed)),
        }
    }
}

impl Operations {
    /// Put together into about `most_points`.
    pub async fn history(&self, queue: Queue, minutes: u64, most_points: u32) -> Result<History, Problem> {
        let period = Duration::from_secs(minutes * 60);
        let samples = self.history.history(queue, period, most_points).await?;
        let before = std::iter::once(None).chain(samples.iter().map(Some));
        let points = samples.iter().zip(before).map(|(sample, before)| Point::of(sample, before)).collect();
        Ok(History { step: Sample::stretch(period, most_points), points })
    }

    /// How long events took from acceptance to effect, in about `most_points` stretches, oldest first.
    pub async fn latencies(&self, queue: Queue, minutes: u64, most_points: u32) -> Result<Vec<Took>, Problem> {
        Ok(self.history.latencies(queue, Duration::from_secs(minutes * 60), most_points).await?)
    }

    /// What each worker did, those that ended included: worker by worker, each oldest first.
    pub async fn worker_history(&self, minutes: u64, most_points: u32) -> Result<Vec<WorkerSample>, Problem> {
        Ok(self.history.worker_history(Duration::from_secs(minutes * 60), most_points).await?)
    }
}
