//! Commands on one card take turns, and so do jobs that empty the same deleted collection.
//!
//! Versions alone keep the data right: a command that read old data runs again. But if many change one card at once,
//! only one would succeed each time, and the last would run out of tries.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Mutex as Lock, OwnedMutexGuard};
use tokio::time::timeout;
use ulid::Ulid;

/// How long a command waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);

/// The holders of turns and those who wait, by what they want to change. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Turns(Arc<Mutex<HashMap<Ulid, Arc<Lock<()>>>>>);

/// Ends when it is dropped.
pub(super) struct Turn {
    at: Ulid,
    turns: Turns,
    held: Option<OwnedMutexGuard<()>>,
}

impl Turns {
    /// Waits for it, first come, first served; `None`: it took too long. May be dropped at any time.
    pub(super) async fn wait(&self, at: Ulid) -> Option<Turn> {
        let (mut turn, lock) = self.line_up(at);
        turn.held = Some(timeout(PATIENCE, lock.lock_owned()).await.ok()?);
        Some(turn)
    }

    /// `None`: somebody has it.
    pub(super) fn ask(&self, at: Ulid) -> Option<Turn> {
        let (mut turn, lock) = self.line_up(at);
        turn.held = Some(lock.try_lock_owned().ok()?);
        Some(turn)
    }

    fn line_up(&self, at: Ulid) -> (Turn, Arc<Lock<()>>) {
        let lock = Arc::clone(self.0.lock().entry(at).or_default());
        (Turn { at, turns: self.clone(), held: None }, lock)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut turns = self.turns.0.lock();
        self.held = None;
        let is_last = turns.get(&self.at).is_some_and(|lock| Arc::strong_count(lock) == 1);
        if is_last {
            turns.remove(&self.at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn turns_are_taken_in_order_and_leave_nothing_behind() {
        let (turns, at) = (Turns::default(), Ulid::generate());
        let first = turns.wait(at).await.unwrap();
        assert!(turns.ask(at).is_none() && turns.ask(Ulid::generate()).is_some());
        let second = tokio::spawn({
            let turns = turns.clone();
            async move { turns.wait(at).await }
        });
        let gone = tokio::spawn({
            let turns = turns.clone();
            async move { turns.wait(at).await }
        });
        tokio::task::yield_now().await;
        gone.abort();
        assert!(gone.await.is_err());
        drop(first);
        let second = second.await.unwrap().unwrap();
        assert!(turns.ask(at).is_none());
        drop(second);
        assert!(turns.0.lock().is_empty());
    }
}
