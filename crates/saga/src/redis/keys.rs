//! Every key of the saga.

use cardwire_events::redis::keys::partition_of;

use crate::pending::SagaKey;

/// Makes keys for one number of partitions.
#[derive(Clone, Copy, Debug)]
pub struct Keys {
    partitions: u16,
    tagged: bool,
}

impl Keys {
    /// `cluster`: keys with different tags live on different nodes, so even one partition needs its tag.
    pub fn new(partitions: u16, cluster: bool) -> Self {
        Self { partitions: partitions.max(1), tagged: cluster || partitions > 1 }
    }

    pub fn partitions(self) -> u16 {
        self.partitions
    }

    pub fn partition(self, key: &SagaKey) -> u16 {
        partition_of(&key.to_string(), self.partitions)
    }

    pub fn due(self, partition: u16) -> String {
        format!("{}due:{partition}", self.prefix(partition))
    }

    pub fn pending_prefix(self, partition: u16) -> String {
        format!("{}pending:", self.prefix(partition))
    }

    pub fn lock_prefix(self, partition: u16) -> String {
        format!("{}lock:", self.prefix(partition))
    }

    pub fn pending(self, key: &SagaKey) -> String {
        format!("{}{key}", self.pending_prefix(self.partition(key)))
    }

    pub fn lock(self, key: &SagaKey) -> String {
        format!("{}{key}", self.lock_prefix(self.partition(key)))
    }

    /// The tag is that of the partition's queue.
    fn prefix(self, partition: u16) -> String {
        match self.tagged {
            true => format!("{{feeds:{partition}}}:saga:feed:"),
            false => "saga:feed:".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV-did:plc:alice";

    #[test]
    fn one_partition_has_the_documented_names() {
        let keys = Keys::new(1, false);
        let key: SagaKey = TEXT.parse().unwrap();
        assert_eq!(keys.pending(&key), format!("saga:feed:pending:{TEXT}"));
        assert_eq!(keys.lock(&key), format!("saga:feed:lock:{TEXT}"));
        assert_eq!(keys.due(0), "saga:feed:due:0");
    }

    #[test]
    fn several_partitions_and_cluster_put_the_tag_of_the_queue_before_them() {
        let key: SagaKey = TEXT.parse().unwrap();
        let queue_partition = partition_of(TEXT, 8);
        for (keys, partition) in [(Keys::new(8, false), queue_partition), (Keys::new(1, true), 0)] {
            let tag = format!("{{feeds:{partition}}}:");
            assert_eq!(keys.pending(&key), format!("{tag}saga:feed:pending:{TEXT}"));
            assert_eq!(keys.lock(&key), format!("{tag}saga:feed:lock:{TEXT}"));
            assert_eq!(keys.due(partition), format!("{tag}saga:feed:due:{partition}"));
        }
    }
}
