//! The clients of one connection.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::settings::Address;
use super::watchdog::Watched;

/// Every client made by one connection, for code that must reach them all.
#[derive(Default)]
pub(super) struct Clients(Mutex<Vec<Weak<Watched>>>);

impl Clients {
    pub fn reconnect_all(&self) {
        self.each(Watched::reconnect);
    }

    /// Makes clients that are connected elsewhere look for the master again.
    pub fn leave_others_than(&self, master: &Address) {
        self.each(|watched| watched.leave_others_than(master));
    }

    /// Makes clients that are not connected to the master look for it now.
    pub fn turn_to(&self, master: &Address) {
        self.each(|watched| watched.turn_to(master));
    }

    fn each(&self, act: impl Fn(&Watched)) {
        for watched in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().filter_map(Weak::upgrade) {
            act(&watched);
        }
    }

    pub fn add(&self, watched: &Arc<Watched>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|watched| watched.strong_count() > 0);
        all.push(Arc::downgrade(watched));
    }
}
