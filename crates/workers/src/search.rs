use std::sync::Arc;

use async_trait::async_trait;
use cardwire_domain::RecordedEvent;
use cardwire_domain::search::SearchIndex;
use cardwire_events::port::from_store;
use cardwire_events::{EventHandler, Outcome};

/// Cards indexed in one transaction. Long notes must not make a transaction too slow.
const AT_ONCE: usize = 32;

/// Indexes the current row of each card it gets an event about, so the order of events does not matter.
pub struct SearchHandler {
    index: Arc<dyn SearchIndex>,
}

impl SearchHandler {
    pub fn new(index: Arc<dyn SearchIndex>) -> Self {
        Self { index }
    }
}

#[async_trait]
impl EventHandler for SearchHandler {
    async fn handle(&self, events: &[RecordedEvent]) -> Vec<Outcome> {
        for portion in events.chunks(AT_ONCE) {
            // The earlier ones have had their effect; running them again adds nothing.
            if let Err(error) = self.index.index(portion).await {
                return from_store(events, Err(error));
            }
        }
        from_store(events, Ok(()))
    }
}
