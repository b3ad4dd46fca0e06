//! Every key of the queues. All keys of one partition share the hash tag in braces.

use crate::queue::Queue;

/// The partition of an entry. The same key always goes to the same one, on every build and machine.
///
/// FNV-1a, 64 bits: stable, a few lines, and spread evenly enough for a handful of partitions.
pub fn partition_of(partition_key: &str, partitions: u16) -> u16 {
    let hash = partition_key
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    // FNV's low bits are its weakest.
    let mixed = hash ^ (hash >> 32);
    u16::try_from(mixed % u64::from(partitions.max(1))).expect("a remainder is below its u16 divisor")
}

/// The deployment that all keys belong to.
pub const DEPLOYMENT: &str = "cardwire:deployment";

/// Number of partitions of a queue.
pub fn partitions(queue: Queue) -> String {
    format!("{{{queue}}}:partitions")
}

/// Workers of a queue.
pub fn workers(queue: Queue) -> String {
    format!("{{{queue}}}:workers")
}

pub fn wait(queue: Queue, partition: u16) -> String {
    format!("{{{queue}:{partition}}}:wait")
}

pub fn suspect(queue: Queue, partition: u16) -> String {
    format!("{{{queue}:{partition}}}:suspect")
}

pub fn leases(queue: Queue, partition: u16) -> String {
    format!("{{{queue}:{partition}}}:leases")
}

pub fn bell(queue: Queue, partition: u16) -> String {
    format!("{{{queue}:{partition}}}:bell")
}

/// The entries of one batch. Bytes, since somebody may have put any name among the leases.
pub fn claim(queue: Queue, partition: u16, batch: &[u8]) -> Vec<u8> {
    [format!("{{{queue}:{partition}}}:claim:").as_bytes(), batch].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stays_in_its_partition_for_ever() {
        let check = |key, partitions, expected| assert_eq!(partition_of(key, partitions), expected, "{key}");
        check("", 1, 0);
        check("01ARZ3NDEKTSV4RRFFQ69G5FAV-did:plc:alice", 1, 0);
        check("01ARZ3NDEKTSV4RRFFQ69G5FAV-did:plc:alice", 8, 5);
        check("01ARZ3NDEKTSV4RRFFQ69G5FAW-did:plc:alice", 8, 2);
        check("a", 8, 0);
    }

    #[test]
    fn partitions_get_about_the_same() {
        let mut counts = [0; 8];
        for n in 0..8_000 {
            counts[usize::from(partition_of(&format!("card{n}-did:plc:user{}", n % 17), 8))] += 1;
        }
        assert!(counts.iter().all(|count| (800..1_200).contains(count)), "{counts:?}");
    }

    #[test]
    fn all_keys_of_a_partition_share_their_tag() {
        let keys = [wait(Queue::Feeds, 3), suspect(Queue::Feeds, 3), leases(Queue::Feeds, 3), bell(Queue::Feeds, 3)];
        assert!(keys.iter().all(|key| key.starts_with("{feeds:3}:")), "{keys:?}");
        assert_eq!(claim(Queue::Feeds, 3, b"B"), b"{feeds:3}:claim:B");
    }
}
