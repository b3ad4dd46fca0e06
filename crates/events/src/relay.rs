//! The relay: carries what the log owes into the queues.
//!
//! It leases owed events in a short transaction of the log, publishes them, then books them as published. Wherever it
//! dies, the lease runs out and another relay publishes again. No transaction is open while it publishes. Every process runs one.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};
use crate::log::EventLog;
use crate::operations::Pauses;
use crate::port::EventPublisher;
use crate::queue::Queue;
use crate::trace::{Batch, Operation};

/// Rung in process after a commit that owes something, so that the relay need not wait for its next look.
#[derive(Clone, Debug, Default)]
pub struct Wake(Arc<Notify>);

impl Wake {
    pub fn ring(&self) {
        self.0.notify_one();
    }

    /// Returns after the next ring, or at once if it was rung since the last return. May be dropped at any time.
    pub async fn rung(&self) {
        self.0.notified().await;
    }
}

#[derive(Clone, Copy, Debug)]
pub struct RelaySettings {
    /// Publish to a queue only while it holds fewer entries than this; the rest waits in the log.
    pub max_depth: usize,
    /// Events leased together.
    pub batch: usize,
    /// How long to wait after being rung, so that what is committed meanwhile shares one round. Nothing in the feed is later for it:
    /// windows are counted from when their events occurred.
    pub gather: Duration,
    /// How often to look without being rung.
    pub every: Duration,
    /// How often to look for published events without effect.
    pub sweep_every: Duration,
    /// How long events are kept that are owed to nobody.
    pub keep: Duration,
}

impl Default for RelaySettings {
    fn default() -> Self {
        Self {
            max_depth: 50_000,
            batch: 512,
            gather: Duration::from_millis(20),
            every: Duration::from_secs(1),
            sweep_every: Duration::from_secs(5),
            keep: Duration::from_secs(30 * 24 * 3_600),
        }
    }
}

/// How often old events are pruned.
const PRUNE_EVERY: Duration = Duration::from_secs(3_600);

pub struct Relay {
    log: Arc<dyn EventLog>,
    publisher: Arc<dyn EventPublisher>,
    wake: Wake,
    settings: RelaySettings,
    pauses: Pauses,
}

impl Relay {
    pub fn new(
        log: Arc<dyn EventLog>,
        publisher: Arc<dyn EventPublisher>,
        wake: Wake,
        settings: RelaySettings,
    ) -> Self {
        Self { log, publisher, wake, settings, pauses: Pauses::default() }
    }

    /// Publishes nothing to a queue while it is paused: what is owed to it waits in the log.
    pub fn pausable(self, pauses: Pauses) -> Self {
        Self { pauses, ..self }
    }

    /// Relays until `stop`. What is being published then is finished first.
    pub async fn run(&self, stop: CancellationToken) {
        // Upkeep may wait for a slow log; what is owed must not wait for it.
        tokio::join!(self.carry(&stop), self.keep_up(&stop));
    }

    async fn carry(&self, stop: &CancellationToken) {
        let mut failing = false;
        while !stop.is_cancelled() {
            let relayed = self.relay_all(stop).await;
            self.note_health(&relayed, &mut failing);
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.rung(), if relayed.is_ok() => {}
                () = tokio::time::sleep(self.settings.every) => {}
            }
        }
    }

    async fn rung(&self) {
        self.wake.rung().await;
        tokio::time::sleep(self.settings.gather).await;
    }

    async fn keep_up(&self, stop: &CancellationToken) {
        let mut sweep = interval(self.settings.sweep_every);
        let mut prune = interval(PRUNE_EVERY);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        prune.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = sweep.tick() => self.sweep().await,
                _ = prune.tick() => self.prune().await,
            }
        }
    }

    /// Publishes everything that is owed and may be published now, each queue for itself: one that is full or cannot be reached
    /// holds up no other. Returns how many events, or the first thing that went wrong.
    pub async fn relay_all(&self, stop: &CancellationToken) -> Result<usize> {
        let queues = join_all(Queue::ALL.map(|queue| self.relay_queue(queue, stop))).await;
        queues.into_iter().sum()
    }

    async fn relay_queue(&self, queue: Queue, stop: &CancellationToken) -> Result<usize> {
        let mut relayed = 0;
        while !stop.is_cancelled() && !self.pauses.holds(queue) {
            let room = self.settings.max_depth.saturating_sub(self.publisher.depth(queue).await?);
            let limit = self.settings.batch.min(room);
            if limit == 0 {
                break;
            }
            let count = self.relay_batch(queue, limit).await?;
            relayed += count;
            if count < limit {
                break;
            }
        }
        Ok(relayed)
    }

    async fn relay_batch(&self, queue: Queue, limit: usize) -> Result<usize> {
        let owed = self.log.lease(&[queue], limit).await?;
        if owed.is_empty() {
            return Ok(0);
        }
        let started = Instant::now();
        let mut trace = Batch::begin(Operation::Publish, queue, owed.len());
        if trace.is_traced() {
            for event in &owed {
                trace.event(event.envelope.id, event.envelope.traceparent.as_deref());
            }
        }
        let booked: Vec<_> = owed.iter().map(|event| (event.queue, event.envelope.id)).collect();
        let entries: Vec<_> =
            owed.into_iter().map(|event| (event.envelope.partitionkey.clone(), event.envelope.to_entry())).collect();
        let published = self.publisher.publish(queue, &entries).await;
        if published.is_err() {
            trace.all_failed();
        }
        drop(trace);
        published?;
        metrics::counter!("cardwire_events_published_total", "queue" => queue.name()).increment(entries.len() as u64);
        self.log.mark_published(&booked).await?;
        metrics::histogram!("cardwire_relay_publish_seconds").record(started.elapsed().as_secs_f64());
        Ok(booked.len())
    }

    async fn sweep(&self) {
        match self.log.sweep().await {
            Ok(0) => {}
            Ok(count) => {
                metrics::counter!("cardwire_events_swept_total").increment(count);
                tracing::info!(count, "published events without effect are published again");
            }
            Err(error) => tracing::warn!(%error, "could not look for events without effect"),
        }
    }

    async fn prune(&self) {
        match self.log.prune(self.settings.keep).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "old events pruned"),
            Err(error) => tracing::warn!(%error, "could not prune old events"),
        }
    }

    /// Says once that the relay cannot work, and once that it can again.
    fn note_health(&self, relayed: &Result<usize>, failing: &mut bool) {
        match relayed {
            Ok(_) if *failing => tracing::info!("the relay works again"),
            Err(error @ Error::Misconfigured(..)) if !*failing => {
                tracing::error!(%error, "the relay must not publish; events wait in the log");
            }
            Err(error) if !*failing => tracing::warn!(%error, "the relay cannot publish; events wait in the log"),
            _ => {}
        }
        *failing = relayed.is_err();
    }
}
