//! A model of the way of an event, checked in every order of its steps: accept, publish, claim, merge, flush, commit, and
//! whatever can come between them.
//!
//! # What is modelled
//!
//! Two events of one card and person, two workers, and any process that holds what it is to publish. A step is what happens at once: one
//! transaction of PostgreSQL or one script of Redis, by the script's own rules (`crates/events/src/redis/lua`,
//! `crates/saga/src/redis/lua`). Between any two steps, any two faults may happen, of whatever kinds ([`Fault`]):
//! - a worker dies and comes back with nothing in its memory, or a process dies with what it is to publish;
//! - Redis loses all it holds;
//! - a call is carried out and its answer is lost, or it is never carried out;
//! - a lease or lock runs out although its holder lives, who goes on as if nothing had happened; or an event is
//!   found due that is still on its way.
//!
//! There are no clocks: what waits for a time may happen at any time. So a window may be flushed before its three seconds are
//! over. What the dead held runs out, and what was never published or what Redis lost is found due, as often as it takes; neither counts as a
//! fault.
//!
//! Both events and both workers are alike, so states that differ only in who is who are one. A list holds an event or does
//! not: a second copy in the same list would be claimed together with the first, and be dropped by the worker.
//!
//! # What is shown
//!
//! Safety: [`properties`] hold in every reachable state. Liveness: from every reachable state, steps without any further
//! fault lead to where every accepted event has had its effect and Redis holds nothing of it; under fair scheduling
//! that is where it ends ([`liveness`]).
//!
//! Then one part is taken out of the design at a time ([`Mutant`]), and exactly those properties must break that the part
//! is there for. This also shows what it is *not* there for: without owner tokens, or with a commit that deletes more than was
//! read, nothing is doubled, and nothing is lost as long as somebody looks again.
//!
//! # What is not modelled
//!
//! - Which activity an event belongs to. An effect is counted, as the analytics count it; that `regroup` takes no event twice
//!   either is a second defence, which the ledger must not need (`domain::activity` has its own property tests).
//! - The transaction of a flush is one step: that it is atomic, and that flushes of one pair wait for each other, is tested
//!   on PostgreSQL itself.
//! - Attempts, backoffs, dead letters, full windows, a full Redis that is bypassed, several partitions, more than one batch in
//!   flight for each worker.
//! - Giving something back (`release`) happens together with the failure that leads to it. Where it is lost instead, the lease
//!   or lock runs out, as after a crash.
//! - HTTP: an event is accepted when its transaction is committed.

mod liveness;
mod properties;
mod state;
mod step;

use std::collections::BTreeSet;

use stateright::{Checker, Model as _};

use crate::properties::{DUE, EXCLUSIVE, KEPT, ONCE, OWNED, SAFETY, SETTLED, STAYS};
use crate::step::{Fault, Faults, Mutant, Pipeline};

const ANY: &[Fault] = &[Fault::Crash, Fault::Wipe, Fault::Call, Fault::Early];

fn design(at_most: u8, kinds: &'static [Fault]) -> Pipeline {
    Pipeline { faults: Faults { at_most, kinds }, mutant: None, looks: true }
}

/// With at most one fault, of these kinds.
fn mutant(mutant: Mutant, kinds: &'static [Fault]) -> Pipeline {
    Pipeline { mutant: Some(mutant), ..design(1, kinds) }
}

/// Who accepted an event publishes it from memory; a row says that it is owed, and nobody ever looks at it.
fn without_looking(pipeline: Pipeline) -> Pipeline {
    Pipeline { looks: false, ..pipeline }
}

/// Looks at every reachable state: these safety properties are broken and no others.
fn breaks_exactly(pipeline: Pipeline, expected: &[&str]) {
    let checker = pipeline.checker().spawn_bfs().join();
    let mut found = checker.discoveries();
    found.retain(|name, _| SAFETY.contains(name));
    let broken: BTreeSet<&str> = found.keys().copied().collect();
    let expected: BTreeSet<&str> = expected.iter().copied().collect();
    let ways = || found.iter().map(|(name, path)| format!("{name}: {path}")).collect::<String>();
    assert_eq!(broken, expected, "{pipeline:?}\n{}", ways());
}

fn is_live(pipeline: Pipeline) -> bool {
    liveness::stuck(&pipeline).is_none()
}

#[test]
fn the_design_is_safe_whatever_two_faults_happen() {
    design(2, ANY).checker().spawn_bfs().join().assert_properties();
}

#[test]
fn the_design_is_live_after_whatever_two_faults() {
    assert_eq!(liveness::stuck(&design(2, ANY)), None);
}

#[test]
fn when_nothing_dies_or_fails_nobody_needs_to_look() {
    breaks_exactly(without_looking(design(0, &[])), &[]);
    assert!(is_live(without_looking(design(0, &[]))));
    breaks_exactly(without_looking(design(1, &[Fault::Early])), &[]);
    assert!(is_live(without_looking(design(1, &[Fault::Early]))));
}

/// So the one loop that looks again is what keeps events, from the commit on.
#[test]
fn without_looking_an_event_is_lost_with_its_process_with_a_call_or_with_redis() {
    for kind in [&[Fault::Crash], &[Fault::Call], &[Fault::Wipe]] {
        breaks_exactly(without_looking(design(1, kind)), &[KEPT, SETTLED]);
        assert!(!is_live(without_looking(design(1, kind))));
    }
}

#[test]
fn without_an_owner_token_a_late_owner_frees_the_lock_of_another() {
    breaks_exactly(mutant(Mutant::NoOwnerToken, ANY), &[OWNED, EXCLUSIVE]);
    assert!(is_live(mutant(Mutant::NoOwnerToken, ANY)), "the lock only saves work");
}

#[test]
fn a_commit_that_deletes_the_whole_window_removes_what_was_merged_meanwhile() {
    // No fault is needed.
    let whole = Pipeline { mutant: Some(Mutant::NoVersionCheck), ..design(0, &[]) };
    breaks_exactly(whole, &[STAYS]);
    assert!(is_live(whole), "the next look finds it due");
    breaks_exactly(without_looking(whole), &[STAYS, KEPT, SETTLED]);
    assert!(!is_live(without_looking(whole)));
}

#[test]
fn without_a_ledger_an_event_has_its_effect_twice() {
    for kind in [&[Fault::Crash], &[Fault::Wipe], &[Fault::Call], &[Fault::Early]] {
        breaks_exactly(mutant(Mutant::NoLedger, kind), &[ONCE]);
    }
}

#[test]
fn deleted_before_the_commit_a_window_dies_with_its_worker() {
    let deleted = mutant(Mutant::DeletedBeforeCommit, &[Fault::Crash]);
    breaks_exactly(deleted, &[STAYS]);
    assert!(is_live(deleted), "the next look finds it due");
}

#[test]
fn with_its_timer_in_a_worker_a_window_is_not_flushed_after_a_crash() {
    let timer = mutant(Mutant::TimerInMemory, &[Fault::Crash]);
    breaks_exactly(timer, &[DUE]);
    // An event that is found due is merged again; but what had its effect before is owed no more, so it stays in the store.
    assert!(!is_live(timer));
}
