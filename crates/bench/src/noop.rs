//! A worker process that does nothing with its events but count them: the cost of the queue alone.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, bail};
use async_trait::async_trait;
use cardwire_domain::{RecordedEvent, SystemClock};
use cardwire_events::redis::{Connection, RedisEventSubscriber, RedisSettings};
use cardwire_events::worker::LEASE;
use cardwire_events::{EventHandler, EventWorker, Handover, Outcome, Queue, QueueSettings};
use cardwire_storage::SqliteStore;
use serde::{Deserialize, Serialize};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// What a worker writes when it can work.
pub const READY: &str = "ready";
/// What it writes before its tally, at the end.
pub const TALLY: &str = "tally ";

/// Which events were seen, without keeping them: two tallies are equal if the same events were seen equally often, but for a chance of
/// one in 2^128.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    pub count: u64,
    sums: [u64; 4],
}

impl Tally {
    pub fn of(events: &[RecordedEvent]) -> Self {
        let mut tally = Self::default();
        events.iter().for_each(|event| tally.add(event));
        tally
    }

    fn add(&mut self, event: &RecordedEvent) {
        let id = event.id.ulid().0;
        let (high, low) = ((id >> 64) as u64, id as u64);
        // Sums of mixed values: no two missing or doubled events make up for each other.
        let parts = [high, low, mix(high ^ mix(low)), mix(low.rotate_left(32) ^ mix(high))];
        self.merge(&Self { count: 1, sums: parts });
    }

    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        for (sum, part) in self.sums.iter_mut().zip(other.sums) {
            *sum = sum.wrapping_add(part);
        }
    }
}

/// The finaliser of splitmix64.
const fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[derive(Default)]
struct Counting(Mutex<Tally>);

#[async_trait]
impl EventHandler for Counting {
    async fn handle(&self, events: &[RecordedEvent]) -> Vec<Outcome> {
        let seen = Tally::of(events);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).merge(&seen);
        vec![Outcome::Done; events.len()]
    }
}

/// Works on the feeds queue with the loop of the real workers until SIGTERM, then tells what it saw.
pub async fn run(redis_url: &str) -> anyhow::Result<()> {
    let connection = Connection::open(RedisSettings::from_url(redis_url)?)?;
    let subscriber = Arc::new(RedisEventSubscriber::new(connection, Queue::Feeds, 1, LEASE)?);
    subscriber.agree().await?;
    let handler = Arc::new(Counting::default());
    // Only for what fails, which nothing here does.
    let log = Arc::new(SqliteStore::in_memory(Arc::new(SystemClock), Handover::default()).expect("SQLite is built in"));
    let settings = QueueSettings::of(Queue::Feeds);
    let worker = EventWorker::new(Queue::Feeds, settings, subscriber, handler.clone(), log);
    let stop = CancellationToken::new();
    let mut terminated = signal(SignalKind::terminate())?;
    let ending = stop.clone();
    let working = tokio::spawn(async move { worker.run(ending).await });
    println!("{READY}");
    terminated.recv().await;
    stop.cancel();
    working.await.context("the worker loop")??;
    let tally = *handler.0.lock().unwrap_or_else(PoisonError::into_inner);
    println!("{TALLY}{}", serde_json::to_string(&tally)?);
    Ok(())
}

/// Finds the tally in what a worker wrote; `None`: it is not there yet.
pub fn find_tally(log: &str) -> anyhow::Result<Option<Tally>> {
    if log.contains("panicked") {
        bail!("a worker panicked:\n{log}");
    }
    log.lines().find_map(|line| line.strip_prefix(TALLY)).map(serde_json::from_str).transpose().context("a tally")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Keys;
    use crate::workload::Workload;

    #[test]
    fn a_missing_and_a_doubled_event_show() {
        let events = Workload::new(Keys::Distinct, 20).unwrap().events;
        let all = Tally::of(&events);
        let mut parts = Tally::of(&events[7..]);
        assert_ne!(parts, all);
        parts.merge(&Tally::of(&events[..7]));
        assert_eq!(parts, all, "in any order");
        let mut swapped = events;
        swapped[3] = swapped[4].clone();
        assert_ne!(Tally::of(&swapped), all, "one missing, one doubled");
        let line = format!("noise\n{TALLY}{}\n", serde_json::to_string(&all).unwrap());
        assert_eq!(find_tally(&line).unwrap(), Some(all));
        assert_eq!(find_tally("noise").unwrap(), None);
    }
}
