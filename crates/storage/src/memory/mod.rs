//! Everything in one process's memory, for tests and for trying things out. It is gone when the process ends.
//!
//! One lock guards all that is kept, and a transaction holds it from its first read to its commit: so each transaction, and
//! each effect with its event's removal from the ledger, is one step to everybody else. Nothing waits under the lock.

mod accounts;
mod analytics;
mod collections;
mod feed;
mod imports;
mod library;
mod log;
mod metadata;
mod operators;
mod search;
mod state;
mod transaction;

use std::sync::Arc;

use cardwire_domain::Clock;
use cardwire_events::Wake;
use jiff::Timestamp;
use tokio::sync::{Mutex, MutexGuard, Notify};

pub use log::RejectedEntry;
use state::State;

/// All repositories and the event log. Clones share what they hold.
#[derive(Clone)]
pub struct InMemoryStore {
    state: Arc<Mutex<State>>,
    clock: Arc<dyn Clock>,
    wake: Wake,
    news: Arc<Notify>,
}

impl InMemoryStore {
    /// Empty. Rings `wake` whenever there may be something to publish.
    pub fn new(clock: Arc<dyn Clock>, wake: Wake) -> Self {
        Self { state: Arc::default(), clock, wake, news: Arc::default() }
    }

    async fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().await
    }

    /// In microseconds, as PostgreSQL keeps them.
    fn now(&self) -> Timestamp {
        let now = self.clock.now();
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }
}
