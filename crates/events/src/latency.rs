//! How long events take from acceptance to effect, counted in buckets.

use std::array::from_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;

use crate::queue::Queue;

/// Upper bounds of the buckets in milliseconds. They are close together around the three seconds of a window. Anything
/// above the last bound is counted separately.
pub const BOUNDS_MS: [u64; 31] = [
    5, 10, 20, 30, 50, 75, 100, 150, 200, 300, 500, 750, 1_000, 1_500, 2_000, 2_500, 3_000, 3_100, 3_250, 3_500, 4_000,
    5_000, 7_500, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 900_000, 3_600_000,
];
const BUCKETS: usize = BOUNDS_MS.len() + 1;

/// The bounds in Prometheus's format.
pub fn bounds_s() -> [f64; BOUNDS_MS.len()] {
    BOUNDS_MS.map(|ms| ms as f64 / 1_000.0)
}

/// The bucket for this duration.
fn bucket(took: Duration) -> usize {
    BOUNDS_MS.partition_point(|bound| u128::from(*bound) * 1_000_000 < took.as_nanos())
}

/// Counts of events by how long they took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    counts: [u64; BUCKETS],
}

impl Histogram {
    pub fn record(&mut self, took: Duration) {
        self.add(bucket(took), 1);
    }

    fn add(&mut self, bucket: usize, events: u64) {
        self.counts[bucket] = self.counts[bucket].saturating_add(events);
    }

    /// Events up to this bound, in milliseconds; `None`: those beyond the last. An unknown bound counts as the next one
    /// above it.
    pub fn add_up_to(&mut self, bound_ms: Option<u64>, events: u64) {
        let bucket = bound_ms.map_or(BOUNDS_MS.len(), |bound| BOUNDS_MS.partition_point(|known| *known < bound));
        self.add(bucket, events);
    }

    pub fn merge(&mut self, other: &Self) {
        for (bucket, events) in other.counts.iter().enumerate() {
            self.add(bucket, *events);
        }
    }

    /// What was counted since `before`, an earlier state of the same count.
    pub fn since(&self, before: &Self) -> Self {
        Self { counts: from_fn(|bucket| self.counts[bucket].saturating_sub(before.counts[bucket])) }
    }

    pub fn total(&self) -> u64 {
        self.counts.iter().fold(0, |total, events| total.saturating_add(*events))
    }

    pub fn is_empty(&self) -> bool {
        self.total() == 0
    }

    /// Upper bound in milliseconds and number of events of each bucket that is not empty; `None`: beyond the last.
    pub fn buckets(&self) -> impl Iterator<Item = (Option<u64>, u64)> + '_ {
        let of = |(bucket, events): (usize, &u64)| (BOUNDS_MS.get(bucket).copied(), *events);
        self.counts.iter().enumerate().map(of).filter(|(_, events)| *events > 0)
    }

    /// The time that the share `q` of all events took at most, computed as Prometheus does: events are assumed to be
    /// spread evenly over their bucket. So the error is less than the width of the bucket. Beyond the last bound it is
    /// that bound. `None`: there are no events.
    pub fn quantile(&self, q: f64) -> Option<Duration> {
        let total = self.total();
        if total == 0 {
            return None;
        }
        let rank = (q.clamp(0.0, 1.0) * total as f64).max(f64::MIN_POSITIVE);
        let mut below = 0.0;
        for (bucket, events) in self.counts.iter().enumerate() {
            let events = *events as f64;
            if events > 0.0 && below + events >= rank {
                let Some(upper) = BOUNDS_MS.get(bucket) else { break };
                let lower = bucket.checked_sub(1).map_or(0, |previous| BOUNDS_MS[previous]);
                let ms = lower as f64 + (upper - lower) as f64 * (rank - below) / events;
                return Some(Duration::from_secs_f64(ms / 1_000.0));
            }
            below += events;
        }
        Some(Duration::from_millis(BOUNDS_MS[BOUNDS_MS.len() - 1]))
    }
}

/// A count that many tasks can add to.
#[derive(Debug)]
pub struct Latencies {
    counts: [AtomicU64; BUCKETS],
}

impl Default for Latencies {
    fn default() -> Self {
        Self { counts: from_fn(|_| AtomicU64::default()) }
    }
}

impl Latencies {
    /// Counts an event that has just taken effect, by this process's clock.
    pub fn took_effect(&self, queue: Queue, accepted_at: Timestamp) {
        // This clock may be behind the store's, which stamped the event.
        let took = Duration::try_from(Timestamp::now().duration_since(accepted_at)).unwrap_or_default();
        self.counts[bucket(took)].fetch_add(1, Ordering::Relaxed);
        metrics::histogram!("cardwire_event_effect_seconds", "queue" => queue.name()).record(took.as_secs_f64());
    }

    /// What was counted since the process began.
    pub fn so_far(&self) -> Histogram {
        Histogram { counts: from_fn(|bucket| self.counts[bucket].load(Ordering::Relaxed)) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(took_ms: &[u64]) -> Histogram {
        let mut histogram = Histogram::default();
        took_ms.iter().for_each(|ms| histogram.record(Duration::from_millis(*ms)));
        histogram
    }

    #[test]
    fn an_event_on_a_bound_is_in_the_bucket_below_it() {
        assert_eq!(of(&[5]).buckets().collect::<Vec<_>>(), [(Some(5), 1)]);
        assert_eq!(of(&[6]).buckets().collect::<Vec<_>>(), [(Some(10), 1)]);
        assert_eq!(
            of(&[0, 3_600_000, 3_600_001]).buckets().collect::<Vec<_>>(),
            [(Some(5), 1), (Some(3_600_000), 1), (None, 1)]
        );
        assert!(BOUNDS_MS.is_sorted());
    }

    #[test]
    fn quantiles_of_nothing_and_of_what_is_beyond_all_bounds() {
        assert_eq!(Histogram::default().quantile(0.5), None);
        assert_eq!(of(&[10_000_000]).quantile(0.5), Some(Duration::from_secs(3_600)));
    }

    #[test]
    fn bounds_of_another_build_are_read_as_the_next_one_above() {
        let mut histogram = Histogram::default();
        for bound in [Some(4), Some(5), Some(6), Some(9_999_999), None] {
            histogram.add_up_to(bound, 1);
        }
        assert_eq!(histogram.buckets().collect::<Vec<_>>(), [(Some(5), 2), (Some(10), 1), (None, 2)]);
    }

    #[test]
    fn what_tasks_count_is_told_as_one_histogram() {
        let latencies = Latencies::default();
        let now = Timestamp::now();
        latencies.took_effect(Queue::Search, now);
        // A clock that is behind.
        latencies.took_effect(Queue::Search, now + jiff::SignedDuration::from_secs(60));
        let first = latencies.so_far();
        assert_eq!(first.total(), 2);
        latencies.took_effect(Queue::Search, now - jiff::SignedDuration::from_secs(8));
        assert_eq!(latencies.so_far().since(&first).buckets().collect::<Vec<_>>(), [(Some(10_000), 1)]);
    }

    proptest! {
        #[test]
        fn a_quantile_is_wrong_by_less_than_its_bucket(
            mut took in proptest::collection::vec(0u64..3_600_000, 1..200),
            q in 0.01f64..1.0,
        ) {
            let estimate = of(&took).quantile(q).unwrap().as_secs_f64() * 1_000.0;
            took.sort_unstable();
            let rank = (q * took.len() as f64).ceil() as usize;
            let truth = took[rank.clamp(1, took.len()) - 1];
            let bucket = bucket(Duration::from_millis(truth));
            let lower = bucket.checked_sub(1).map_or(0, |previous| BOUNDS_MS[previous]) as f64;
            let upper = BOUNDS_MS[bucket] as f64;
            prop_assert!(lower - 1e-6 <= estimate && estimate <= upper + 1e-6, "{estimate}, not {lower} to {upper}");
        }

        #[test]
        fn parts_merge_into_the_whole(
            one in proptest::collection::vec(0u64..10_000_000, 0..50),
            other in proptest::collection::vec(0u64..10_000_000, 0..50),
        ) {
            let whole = of(&[one.clone(), other.clone()].concat());
            let mut merged = of(&one);
            merged.merge(&of(&other));
            prop_assert_eq!(merged, whole);
            prop_assert_eq!(whole.since(&of(&one)), of(&other));
            let mut stored = Histogram::default();
            whole.buckets().for_each(|(bound, events)| stored.add_up_to(bound, events));
            prop_assert_eq!(stored, whole);
        }
    }
}
