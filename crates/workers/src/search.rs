use std::sync::Arc;

use async_trait::async_trait;
use cardwire_domain::RecordedEvent;
use cardwire_domain::search::SearchIndex;
use cardwire_events::port::from_store;
use cardwire_events::{EventHandler, Outcome};

/// Indexes the current row of every card it hears of, so the order of events does not matter.
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
        from_store(events, self.index.index(events).await.map(drop))
    }
}
