//! Whose files are being read right now. Reading one takes about ten times its size in memory.

use std::collections::BTreeSet;
use std::sync::Arc;

use cardwire_domain::UserId;
use parking_lot::Mutex;

use crate::problem::{Problem, UNAVAILABLE};

/// How many files are read at once.
const AT_ONCE: usize = 2;

/// One file per person, and few at once. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Uploads(Arc<Mutex<BTreeSet<UserId>>>);

impl Uploads {
    pub fn begin(&self, person: &UserId) -> Result<Slot, Problem> {
        let mut people = self.0.lock();
        if people.len() >= AT_ONCE || !people.insert(person.clone()) {
            return Err(Problem::new(&UNAVAILABLE, "other files are being read now; try again").retry_after(5));
        }
        Ok(Slot { uploads: self.clone(), person: person.clone() })
    }
}

/// The right to have a file read, until it is dropped.
#[derive(Debug)]
pub struct Slot {
    uploads: Uploads,
    person: UserId,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.uploads.0.lock().remove(&self.person);
    }
}
