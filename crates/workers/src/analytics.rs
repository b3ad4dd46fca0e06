use std::sync::Arc;

use async_trait::async_trait;
use cardwire_domain::RecordedEvent;
use cardwire_domain::analytics::Analytics;
use cardwire_events::port::from_store;
use cardwire_events::{EventHandler, Outcome};

/// Counts saves by UTC day.
pub struct AnalyticsHandler {
    analytics: Arc<dyn Analytics>,
}

impl AnalyticsHandler {
    pub fn new(analytics: Arc<dyn Analytics>) -> Self {
        Self { analytics }
    }
}

#[async_trait]
impl EventHandler for AnalyticsHandler {
    async fn handle(&self, events: &[RecordedEvent]) -> Vec<Outcome> {
        from_store(events, self.analytics.count(events).await.map(drop))
    }
}
