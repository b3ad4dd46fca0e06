//! The store itself; its ports are beside it.

use std::sync::Arc;

use cardwire_domain::Clock;
use cardwire_events::Handover;
use jiff::Timestamp;
use tokio::sync::{Mutex, MutexGuard, Notify};

use super::state::State;

/// All repositories and the event log. Clones share what they hold.
#[derive(Clone)]
pub struct InMemoryStore {
    pub(super) state: Arc<Mutex<State>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) handover: Handover,
    pub(super) news: Arc<Notify>,
}

impl InMemoryStore {
    /// Empty. Commits are handed to `handover` while it is open; otherwise it is rung.
    pub fn new(clock: Arc<dyn Clock>, handover: Handover) -> Self {
        Self { state: Arc::default(), clock, handover, news: Arc::default() }
    }

    /// The same store for another process, whose relay takes from another handover.
    pub fn beside(&self, handover: Handover) -> Self {
        Self { handover, ..self.clone() }
    }

    pub(super) async fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().await
    }

    /// In microseconds, as PostgreSQL keeps them.
    pub(super) fn now(&self) -> Timestamp {
        let now = self.clock.now();
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }
}
