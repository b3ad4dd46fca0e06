//! Records of saved cards outside of Cardwire, in each person's own repository.

use async_trait::async_trait;

use crate::error::Result;
use crate::event::DomainEvent;
use crate::visibility::Visibility;

/// Writes and deletes records. Every record has a URI that follows from the event, so writing it twice is writing it once.
#[async_trait]
pub trait RecordPublisher: Send + Sync {
    async fn publish(&self, event: &DomainEvent) -> Result<()>;
}

/// Where the record of an addition or removal is: `at://{actor}/cardwire.card/{card}` for a library,
/// `at://{actor}/cardwire.link/{link}` for a collection; `None` for events that have no record, such as an addition that only the card's
/// owner sees.
pub fn record_uri(event: &DomainEvent) -> Option<String> {
    match event {
        DomainEvent::CardAddedToLibrary { visibility: Visibility::Private, .. }
        | DomainEvent::CardAddedToCollection { visibility: Visibility::Private, .. } => None,
        DomainEvent::CardAddedToLibrary { card_id, actor_id, .. }
        | DomainEvent::CardRemovedFromLibrary { card_id, actor_id, .. } => {
            Some(format!("at://{actor_id}/cardwire.card/{card_id}"))
        }
        DomainEvent::CardAddedToCollection { actor_id, link_id, .. }
        | DomainEvent::CardRemovedFromCollection { actor_id, link_id, .. } => {
            Some(format!("at://{actor_id}/cardwire.link/{link_id}"))
        }
        DomainEvent::CardNoteChanged { .. }
        | DomainEvent::CardUrlChanged { .. }
        | DomainEvent::CollectionCreated { .. }
        | DomainEvent::AccountDeleted { .. } => None,
    }
}
