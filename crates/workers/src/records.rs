use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use cardwire_domain::records::{RecordPublisher, record_uri};
use cardwire_domain::{DomainEvent, Result};

/// Stands in for people's own repositories in development: keeps the newest of their records in memory.
#[derive(Debug, Default)]
pub struct FakeRecordPublisher {
    records: Mutex<BTreeMap<String, DomainEvent>>,
}

impl FakeRecordPublisher {
    /// Older records than the last this many (by URI) are forgotten.
    const KEEP: usize = 10_000;

    pub fn record(&self, uri: &str) -> Option<DomainEvent> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner).get(uri).cloned()
    }
}

#[async_trait]
impl RecordPublisher for FakeRecordPublisher {
    async fn publish(&self, event: &DomainEvent) -> Result<()> {
        let Some(uri) = record_uri(event) else { return Ok(()) };
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            DomainEvent::CardRemovedFromLibrary { .. } | DomainEvent::CardRemovedFromCollection { .. } => {
                records.remove(&uri);
            }
            _ => {
                records.insert(uri, event.clone());
            }
        }
        if records.len() > Self::KEEP {
            records.pop_first();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use cardwire_domain::{CardId, LinkId, UserId, Visibility};

    use super::*;

    #[tokio::test]
    async fn publishing_twice_is_publishing_once_and_removal_removes() {
        let publisher = FakeRecordPublisher::default();
        let (card_id, link_id) = (CardId::generate(), LinkId::generate());
        let actor_id = UserId::parse("did:plc:alice").unwrap();
        let added =
            |visibility| DomainEvent::CardAddedToLibrary { card_id, actor_id: actor_id.clone(), link_id, visibility };
        let uri = format!("at://did:plc:alice/cardwire.card/{card_id}");
        publisher.publish(&added(Visibility::Private)).await.unwrap();
        assert_eq!(publisher.record(&uri), None, "what is private is written nowhere else");
        let added = added(Visibility::Public);
        publisher.publish(&added).await.unwrap();
        publisher.publish(&added).await.unwrap();
        assert_eq!(publisher.record(&uri), Some(added));
        publisher.publish(&DomainEvent::CardRemovedFromLibrary { card_id, actor_id, link_id }).await.unwrap();
        assert_eq!(publisher.record(&uri), None);
    }
}
