//! A model of the way of an event, checked in every order of its steps: accept, publish, claim, merge, flush, commit, and
//! whatever can come between them.
//!
//! # What is modelled
//!
//! Two events of one card and person, two workers, and any number of relays. A step is what happens at once: one transaction
//! of PostgreSQL or one script of Redis, with the script's own rules (`crates/events/src/redis/lua`, `crates/saga/src/redis/lua`).
//! Between any two steps, within the bounds of [`Faults`]:
//! - a worker dies and comes back with nothing in its memory (`Crash`), a relay dies with what it holds (`RelayFails`);
//! - Redis loses all it holds (`FlushAll`);
//! - a call is carried out and its answer is lost, or it is never carried out (`Reply::Lost`, `Reply::Refused`).
//!
//! Without bounds: leases and locks run out, also those of a worker that lives and goes on as if nothing had happened; and the
//! sweeper publishes again, also what is still on its way. There are no clocks: whatever waits for a time may happen at
//! any time, so a window may be flushed before its three seconds are over, and a lock may expire at once.
//!
//! Both events and both workers are alike, so states that differ only in who is who are one. A list holds an event or does not: a
//! second copy in the same list would be claimed together with the first, and be dropped by the worker.
//!
//! # What is shown
//!
//! Safety, in every reachable state: see [`properties`]. Liveness: from every reachable state, steps without any
//! further fault lead to where every accepted event has had its effect and Redis holds nothing of it; so under fair scheduling that
//! is where it ends ([`liveness`]). The design is changed in one place at a time ([`Mutant`]), and each change must break the property
//! that its part is there for. They also show what a part is *not* there for: without owner tokens, or when a commit deletes
//! the whole window, nothing is doubled and, as long as there is a sweeper, nothing lost.
//!
//! # What is not modelled
//!
//! - Which activity an event belongs to. An effect is a number here, as in the analytics; that `regroup` would take no event twice
//!   either is a second defence, which the ledger must not need (`domain::activity` has its own property tests).
//! - The flush's transaction is one step: that it is atomic, and that flushes of one pair wait for each other, is
//!   PostgreSQL's part.
//! - Attempts, backoffs, dead letters, full windows, a full Redis that is bypassed, several partitions, and more than one
//!   batch in flight for each worker.
//! - A call that gives something back (`release`) happens with the failure that leads to it; that it may be lost, too, is
//!   what a crash or a failed acknowledgement shows.
//! - HTTP. An accepted event is one whose transaction was committed.

mod liveness;
mod properties;
mod state;
mod step;

use std::collections::BTreeSet;

use stateright::{Checker, HasDiscoveries, Model as _};

use crate::properties::{DUE, EXCLUSIVE, KEPT, OWNED, SETTLED, STAYS, ONCE};
use crate::step::{Faults, Mutant, Pipeline};

/// Each kind once, in any combination and order.
const EACH_ONCE: Faults = Faults { crashes: 1, wipes: 1, lost: 1, early: 1 };
const NO_WIPE: Faults = Faults { wipes: 0, ..EACH_ONCE };
const NONE: Faults = Faults { crashes: 0, wipes: 0, lost: 0, early: 0 };

fn design(faults: Faults) -> Pipeline {
    Pipeline { faults, mutant: None, sweeper: true }
}

fn mutant(mutant: Mutant, faults: Faults) -> Pipeline {
    Pipeline { mutant: Some(mutant), ..design(faults) }
}

/// Checks every reachable state: exactly these properties are broken.
fn breaks_exactly(pipeline: Pipeline, expected: &[&str]) {
    let checker = pipeline.checker().threads(2).spawn_bfs().join();
    assert!(checker.is_done());
    let broken: BTreeSet<&str> = properties::SAFETY.into_iter().filter(|name| checker.discovery(name).is_some()).collect();
    assert_eq!(broken, expected.iter().copied().collect(), "{} states", checker.unique_state_count());
}

/// Stops at the first way to break the property, one of the shortest.
fn breaks(pipeline: Pipeline, name: &'static str) {
    let first = HasDiscoveries::AllOf(BTreeSet::from([name]));
    let checker = pipeline.checker().finish_when(first).spawn_bfs().join();
    checker.assert_any_discovery(name);
}

#[test]
fn the_design_loses_nothing_and_doubles_nothing() {
    let checker = design(EACH_ONCE).checker().threads(2).spawn_bfs().join();
    println!("{} states, {} steps", checker.unique_state_count(), checker.state_count());
    checker.assert_properties();
}

#[test]
fn whatever_happened_every_accepted_event_can_still_have_its_effect() {
    assert_eq!(liveness::stuck(&design(EACH_ONCE)), None);
}

#[test]
fn counting() {
    for (c,w,l,e) in [(0,0,0,0),(0,0,0,1),(0,0,0,2),(1,0,0,0),(0,1,0,0),(0,0,1,0),(1,0,0,1),(1,1,0,1),(1,1,1,0),(1,1,1,1)] {
        let faults = Faults { crashes: c, wipes: w, lost: l, early: e };
        let t = std::time::Instant::now();
        let n = liveness::stuck(&design(faults));
        println!("{faults:?} {n:?} {:?}", t.elapsed());
    }
}
