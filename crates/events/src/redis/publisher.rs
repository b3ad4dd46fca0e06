use std::collections::BTreeMap;

use async_trait::async_trait;
use fred::types::Value;
use jiff::Timestamp;

use super::connection::{Connection, Repeat};
use super::keys;
use super::scripts;
use super::subscriber::agree;
use crate::envelope::Message;
use crate::error::Result;
use crate::port::EventPublisher;
use crate::queue::Queue;

/// Publishes to the lists of all queues. All or nothing for each partition. With several partitions a failure may leave
/// some of the entries published; publishing them again makes harmless copies.
#[derive(Clone)]
pub struct RedisEventPublisher {
    connection: Connection,
    partitions: u16,
}

impl RedisEventPublisher {
    /// `partitions` must be the same in all processes.
    pub fn new(connection: Connection, partitions: u16) -> Self {
        Self { connection, partitions: partitions.max(1) }
    }
}

#[async_trait]
impl EventPublisher for RedisEventPublisher {
    async fn publish(&self, queue: Queue, entries: &[(String, String)]) -> Result<()> {
        let mut parts: BTreeMap<u16, Vec<Value>> = BTreeMap::new();
        for (partition_key, entry) in entries {
            let partition = keys::partition_of(partition_key, self.partitions);
            parts.entry(partition).or_default().push(entry.as_str().into());
        }
        for (partition, entries) in parts {
            let keys = vec![keys::wait(queue, partition).into(), keys::bell(queue, partition).into()];
            self.connection.script::<i64>(&scripts::PUBLISH, keys, entries, Repeat::Never).await?;
        }
        Ok(())
    }

    async fn depth(&self, queue: Queue) -> Result<usize> {
        // Called before each round of publishing, so this is also where the agreement with other processes is checked.
        agree(&self.connection, queue, self.partitions).await?;
        let mut depth = 0;
        for partition in 0..self.partitions {
            let keys = vec![keys::wait(queue, partition).into(), keys::suspect(queue, partition).into()];
            let sizes: Vec<usize> = self.connection.script(&scripts::SIZES, keys, Vec::new(), Repeat::Harmless).await?;
            depth += sizes.iter().sum::<usize>();
        }
        Ok(depth)
    }

    async fn waiting_since(&self, queue: Queue) -> Result<Option<Timestamp>> {
        let mut since = None;
        for partition in 0..self.partitions {
            let keys = vec![keys::wait(queue, partition).into()];
            let oldest: Option<Vec<u8>> =
                self.connection.script(&scripts::OLDEST, keys, Vec::new(), Repeat::Harmless).await?;
            // An entry that is not an event has no time.
            let message = oldest.and_then(|entry| Message::parse(std::str::from_utf8(&entry).ok()?).ok());
            since = since.into_iter().chain(message.map(|message| message.occurred_at)).min();
        }
        Ok(since)
    }
}
