//! Places for what takes long or much memory: a few for each person, and so many in all.

use std::collections::BTreeMap;
use std::sync::Arc;

use cardwire_domain::UserId;
use parking_lot::Mutex;

/// Clones share the places.
#[derive(Clone, Debug)]
pub struct Places<P: Ord + Clone = UserId> {
    taken: Arc<Mutex<BTreeMap<P, usize>>>,
    for_each: usize,
    in_all: usize,
}

impl<P: Ord + Clone> Places<P> {
    pub fn new(for_each: usize, in_all: usize) -> Self {
        Self { taken: Arc::default(), for_each, in_all }
    }

    /// `None`: the person has as many as they may, or nothing is left.
    pub fn take(&self, person: &P) -> Option<Place<P>> {
        let mut taken = self.taken.lock();
        let own = taken.get(person).copied().unwrap_or_default();
        if own >= self.for_each || taken.values().sum::<usize>() >= self.in_all {
            return None;
        }
        taken.insert(person.clone(), own + 1);
        Some(Place { places: self.clone(), person: person.clone() })
    }
}

/// Taken until it is dropped.
#[derive(Debug)]
pub struct Place<P: Ord + Clone = UserId> {
    places: Places<P>,
    person: P,
}

impl<P: Ord + Clone> Drop for Place<P> {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock();
        match taken.get(&self.person).copied() {
            Some(own) if own > 1 => {
                taken.insert(self.person.clone(), own - 1);
            }
            _ => {
                taken.remove(&self.person);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_person_has_a_few_and_all_together_no_more_than_there_are() {
        let [alice, bob, carol] =
            ["alice", "bob", "carol"].map(|name| UserId::parse(&format!("did:plc:{name}")).unwrap());
        let places = Places::new(2, 3);
        let first = places.take(&alice).unwrap();
        let _second = places.take(&alice).unwrap();
        assert!(places.take(&alice).is_none());
        let _third = places.take(&bob).unwrap();
        assert!(places.take(&carol).is_none());
        drop(first);
        assert!(places.take(&carol).is_some());
        assert!(places.take(&alice).is_some());
    }
}
