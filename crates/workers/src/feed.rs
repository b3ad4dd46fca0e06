use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use cardwire_domain::feed::FeedRepository;
use cardwire_domain::{DomainEvent, EventId, Member, RecordedEvent};
use cardwire_events::port::{all, from_store};
use cardwire_events::{Error, EventHandler, EventLog, Outcome, Queue};
use cardwire_saga::CardCollectionSaga;

/// Passes additions to the saga, which holds them until their window closes. When an account is deleted, its activities
/// go at once: that event is raised when nothing else of that person is owed, so no window waits for it. Other events
/// in this queue change no activity, because reads show only links that still exist. They are just taken off the
/// ledger.
pub struct FeedHandler {
    saga: Arc<CardCollectionSaga>,
    feed: Arc<dyn FeedRepository>,
    log: Arc<dyn EventLog>,
}

impl FeedHandler {
    pub fn new(saga: Arc<CardCollectionSaga>, feed: Arc<dyn FeedRepository>, log: Arc<dyn EventLog>) -> Self {
        Self { saga, feed, log }
    }

    /// The events as the log has them. In the queue they may have been altered: an addition that claims to be something
    /// else would be settled, and so lost.
    async fn look_up(&self, events: &[RecordedEvent]) -> Result<Vec<RecordedEvent>, Error> {
        let ids: Vec<_> = events.iter().map(|event| event.id).collect();
        let envelopes = self.log.look_up(&ids).await?;
        // An event that cannot be read in the log stays owed.
        Ok(envelopes.iter().filter_map(|envelope| envelope.decode().ok()).collect())
    }

    async fn settle(&self, events: &[RecordedEvent]) -> Outcome {
        if events.is_empty() {
            return Outcome::Done;
        }
        let ids: Vec<_> = events.iter().map(|event| event.id).collect();
        self.log.settle(Queue::Feeds, &ids).await.map_or_else(failed, |_| Outcome::Done)
    }

    async fn forget(&self, events: &[RecordedEvent]) -> Vec<Outcome> {
        if events.is_empty() {
            return Vec::new();
        }
        let ids: Vec<EventId> = events.iter().map(|event| event.id).collect();
        from_store(events, self.feed.forget_people(&ids).await.map(drop))
    }
}

fn failed(error: Error) -> Outcome {
    match error {
        Error::Unavailable(..) => Outcome::Unavailable(error.to_string()),
        error => Outcome::Retry(error.to_string()),
    }
}

fn adds(event: &RecordedEvent) -> bool {
    Member::of(event).is_some()
}

#[async_trait]
impl EventHandler for FeedHandler {
    async fn handle(&self, events: &[RecordedEvent]) -> Vec<Outcome> {
        // Only the id of an addition matters: the flush looks up the rest.
        if events.iter().all(adds) {
            return self.saga.collect(events).await;
        }
        let known = match self.look_up(events).await {
            Ok(known) => known,
            Err(error) => return all(events, &failed(error)),
        };
        let (added, others): (Vec<_>, Vec<_>) = known.into_iter().partition(adds);
        let (gone, others): (Vec<_>, Vec<_>) =
            others.into_iter().partition(|event| matches!(event.event, DomainEvent::AccountDeleted { .. }));
        let forgotten = self.forget(&gone).await;
        let settled = self.settle(&others).await;
        let merged = self.saga.collect(&added).await;
        let settled = others.iter().map(|event| (event.id, settled.clone()));
        let mut outcomes: BTreeMap<_, _> = added.iter().map(|event| event.id).zip(merged).chain(settled).collect();
        outcomes.extend(gone.iter().map(|event| event.id).zip(forgotten));
        // Events that are not in the log are owed to no queue.
        events.iter().map(|event| outcomes.remove(&event.id).unwrap_or(Outcome::Done)).collect()
    }

    /// The flush of their windows does it.
    fn takes_effect(&self) -> bool {
        false
    }
}
