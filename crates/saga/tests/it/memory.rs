//! The contract suite over the adapters in memory.

use std::sync::Arc;

use cardwire_saga::{Error, InMemorySagaStateStore, PendingEvent, SagaStateStore, Timing};
use cardwire_testkit::TokioClock;
use cardwire_testkit::saga_suite::Subject;

async fn in_memory() -> Subject {
    let timing = Timing::default();
    let store = InMemorySagaStateStore::new(Arc::new(TokioClock::new()), timing);
    Subject { lock: store.locks(), store: Arc::new(store), timing, guard: Box::new(()) }
}

cardwire_testkit::saga_suite! { #[tokio::test(start_paused = true)] => in_memory }

#[tokio::test]
async fn beyond_its_capacity_it_is_full_until_something_is_committed() {
    use cardwire_domain::{CardId, EventId, LinkId, Member, UserId};
    let event = || PendingEvent {
        card_id: CardId::generate(),
        actor_id: UserId::parse("did:plc:alice").unwrap(),
        member: Member {
            occurred_at: "2026-11-22T10:00:00Z".parse().unwrap(),
            event_id: EventId::generate(),
            link_id: LinkId::generate(),
            collection_id: None,
        },
    };
    let store = InMemorySagaStateStore::new(Arc::new(TokioClock::new()), Timing::default()).with_capacity(2);
    assert!(!store.merge(&[event(), event()]).await.unwrap());
    assert!(matches!(store.merge(&[event()]).await, Err(Error::Full)));
    let claimed = store.claim_all(1).await.unwrap();
    store.commit(&claimed).await.unwrap();
    assert!(!store.merge(&[event()]).await.unwrap());
}
