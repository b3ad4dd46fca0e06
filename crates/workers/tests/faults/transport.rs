//! Queues and the saga's store, which outlive every process and can lose everything they hold.

use std::sync::Arc;

use cardwire_domain::Clock;
use cardwire_events::memory::{InMemoryEventPublisher, InMemoryEventSubscriber, InMemoryQueues};
use cardwire_events::{EventPublisher, EventSubscriber, Queue};
use cardwire_saga::{InMemorySagaStateStore, SagaStateStore, Timing};
use cardwire_testkit::faults::Replaceable;

#[derive(Clone)]
pub struct Transport {
    clock: Arc<dyn Clock>,
    pub publisher: Replaceable<dyn EventPublisher>,
    subscribers: [Replaceable<dyn EventSubscriber>; Queue::ALL.len()],
    pub saga: Replaceable<dyn SagaStateStore>,
}

impl Transport {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let queues = InMemoryQueues::default();
        let saga: Arc<dyn SagaStateStore> = Arc::new(InMemorySagaStateStore::new(clock.clone(), Timing::default()));
        Self {
            clock,
            publisher: Replaceable::new(Arc::new(InMemoryEventPublisher::new(queues.clone()))),
            subscribers: Queue::ALL.map(|queue| Replaceable::new(subscriber(&queues, queue))),
            saga: Replaceable::new(saga),
        }
    }

    pub fn subscriber(&self, queue: Queue) -> &Replaceable<dyn EventSubscriber> {
        &self.subscribers[queue.index()]
    }

    pub fn flushall(&self) {
        let queues = InMemoryQueues::default();
        self.publisher.replace(Arc::new(InMemoryEventPublisher::new(queues.clone())));
        for queue in Queue::ALL {
            self.subscriber(queue).replace(subscriber(&queues, queue));
        }
        self.saga.replace(Arc::new(InMemorySagaStateStore::new(self.clock.clone(), Timing::default())));
    }

    /// Nothing waits, is claimed or is pending.
    pub async fn is_empty(&self) -> bool {
        for subscriber in &self.subscribers {
            let depth = subscriber.get().depth().await.unwrap();
            if depth.waiting + depth.suspects + depth.in_flight > 0 {
                return false;
            }
        }
        self.saga.get().open(None, 1).await.unwrap().is_empty()
    }
}

fn subscriber(queues: &InMemoryQueues, queue: Queue) -> Arc<dyn EventSubscriber> {
    Arc::new(InMemoryEventSubscriber::new(queues, queue))
}
