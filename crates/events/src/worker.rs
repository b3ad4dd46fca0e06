//! The worker loop: claims batches of one queue, passes them to a handler, and records the result for each event.
//!
//! An attempt counts only if the event was run alone. A batch that fails is run again event by event. Events of a lost
//! worker are suspects: they run with nothing else in flight, and their attempt is counted before it is made.

mod batch;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::dead_letter::DeadSelection;
use crate::error::{Error, Result};
use crate::latency::Latencies;
use crate::log::EventLog;
use crate::operations::Pauses;
use crate::port::{Claim, EventHandler, EventSubscriber};
use crate::queue::{Queue, QueueSettings};

/// How long a claimed batch belongs to its worker unless renewed.
pub const LEASE: Duration = Duration::from_secs(15);
/// How often the lease of a batch in work is renewed.
pub const RENEW_EVERY: Duration = Duration::from_secs(5);
/// How long a handler may take for one batch.
pub const HANDLER_TIMEOUT: Duration = Duration::from_secs(30);
/// How often to look for expired leases.
pub const RECLAIM_EVERY: Duration = Duration::from_secs(1);
/// How often to look for dead letters that nobody has understood so far.
const REDRIVE_EVERY: Duration = Duration::from_secs(60);
/// At most this many entries are claimed together.
pub const BATCH: usize = 128;
/// How long a worker rests when a service it needs is unavailable.
const REST: Duration = Duration::from_millis(500);

/// What a worker has done, for health checks and the operators.
#[derive(Debug, Default)]
pub struct Progress {
    /// Entries that were acknowledged.
    pub processed: AtomicU64,
    /// Batches it is working on.
    pub in_flight: AtomicU64,
    /// How long events took from acceptance to effect. A copy of an event that already had its effect counts too.
    pub took: Latencies,
}

/// Processes one queue.
#[derive(Clone)]
pub struct EventWorker {
    pub(crate) queue: Queue,
    pub(crate) settings: QueueSettings,
    pub(crate) subscriber: Arc<dyn EventSubscriber>,
    pub(crate) handler: Arc<dyn EventHandler>,
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) progress: Arc<Progress>,
    pauses: Pauses,
}

/// Whether the store and the queue could be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finished {
    Acked,
    /// A service is unavailable; the batch was given back.
    Unavailable,
}

impl EventWorker {
    pub fn new(
        queue: Queue,
        settings: QueueSettings,
        subscriber: Arc<dyn EventSubscriber>,
        handler: Arc<dyn EventHandler>,
        log: Arc<dyn EventLog>,
    ) -> Self {
        Self { queue, settings, subscriber, handler, log, progress: Arc::default(), pauses: Pauses::default() }
    }

    /// Claims nothing while its queue is paused.
    pub fn pausable(self, pauses: Pauses) -> Self {
        Self { pauses, ..self }
    }

    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// Works until `stop`, then finishes what is in flight. If the future is dropped, leases run out and other workers take over.
    ///
    /// # Errors
    /// [`Error::Misconfigured`] as soon as the queue says that its configuration differs from this process's: going on
    /// could lose events.
    pub async fn run(&self, stop: CancellationToken) -> Result<()> {
        let keeping = self.clone();
        let mut background = JoinSet::new();
        background.spawn(async move { keeping.keep_up().await });
        let worked = tokio::select! {
            worked = self.work_off(&stop) => worked,
            Some(ended) = background.join_next() => Err(match ended {
                Ok(error) => error,
                Err(error) => Error::Corrupt("the worker's upkeep", error.to_string()),
            }),
        };
        background.shutdown().await;
        worked
    }

    async fn work_off(&self, stop: &CancellationToken) -> Result<()> {
        let mut in_flight: JoinSet<Finished> = JoinSet::new();
        let mut resting = false;
        while !stop.is_cancelled() {
            if resting {
                resting = false;
                metrics::counter!("cardwire_worker_rests_total", "queue" => self.queue.name()).increment(1);
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = tokio::time::sleep(REST) => {}
                }
            }
            while let Some(done) = in_flight.try_join_next() {
                resting |= unavailable(done);
            }
            self.progress.in_flight.store(in_flight.len() as u64, Ordering::Relaxed);
            if self.pauses.holds(self.queue) {
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = self.pauses.resumed(self.queue) => {}
                    done = in_flight.join_next(), if !in_flight.is_empty() => {
                        resting |= done.is_some_and(unavailable);
                    }
                }
                continue;
            }
            if in_flight.len() >= self.settings.concurrency {
                let done = tokio::select! {
                    () = stop.cancelled() => break,
                    done = in_flight.join_next() => done,
                };
                resting |= done.is_some_and(unavailable);
                continue;
            }
            match self.subscriber.claim(BATCH).await {
                Ok(Some(claim)) if claim.suspect => resting |= self.run_suspect(claim, &mut in_flight).await,
                Ok(Some(claim)) => {
                    let worker = self.clone();
                    in_flight.spawn(async move { worker.run_batch(claim).await });
                }
                Ok(None) => {
                    let waited = tokio::select! {
                        () = stop.cancelled() => break,
                        waited = self.subscriber.wait() => waited,
                        done = in_flight.join_next(), if !in_flight.is_empty() => {
                            resting |= done.is_some_and(unavailable);
                            Ok(())
                        }
                    };
                    resting |= self.queue_away(waited)?;
                }
                Err(error) => resting |= self.queue_away(Err(error))?,
            }
        }
        while in_flight.join_next().await.is_some() {}
        Ok(())
    }

    /// A suspect may take the whole process down, so nothing else is in flight meanwhile.
    async fn run_suspect(&self, claim: Claim, in_flight: &mut JoinSet<Finished>) -> bool {
        let mut resting = false;
        let worker = self.clone();
        let keep = claim.clone();
        // Waiting for the others may take as long as a handler may, so the lease is renewed meanwhile.
        let mut keeper = JoinSet::new();
        keeper.spawn(async move { worker.keep_lease(&keep).await });
        while let Some(done) = in_flight.join_next().await {
            resting |= unavailable(done);
        }
        keeper.shutdown().await;
        let worker = self.clone();
        in_flight.spawn(async move { worker.run_batch(claim).await });
        while let Some(done) = in_flight.join_next().await {
            resting |= unavailable(done);
        }
        resting
    }

    /// Looks for lost leases and for dead letters that are understood now, until dropped or misconfigured.
    async fn keep_up(&self) -> Error {
        let mut reclaim = interval(RECLAIM_EVERY);
        let mut redrive = interval(REDRIVE_EVERY);
        reclaim.set_missed_tick_behavior(MissedTickBehavior::Delay);
        redrive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = reclaim.tick() => match self.subscriber.reclaim().await {
                    Ok(0) => {}
                    Ok(count) => tracing::warn!(queue = %self.queue, count, "events of a lost worker are run again, one at a time"),
                    Err(error @ Error::Misconfigured(..)) => return error,
                    Err(error) => tracing::debug!(queue = %self.queue, %error, "could not look for lost leases"),
                },
                _ = redrive.tick() => self.redrive_understood().await,
            }
        }
    }

    /// Dead letters that an older build did not understand get another chance with this one. Not only at the start:
    /// during a rollout, workers of the old build keep making such dead letters.
    async fn redrive_understood(&self) {
        let known = DeadSelection::NotUnderstood(crate::envelope::understood().map(str::to_owned).collect());
        match self.log.redrive(self.queue, &known).await {
            Ok(0) => {}
            Ok(count) => {
                tracing::info!(queue = %self.queue, count, "dead letters that are understood now are redriven")
            }
            Err(error) => {
                tracing::warn!(queue = %self.queue, %error, "could not look for dead letters that are understood now")
            }
        }
    }

    /// Whether to rest; an error if resting would not help.
    fn queue_away(&self, result: Result<()>) -> Result<bool> {
        match result {
            Ok(()) => Ok(false),
            Err(error @ Error::Misconfigured(..)) => Err(error),
            Err(error) => {
                tracing::warn!(queue = %self.queue, %error, "the queue cannot be reached");
                Ok(true)
            }
        }
    }

    pub(crate) fn count_processed(&self, count: usize) {
        self.progress.processed.fetch_add(count as u64, Ordering::Relaxed);
        metrics::counter!("cardwire_events_processed_total", "queue" => self.queue.name()).increment(count as u64);
    }
}

/// A batch task never panics: the handler runs in its own task.
fn unavailable(done: std::result::Result<Finished, tokio::task::JoinError>) -> bool {
    match done {
        Ok(finished) => finished == Finished::Unavailable,
        Err(error) => {
            tracing::error!(%error, "a batch was abandoned; its lease runs out");
            true
        }
    }
}
