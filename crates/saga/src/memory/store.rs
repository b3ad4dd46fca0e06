use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cardwire_domain::Clock;
use jiff::Timestamp;
use parking_lot::Mutex;

use super::lock::InMemoryDistributedLock;
use crate::error::{Error, Result};
use crate::lock::OwnerToken;
use crate::pending::{PendingActivity, PendingEvent, SagaKey};
use crate::store::{
    CLAIMED_EVENTS, ClaimedWindow, FULL_WINDOW, OpenWindow, Place, ReleaseReason, SHOWN_EVENTS, SagaStateStore,
    count_contended,
};
use crate::timing::Timing;

/// How many events are kept at most; then it is [`Error::Full`]. About 60 MB.
const CAPACITY: usize = 200_000;

struct Window {
    pending: PendingActivity,
    due_at: Timestamp,
    failures: u32,
}

#[derive(Default)]
struct State {
    windows: BTreeMap<SagaKey, Window>,
    due: BTreeSet<Place>,
    events: usize,
}

impl State {
    fn set_due(&mut self, key: &SagaKey, due_at: Timestamp) {
        if let Some(window) = self.windows.get_mut(key) {
            self.due.remove(&Place { due_at: window.due_at, key: key.clone() });
            window.due_at = due_at;
            self.due.insert(Place { due_at, key: key.clone() });
        }
    }

    fn remove(&mut self, key: &SagaKey) {
        if let Some(window) = self.windows.remove(key) {
            self.due.remove(&Place { due_at: window.due_at, key: key.clone() });
        }
    }
}

pub struct InMemorySagaStateStore {
    clock: Arc<dyn Clock>,
    timing: Timing,
    capacity: usize,
    locks: Arc<InMemoryDistributedLock>,
    state: Mutex<State>,
}

impl InMemorySagaStateStore {
    pub fn new(clock: Arc<dyn Clock>, timing: Timing) -> Self {
        let locks = Arc::new(InMemoryDistributedLock::new(clock.clone(), &timing));
        Self { clock, timing, capacity: CAPACITY, locks, state: Mutex::default() }
    }

    /// Keeps at most this many events.
    #[must_use]
    pub fn with_capacity(mut self, events: usize) -> Self {
        self.capacity = events;
        self
    }

    /// The locks it puts around windows.
    pub fn locks(&self) -> Arc<InMemoryDistributedLock> {
        self.locks.clone()
    }

    fn claim(&self, limit: usize, only_due: bool) -> Vec<ClaimedWindow> {
        let now = self.clock.now();
        let token = OwnerToken::generate();
        let mut state = self.state.lock();
        let places: Vec<Place> =
            state.due.iter().take_while(|place| !only_due || place.due_at <= now).take(limit).cloned().collect();
        let mut claimed: Vec<ClaimedWindow> = Vec::new();
        let (mut events, mut contended) = (0, 0);
        for Place { due_at, key } in places {
            if let Some(until) = self.locks.held_until(&key) {
                // Out of the way until its owner is done or dead.
                contended += 1;
                state.set_due(&key, until);
                continue;
            }
            let Some(window) = state.windows.get(&key) else { continue };
            events += window.pending.members.len();
            if events > CLAIMED_EVENTS && !claimed.is_empty() {
                break;
            }
            claimed.push(ClaimedWindow {
                pending: window.pending.clone(),
                token,
                failures: window.failures,
                late: Duration::try_from(now.duration_since(due_at)).unwrap_or_default(),
                unreadable: Vec::new(),
            });
            self.locks.take(&key, token);
            state.set_due(&key, now + self.timing.lock);
        }
        count_contended(contended);
        claimed
    }
}

fn shown(pending: &PendingActivity) -> PendingActivity {
    let members = pending.members.iter().take(SHOWN_EVENTS).map(|(id, member)| (*id, member.clone())).collect();
    PendingActivity { key: pending.key.clone(), members }
}

#[async_trait]
impl SagaStateStore for InMemorySagaStateStore {
    async fn merge(&self, events: &[PendingEvent]) -> Result<bool> {
        let now = self.clock.now();
        let mut state = self.state.lock();
        let state = &mut *state;
        if state.events + events.len() > self.capacity {
            return Err(Error::Full);
        }
        let mut due_at_once = false;
        for event in events {
            let key = event.key();
            let due_at = now + self.timing.window;
            let window = state.windows.entry(key.clone()).or_insert_with(|| {
                state.due.insert(Place { due_at, key: key.clone() });
                Window { pending: PendingActivity::new(key.clone()), due_at, failures: 0 }
            });
            if window.pending.merge(event.member.clone()) {
                state.events += 1;
                if window.pending.members.len() == FULL_WINDOW {
                    due_at_once = true;
                    state.set_due(&key, now);
                }
            }
        }
        Ok(due_at_once)
    }

    async fn hold(&self, events: &[PendingEvent]) -> Result<Vec<bool>> {
        let state = self.state.lock();
        let held = |event: &PendingEvent| {
            let window = state.windows.get(&event.key());
            window.is_some_and(|window| window.pending.members.contains_key(&event.member.event_id))
        };
        Ok(events.iter().map(held).collect())
    }

    async fn claim_due(&self, limit: usize) -> Result<Vec<ClaimedWindow>> {
        Ok(self.claim(limit, true))
    }

    async fn claim_all(&self, limit: usize) -> Result<Vec<ClaimedWindow>> {
        Ok(self.claim(limit, false))
    }

    async fn commit(&self, windows: &[ClaimedWindow]) -> Result<()> {
        let now = self.clock.now();
        let mut state = self.state.lock();
        for claimed in windows {
            let key = claimed.key();
            let mine = self.locks.free(key, claimed.token);
            let Some(window) = state.windows.get_mut(key) else { continue };
            let before = window.pending.members.len();
            window.pending.members.retain(|id, _| !claimed.pending.members.contains_key(id));
            window.failures = 0;
            let left = window.pending.members.len();
            state.events -= before - left;
            if left == 0 {
                state.remove(key);
            } else if mine {
                state.set_due(key, now);
            }
        }
        Ok(())
    }

    async fn release(&self, windows: &[ClaimedWindow], reason: ReleaseReason) -> Result<()> {
        let now = self.clock.now();
        let mut state = self.state.lock();
        for claimed in windows {
            let key = claimed.key();
            if !self.locks.free(key, claimed.token) {
                continue;
            }
            let Some(window) = state.windows.get_mut(key) else { continue };
            let wait = match reason {
                ReleaseReason::Unavailable => self.timing.pause,
                ReleaseReason::Failed => {
                    window.failures += 1;
                    self.timing.backoff_after(window.failures)
                }
            };
            state.set_due(key, now + wait);
        }
        Ok(())
    }

    async fn open(&self, after: Option<&Place>, limit: usize) -> Result<Vec<OpenWindow>> {
        let state = self.state.lock();
        let behind = state.due.iter().filter(|place| after.is_none_or(|after| *place > after));
        let open = behind.filter_map(|place| state.windows.get(&place.key)).take(limit);
        Ok(open
            .map(|window| OpenWindow {
                pending: shown(&window.pending),
                events: window.pending.members.len() as u64,
                due_at: window.due_at,
                locked: self.locks.held_until(&window.pending.key).is_some(),
                failures: window.failures,
            })
            .collect())
    }

    async fn open_count(&self) -> Result<u64> {
        Ok(self.state.lock().windows.len() as u64)
    }

    async fn flush_now(&self, key: &SagaKey) -> Result<bool> {
        let now = self.clock.now();
        let mut state = self.state.lock();
        if self.locks.held_until(key).is_none() {
            state.set_due(key, now);
        }
        Ok(state.windows.contains_key(key))
    }

    async fn next_due(&self) -> Result<Option<Duration>> {
        let now = self.clock.now();
        let state = self.state.lock();
        Ok(state.due.first().map(|place| Duration::try_from(place.due_at.duration_since(now)).unwrap_or_default()))
    }
}
