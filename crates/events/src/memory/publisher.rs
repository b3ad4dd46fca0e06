use async_trait::async_trait;

use super::state::InMemoryQueues;
use crate::error::Result;
use crate::port::EventPublisher;
use crate::queue::Queue;

#[derive(Clone, Debug)]
pub struct InMemoryEventPublisher {
    queues: InMemoryQueues,
}

impl InMemoryEventPublisher {
    pub fn new(queues: InMemoryQueues) -> Self {
        Self { queues }
    }
}

#[async_trait]
impl EventPublisher for InMemoryEventPublisher {
    async fn publish(&self, queue: Queue, entries: &[(String, String)]) -> Result<()> {
        let lane = self.queues.lane(queue);
        lane.lock().wait.extend(entries.iter().map(|(_, entry)| entry.clone()));
        lane.bell.notify_one();
        Ok(())
    }

    async fn depth(&self, queue: Queue) -> Result<usize> {
        let entries = self.queues.lane(queue).lock();
        Ok(entries.wait.len() + entries.suspect.len())
    }
}
