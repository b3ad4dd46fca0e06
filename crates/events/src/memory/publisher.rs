use async_trait::async_trait;

use jiff::Timestamp;

use super::state::InMemoryQueues;
use crate::envelope::Message;
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

    async fn waiting_since(&self, queue: Queue) -> Result<Option<Timestamp>> {
        let entries = self.queues.lane(queue).lock();
        Ok(entries.wait.front().and_then(|entry| Message::parse(entry).ok()).map(|message| message.occurred_at))
    }
}
