//! The relay: moves what the log owes into the queues.
//!
//! Events that its own process committed are published from memory ([`Handover`]). For everything else it keeps looking
//! for what is due: a process died before it published, the transport was down or lost an entry, a retry's wait is
//! over, the queue was full or paused. A look postpones a delivery before publishing it, so no matter where it dies,
//! the delivery comes due again. No transaction is open during publishing. Every process runs one relay.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};
use crate::handover::Handover;
use crate::log::{Due, EventLog, Owed};
use crate::operations::Pauses;
use crate::port::{EventPublisher, WaitingRoom};
use crate::queue::Queue;
use crate::trace::{Batch, Operation};

#[derive(Clone, Copy, Debug)]
pub struct RelaySettings {
    /// Publish to a queue only while it holds fewer entries than this; the rest waits in the log.
    pub max_depth: usize,
    /// Events published together.
    pub batch: usize,
    /// How long to wait for further commits, so that they share one round; times [`Queue::patience`]. This delays
    /// nothing in the feed: windows are counted from when their events occurred.
    pub gather: Duration,
    /// How often to look for what is due if nobody rings.
    pub every: Duration,
    /// How long to keep events that are owed to no queue.
    pub keep: Duration,
}

impl Default for RelaySettings {
    fn default() -> Self {
        Self {
            max_depth: 50_000,
            batch: 512,
            gather: Duration::from_millis(100),
            every: Duration::from_secs(1),
            keep: Duration::from_secs(30 * 24 * 3_600),
        }
    }
}

/// How often old events are pruned.
const PRUNE_EVERY: Duration = Duration::from_secs(3_600);

pub struct Relay {
    log: Arc<dyn EventLog>,
    publisher: Arc<dyn EventPublisher>,
    handover: Handover,
    settings: RelaySettings,
    pauses: Pauses,
    rooms: Vec<(Queue, Arc<dyn WaitingRoom>)>,
}

impl Relay {
    pub fn new(
        log: Arc<dyn EventLog>,
        publisher: Arc<dyn EventPublisher>,
        handover: Handover,
        settings: RelaySettings,
    ) -> Self {
        Self { log, publisher, handover, settings, pauses: Pauses::default(), rooms: Vec::new() }
    }

    /// Publishes nothing to a queue while it is paused; its events wait in the log.
    pub fn pausable(self, pauses: Pauses) -> Self {
        Self { pauses, ..self }
    }

    /// Events that left this queue may be waiting here. They are not lost.
    pub fn followed_by(mut self, queue: Queue, room: Arc<dyn WaitingRoom>) -> Self {
        self.rooms.push((queue, room));
        self
    }

    /// Relays until `stop`. Events that are being published then, or were given before, are published first.
    pub async fn run(&self, stop: CancellationToken) {
        // Each queue separately: one that is full or unreachable does not hold up the others. Upkeep may wait for a
        // slow log.
        let carried = join_all(Queue::ALL.map(|queue| self.carry(queue, &stop)));
        let looked = join_all(Queue::ALL.map(|queue| self.look_again(queue, &stop)));
        tokio::join!(carried, looked, self.prune(&stop));
        // Requests may have committed events since then, and a look may have reopened the handover.
        for queue in Queue::ALL {
            self.handover.close(queue);
            self.carry_given(queue).await;
        }
    }

    /// Publishes events that were handed over.
    async fn carry(&self, queue: Queue, stop: &CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.handover.given(queue) => tokio::time::sleep(self.gather(queue)).await,
            }
            self.carry_given(queue).await;
        }
    }

    async fn carry_given(&self, queue: Queue) {
        if let Err(error) = self.publish_given(queue).await {
            // The next look logs it, and reopens the handover once it succeeds.
            tracing::debug!(%queue, %error, "what was given could not be published; it is due soon");
            self.handover.close(queue);
            self.handover.ring(queue);
        }
    }

    async fn publish_given(&self, queue: Queue) -> Result<()> {
        let given = self.handover.take(queue);
        let mut rest = &given[..];
        let published = self.publish_while_there_is_room(queue, &mut rest).await;
        self.give_back(queue, rest).await;
        published
    }

    async fn publish_while_there_is_room(&self, queue: Queue, rest: &mut &[Owed]) -> Result<()> {
        while !rest.is_empty() {
            let (batch, others) = rest.split_at(self.settings.batch.min(rest.len()));
            if self.pauses.holds(queue) || self.room(queue).await?.0 < batch.len() {
                self.handover.close(queue);
                break;
            }
            self.publish(queue, batch).await?;
            *rest = others;
        }
        Ok(())
    }

    /// These are not in the queue. If the log is unavailable as well, they come due on their own.
    async fn give_back(&self, queue: Queue, owed: &[Owed]) {
        let ids: Vec<_> = owed.iter().map(|event| event.envelope.id).collect();
        if ids.is_empty() {
            return;
        }
        if let Err(error) = self.log.give_back(queue, &ids).await {
            tracing::debug!(%queue, %error, "what could not be published could not be given back");
        }
    }

    /// How many more entries the queue takes, and how many it holds.
    async fn room(&self, queue: Queue) -> Result<(usize, usize)> {
        let depth = self.publisher.depth(queue).await?;
        Ok((self.settings.max_depth.saturating_sub(depth), depth))
    }

    async fn look_again(&self, queue: Queue, stop: &CancellationToken) {
        let mut failing = false;
        while !stop.is_cancelled() {
            let looked = self.look(queue, stop).await;
            if looked.is_err() {
                self.handover.close(queue);
            }
            note_health(queue, &looked, &mut failing);
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.rung(queue), if looked.is_ok() => {}
                () = tokio::time::sleep(self.settings.every) => {}
            }
        }
    }

    async fn rung(&self, queue: Queue) {
        self.handover.rung(queue).await;
        tokio::time::sleep(self.gather(queue)).await;
    }

    fn gather(&self, queue: Queue) -> Duration {
        self.settings.gather * queue.patience()
    }

    /// Publishes everything that is due and for which there is room. Returns how many events.
    pub async fn look(&self, queue: Queue, stop: &CancellationToken) -> Result<usize> {
        let mut published = 0;
        // Asked once, before this look itself puts the oldest entry there.
        let mut oldest = None;
        while !stop.is_cancelled() {
            if self.pauses.holds(queue) {
                self.handover.close(queue);
                break;
            }
            let (room, depth) = self.room(queue).await?;
            let limit = self.settings.batch.min(room);
            if limit == 0 {
                self.handover.close(queue);
                break;
            }
            let waiting_since = match oldest {
                Some(waiting_since) => waiting_since,
                None if depth == 0 => None,
                None => self.publisher.waiting_since(queue).await?,
            };
            oldest = Some(waiting_since);
            let mut due = self.log.lease(queue, limit, waiting_since).await?;
            self.leave_held(queue, &mut due).await;
            if due.again > 0 {
                metrics::counter!("cardwire_events_swept_total", "queue" => queue.name()).increment(due.again as u64);
                tracing::info!(%queue, count = due.again, "published events without effect are published again");
            }
            if let Err(error) = self.publish(queue, &due.events).await {
                self.give_back(queue, &due.events).await;
                return Err(error);
            }
            published += due.events.len();
            if due.found < limit {
                self.handover.open(queue);
                break;
            }
        }
        Ok(published)
    }

    /// Events that wait behind the queue are not lost. They have been postponed already.
    async fn leave_held(&self, queue: Queue, due: &mut Due) {
        if due.again == 0 {
            return;
        }
        for (_, room) in self.rooms.iter().filter(|(before, _)| *before == queue) {
            let events: Vec<_> = due.events.iter().filter_map(|owed| owed.envelope.decode().ok()).collect();
            match room.hold(&events).await {
                Ok(held) => {
                    due.events.retain(|owed| !held.contains(&owed.envelope.id));
                    due.again = due.again.saturating_sub(held.len());
                }
                // An extra copy does no harm; a relay that publishes nothing does.
                Err(error) => tracing::debug!(%queue, %error, "what waits behind a queue is not known"),
            }
        }
    }

    async fn publish(&self, queue: Queue, owed: &[Owed]) -> Result<()> {
        if owed.is_empty() {
            return Ok(());
        }
        let started = Instant::now();
        let mut trace = Batch::begin(Operation::Publish, queue, owed.len());
        if trace.is_traced() {
            for event in owed {
                trace.event(event.envelope.id, event.envelope.traceparent.as_deref());
            }
        }
        let entries: Vec<_> =
            owed.iter().map(|event| (event.envelope.partitionkey.clone(), event.envelope.to_entry())).collect();
        let published = self.publisher.publish(queue, &entries).await;
        if published.is_err() {
            trace.all_failed();
        }
        drop(trace);
        published?;
        metrics::counter!("cardwire_events_published_total", "queue" => queue.name()).increment(entries.len() as u64);
        metrics::histogram!("cardwire_relay_publish_seconds").record(started.elapsed().as_secs_f64());
        Ok(())
    }

    async fn prune(&self, stop: &CancellationToken) {
        let mut prune = interval(PRUNE_EVERY);
        prune.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = prune.tick() => {}
            }
            match self.log.prune(self.settings.keep).await {
                Ok(0) => {}
                Ok(count) => tracing::info!(count, "old events pruned"),
                Err(error) => tracing::warn!(%error, "could not prune old events"),
            }
        }
    }
}

/// Logs once that the relay cannot work, and once that it can again.
fn note_health(queue: Queue, looked: &Result<usize>, failing: &mut bool) {
    match looked {
        Ok(_) if *failing => tracing::info!(%queue, "the relay works again"),
        Err(error @ Error::Misconfigured(..)) if !*failing => {
            tracing::error!(%queue, %error, "the relay must not publish; events wait in the log");
        }
        Err(error) if !*failing => tracing::warn!(%queue, %error, "the relay cannot publish; events wait in the log"),
        _ => {}
    }
    *failing = looked.is_err();
}
