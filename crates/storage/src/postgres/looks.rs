//! Where the last look for what is due ended.
//!
//! While a snapshot is held open somewhere, an index keeps an entry for everything that came due since and is done. A
//! look that always began at the oldest would walk over all of them, and over more each time.

use std::time::{Duration, Instant};

use cardwire_events::Queue;
use jiff::Timestamp;
use parking_lot::Mutex;

/// An open transaction may still commit deliveries that are due earlier than the last one seen. Few transactions take
/// longer than this; their deliveries are found by the next look that begins at the oldest.
const COMMITTED_WITHIN: Duration = Duration::from_secs(5);

#[derive(Default)]
pub(super) struct Looks {
    deliveries: [Look; Queue::ALL.len()],
    pub(super) pages: Look,
}

impl Looks {
    pub(super) fn deliveries(&self, queue: Queue) -> &Look {
        &self.deliveries[queue as usize]
    }
}

#[derive(Default)]
pub(super) struct Look(Mutex<Last>);

#[derive(Default)]
struct Last {
    from: Option<Timestamp>,
    /// When a look last began at the oldest.
    whole_at: Option<Instant>,
}

impl Look {
    /// Where the next look begins. `None`: at the oldest, which is needed now and then because of deliveries that were
    /// locked or committed late.
    pub(super) fn begin(&self, whole_every: Duration) -> Option<Timestamp> {
        let mut last = self.0.lock();
        if last.whole_at.is_none_or(|at| at.elapsed() >= whole_every) {
            *last = Last { from: None, whole_at: Some(Instant::now()) };
        }
        last.from
    }

    /// `up_to`: the latest time found, if there may be more.
    pub(super) fn end(&self, looked_at: Timestamp, up_to: Option<Timestamp>) {
        let committed = looked_at.checked_sub(COMMITTED_WITHIN).unwrap_or(Timestamp::MIN);
        self.0.lock().from = Some(up_to.map_or(committed, |up_to| up_to.min(committed)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_begins_where_the_last_one_ended_and_now_and_then_at_the_oldest() {
        let looks = Looks::default();
        let look = looks.deliveries(Queue::Search);
        let hour = Duration::from_secs(3_600);
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(look.begin(hour), None, "nothing was seen yet");
        look.end(at(1_000), Some(at(500)));
        assert_eq!(look.begin(hour), Some(at(500)), "there may be more of the same time");
        look.end(at(1_000), Some(at(999)));
        assert_eq!(look.begin(hour), Some(at(995)), "what commits late is seen");
        look.end(at(1_000), None);
        assert_eq!(look.begin(hour), Some(at(995)), "what commits late is seen");
        assert_eq!(looks.deliveries(Queue::Feeds).begin(hour), None, "each queue for itself");
        assert_eq!(looks.pages.begin(hour), None);
        assert_eq!(look.begin(Duration::ZERO), None);
    }
}
