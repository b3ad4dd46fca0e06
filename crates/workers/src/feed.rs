use std::sync::Arc;

use async_trait::async_trait;
use cardwire_domain::RecordedEvent;
use cardwire_domain::records::RecordPublisher;
use cardwire_events::port::from_store;
use cardwire_events::{Error, EventHandler, EventLog, Outcome, Queue};
use cardwire_saga::{CardCollectionSaga, PendingEvent};

/// Hands additions to the saga, which holds them until their window closes. What else comes to this queue changes no
/// activity (reads show only links that still exist), so it is only taken off the ledger.
pub struct FeedHandler {
    saga: Arc<CardCollectionSaga>,
    log: Arc<dyn EventLog>,
    records: Option<Arc<dyn RecordPublisher>>,
}

impl FeedHandler {
    /// `records`: where saved cards are also written outside of Cardwire; `None`: nowhere.
    pub fn new(
        saga: Arc<CardCollectionSaga>,
        log: Arc<dyn EventLog>,
        records: Option<Arc<dyn RecordPublisher>>,
    ) -> Self {
        Self { saga, log, records }
    }

    async fn publish_records(&self, events: &[RecordedEvent]) -> cardwire_domain::Result<()> {
        if let Some(records) = &self.records {
            for event in events {
                records.publish(&event.event).await?;
            }
        }
        Ok(())
    }

    async fn settle(&self, events: &[RecordedEvent]) -> Outcome {
        if events.is_empty() {
            return Outcome::Done;
        }
        let ids: Vec<_> = events.iter().map(|event| event.id).collect();
        match self.log.settle(Queue::Feeds, &ids).await {
            Ok(_) => Outcome::Done,
            Err(error @ Error::Unavailable(..)) => Outcome::Unavailable(error.to_string()),
            Err(error) => Outcome::Retry(error.to_string()),
        }
    }
}

#[async_trait]
impl EventHandler for FeedHandler {
    async fn handle(&self, events: &[RecordedEvent]) -> Vec<Outcome> {
        // Before anything is taken off the ledger: a crash in between publishes the same record again.
        if let Err(error) = self.publish_records(events).await {
            return from_store(events, Err(error));
        }
        let collects = |event: &RecordedEvent| PendingEvent::from_recorded(event).is_some();
        let (added, others): (Vec<_>, Vec<_>) = events.iter().cloned().partition(collects);
        let settled = self.settle(&others).await;
        let mut merged = self.saga.collect(&added).await.into_iter();
        let outcome = |event| if collects(event) { merged.next() } else { Some(settled.clone()) };
        events
            .iter()
            .map(outcome)
            .map(|outcome| outcome.unwrap_or(Outcome::Retry("the saga gave no answer".into())))
            .collect()
    }
}
