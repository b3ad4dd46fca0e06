//! Where the last look for due deliveries ended.
//!
//! While a snapshot is held open somewhere, an index keeps an entry for every delivery that was consumed since. A look that began at the
//! oldest each time would walk over all of them, and over more each time.

use std::time::{Duration, Instant};

use cardwire_events::Queue;
use jiff::Timestamp;
use parking_lot::Mutex;

/// A transaction that is still open may yet commit what is due earlier than what was seen last.
const COMMITTED_WITHIN: Duration = Duration::from_secs(30);

#[derive(Default)]
pub(super) struct Looks([Mutex<Look>; Queue::ALL.len()]);

#[derive(Default)]
struct Look {
    from: Option<Timestamp>,
    /// When a look last began at the oldest.
    whole_at: Option<Instant>,
}

impl Looks {
    /// Where the next look begins; `None`: at the oldest, as now and then each must, for what was locked or committed late.
    pub(super) fn begin(&self, queue: Queue, whole_every: Duration) -> Option<Timestamp> {
        let mut look = self.0[queue as usize].lock();
        if look.whole_at.is_none_or(|at| at.elapsed() >= whole_every) {
            *look = Look { from: None, whole_at: Some(Instant::now()) };
        }
        look.from
    }

    /// `up_to`: the latest `due_at` found, if there may be more.
    pub(super) fn end(&self, queue: Queue, looked_at: Timestamp, up_to: Option<Timestamp>) {
        let committed = looked_at.checked_sub(COMMITTED_WITHIN).unwrap_or(Timestamp::MIN);
        self.0[queue as usize].lock().from = Some(up_to.map_or(committed, |up_to| up_to.min(committed)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_begins_where_the_last_one_ended_and_now_and_then_at_the_oldest() {
        let (looks, queue) = (Looks::default(), Queue::Search);
        let hour = Duration::from_secs(3_600);
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(looks.begin(queue, hour), None, "nothing was seen yet");
        looks.end(queue, at(1_000), Some(at(500)));
        assert_eq!(looks.begin(queue, hour), Some(at(500)), "there may be more of the same time");
        looks.end(queue, at(1_000), Some(at(999)));
        assert_eq!(looks.begin(queue, hour), Some(at(970)), "what commits late is seen");
        looks.end(queue, at(1_000), None);
        assert_eq!(looks.begin(queue, hour), Some(at(970)), "what commits late is seen");
        assert_eq!(looks.begin(Queue::Feeds, hour), None, "each queue for itself");
        assert_eq!(looks.begin(queue, Duration::ZERO), None);
    }
}
