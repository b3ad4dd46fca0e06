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
use crate::step::{Fault, Faults, Mutant, Pipeline};

/// Any two of any kind.
const TWO: Faults = Faults { at_most: 2, kinds: &[Fault::Crash, Fault::Wipe, Fault::Call, Fault::Early] };

fn design(faults: Faults) -> Pipeline {
    Pipeline { faults, mutant: None, sweeper: true }
}

#[test]
fn counting() {
    for n in 0..3 {
      for sweeper in [true, false] {
      for mutant in [None, Some(Mutant::NoOwnerToken), Some(Mutant::NoVersionCheck), Some(Mutant::NoLedger), Some(Mutant::DeletedBeforeCommit), Some(Mutant::NoOutboxRow)] {
      for kinds in [&[Fault::Crash, Fault::Wipe, Fault::Call, Fault::Early] as &[_], &[Fault::Crash, Fault::Call, Fault::Early], &[Fault::Crash], &[Fault::Call], &[Fault::Wipe],&[Fault::Early]] {
        let faults = Faults { at_most: n, kinds };
        let p = Pipeline { faults, mutant, sweeper };
        let stuck = liveness::stuck(&p).is_some();
        let checker = p.checker().spawn_bfs().join();
        let b = checker.discoveries(); let b: BTreeSet<_>= b.keys().filter(|k| properties::SAFETY.contains(k)).collect();
        println!("{n} sw={sweeper} {mutant:?} {kinds:?} stuck={stuck} {} {b:?}", checker.unique_state_count());
        if n == 0 {break}
      }}}
    }
}
