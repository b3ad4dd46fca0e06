//! The store itself; its ports are beside it.

use std::sync::Arc;

use cardwire_domain::Clock;
use cardwire_events::Wake;
use jiff::Timestamp;
use tokio::sync::{Mutex, MutexGuard, Notify};

use super::state::State;

/// All repositories and the event log. Clones share what they hold.
#[derive(Clone)]
pub struct InMemoryStore {
    pub(super) state: Arc<Mutex<State>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) wake: Wake,
    pub(super) news: Arc<Notify>,
}

impl InMemoryStore {
    /// Empty. Rings `wake` whenever there may be something to publish.
    pub fn new(clock: Arc<dyn Clock>, wake: Wake) -> Self {
        Self { state: Arc::default(), clock, wake, news: Arc::default() }
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
