use std::collections::BTreeSet;

use cardwire_domain::UserId;
use jiff::Timestamp;
use tokio::sync::watch;

use crate::queue::Queue;

/// A queue that is paused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    pub queue: Queue,
    pub since: Timestamp,
    pub by: UserId,
    pub reason: Option<String>,
}

/// Which queues are paused, as far as this process knows. Clones share it. The default: none, and no way to change
/// that.
#[derive(Clone, Debug)]
pub struct Pauses(watch::Sender<Known>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Known {
    paused: BTreeSet<Queue>,
    /// Not known yet, so every queue counts as paused.
    nothing: bool,
}

impl Default for Pauses {
    fn default() -> Self {
        Self(watch::Sender::new(Known::default()))
    }
}

impl Pauses {
    /// Every queue counts as paused until [`Self::learn`] is called: a process that starts while its store is
    /// unavailable must not run a queue that somebody has stopped.
    pub fn not_known_yet() -> Self {
        Self(watch::Sender::new(Known { paused: BTreeSet::new(), nothing: true }))
    }

    /// Returns the queues whose state this changes.
    pub fn learn(&self, paused: BTreeSet<Queue>) -> Vec<Queue> {
        let mut news = Vec::new();
        self.0.send_if_modified(|known| {
            news = known.paused.symmetric_difference(&paused).copied().collect();
            let learned = Known { paused, nothing: false };
            let differs = *known != learned;
            *known = learned;
            differs
        });
        news
    }

    /// Whether the queue must be left alone.
    pub fn holds(&self, queue: Queue) -> bool {
        let known = self.0.borrow();
        known.nothing || known.paused.contains(&queue)
    }

    /// Whether it is known yet.
    pub fn are_known(&self) -> bool {
        !self.0.borrow().nothing
    }

    /// The queues that somebody has paused, as far as is known.
    pub fn paused(&self) -> Vec<Queue> {
        self.0.borrow().paused.iter().copied().collect()
    }

    /// Returns once the queue may be worked on. May be dropped at any time.
    pub async fn resumed(&self, queue: Queue) {
        let mut changes = self.0.subscribe();
        // Cannot fail: `self` holds the sender.
        let _ = changes.wait_for(|known| !known.nothing && !known.paused.contains(&queue)).await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn nothing_runs_before_it_is_known_what_is_paused() {
        let pauses = Pauses::not_known_yet();
        assert!(Queue::ALL.into_iter().all(|queue| pauses.holds(queue)));
        assert!(pauses.paused().is_empty(), "nobody paused them");
        assert_eq!(pauses.learn(BTreeSet::from([Queue::Search])), [Queue::Search]);
        assert_eq!(Queue::ALL.map(|queue| pauses.holds(queue)), [false, true, false, false]);
        assert_eq!(pauses.learn(BTreeSet::from([Queue::Search])), []);
        let short = Duration::from_secs(1);
        assert!(timeout(short, pauses.resumed(Queue::Feeds)).await.is_ok());
        assert!(timeout(short, pauses.resumed(Queue::Search)).await.is_err());
        let other = pauses.clone();
        let (news, resumed) = tokio::join!(
            async move { other.learn(BTreeSet::from([Queue::Feeds])) },
            timeout(short, pauses.resumed(Queue::Search)),
        );
        assert_eq!(news, [Queue::Feeds, Queue::Search]);
        assert!(resumed.is_ok());
    }
}
