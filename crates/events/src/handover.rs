//! From a commit to the relay of the same process: events are published from memory, without reading the log again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::log::Owed;
use crate::queue::Queue;

/// At most this many are held for one queue. The log keeps the rest, where they are soon due.
const HELD_AT_MOST: usize = 10_000;

/// Shared by a store, which gives, and the relay of the same process, which takes. Losing its contents costs time, but
/// never an event.
#[derive(Clone, Debug, Default)]
pub struct Handover(Arc<[Lane; Queue::ALL.len()]>);

#[derive(Debug, Default)]
struct Lane {
    is_open: AtomicBool,
    held: Mutex<Vec<Owed>>,
    given: Notify,
    due: Notify,
}

impl Handover {
    fn lane(&self, queue: Queue) -> &Lane {
        &self.0[queue as usize]
    }

    /// Whether events for this queue are published at once. Not while the queue is full, paused or unreachable, nor
    /// while older events wait in the log. Then deliveries are inserted as due, and nothing has to be handed over.
    pub fn is_open(&self, queue: Queue) -> bool {
        self.lane(queue).is_open.load(Ordering::Relaxed)
    }

    /// Takes events that were just committed as published.
    pub fn give(&self, owed: impl IntoIterator<Item = Owed>) {
        for owed in owed {
            let lane = self.lane(owed.queue);
            let mut held = lane.held.lock();
            if held.len() >= HELD_AT_MOST {
                lane.is_open.store(false, Ordering::Relaxed);
            } else if lane.is_open.load(Ordering::Relaxed) {
                held.push(owed);
                lane.given.notify_one();
            }
        }
    }

    /// Something that the log owes to this queue may be due now.
    pub fn ring(&self, queue: Queue) {
        self.lane(queue).due.notify_one();
    }

    /// Returns after the next ring, or at once if it was rung since the last return. May be dropped at any time.
    pub async fn rung(&self, queue: Queue) {
        self.lane(queue).due.notified().await;
    }

    /// Returns when something has been given since the last return. May be dropped at any time.
    pub(crate) async fn given(&self, queue: Queue) {
        self.lane(queue).given.notified().await;
    }

    pub(crate) fn take(&self, queue: Queue) -> Vec<Owed> {
        std::mem::take(&mut self.lane(queue).held.lock())
    }

    pub(crate) fn open(&self, queue: Queue) {
        self.lane(queue).is_open.store(true, Ordering::Relaxed);
    }

    pub(crate) fn close(&self, queue: Queue) {
        self.lane(queue).is_open.store(false, Ordering::Relaxed);
    }
}
