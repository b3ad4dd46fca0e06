//! Each fault on its own: every point and every action, the first, second and third time.

use std::time::Duration;

use cardwire_events::Queue;
use cardwire_testkit::faults::FaultAction::{
    self, Away, CrashAfter, CrashBefore, DelayAfter, DelayBefore, FlushallAfter, FlushallBefore, FreezeAfter,
    FreezeBefore, LoseReply, RunTwice,
};
use cardwire_testkit::faults::FaultPlan;
use cardwire_testkit::faults::FaultPoint::{
    self, Accept, AddActivities, BeginAttempt, Claim, Count, Fail, FlushRelease, GiveBack, Index, Look, Merge, Publish,
    Reclaim, Release, Renew, Settle, UndoAttempt,
};

use crate::world::{self, Passed, Setup};

/// Longer than the batch's lease (15 s), the window's lock (13 s) and the time to the first look (10 s).
pub const PAST_THE_LEASE: Duration = Duration::from_secs(20);
/// Longer than a handler may take (30 s).
const PAST_THE_HANDLER: Duration = Duration::from_secs(40);

/// Runs all cases, and fails with those that went wrong.
pub fn check(cases: &[Vec<FaultPlan>], setup: Setup, within: Duration) {
    let mut wrong = Vec::new();
    let mut slowest = Duration::ZERO;
    for plans in cases {
        let named = || plans.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match world::run(plans, setup) {
            Ok(Passed { settled_after, .. }) if settled_after > within => {
                wrong.push(format!("{}: settled only after {settled_after:?}", named()));
            }
            Ok(passed) => slowest = slowest.max(passed.settled_after),
            Err(error) => wrong.push(format!("{}: {error}", named())),
        }
    }
    println!("{} cases, {} wrong; the slowest settled after {slowest:?}", cases.len(), wrong.len());
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

pub fn everyday(actions: &[FaultAction]) -> Vec<Vec<FaultPlan>> {
    at(FaultPoint::EVERYDAY, actions)
}

/// After the queue, whichever it is.
fn behind_the_queue(actions: &[FaultAction]) -> Vec<Vec<FaultPlan>> {
    at(FaultPoint::EVERYDAY.into_iter().filter(|point| !matches!(point, Accept | Publish(_))), actions)
}

fn at(points: impl IntoIterator<Item = FaultPoint>, actions: &[FaultAction]) -> Vec<Vec<FaultPlan>> {
    let mut cases = Vec::new();
    for point in points {
        for action in actions {
            cases.extend((1..=3).map(|occurrence| vec![FaultPlan { point, action: *action, occurrence }]));
        }
    }
    cases
}

const WITHOUT_LOOKS: Setup = Setup { mutant: crate::mutants::Mutant::Sound, looks: false };

#[test]
fn without_a_fault_everything_settles_with_the_last_window() {
    let passed = world::run(&[], WITHOUT_LOOKS).unwrap();
    assert_eq!(passed.activities, 5);
    assert!(passed.settled_after < Duration::from_secs(1), "{passed:?}");
}

/// Faults after the queue are repaired by the queue and the saga; looks repair the rest, and do no harm.
fn check_all(actions: &[FaultAction], within: Duration) {
    check(&behind_the_queue(actions), WITHOUT_LOOKS, within);
    check(&everyday(actions), Setup::default(), within);
}

#[test]
fn a_process_dies_before_or_after_each_effect() {
    check_all(&[CrashBefore, CrashAfter], Duration::from_secs(20));
}

#[test]
fn each_effect_is_made_twice_or_its_reply_is_lost() {
    check_all(&[RunTwice, LoseReply], Duration::from_secs(20));
}

#[test]
fn what_each_effect_needs_is_away() {
    check_all(&[Away(Duration::ZERO), Away(PAST_THE_LEASE)], Duration::from_secs(40));
}

#[test]
fn each_effect_hangs_past_every_lease_and_lock() {
    check_all(&[DelayBefore(PAST_THE_LEASE), DelayAfter(PAST_THE_LEASE)], Duration::from_secs(40));
}

#[test]
fn a_process_stands_still_past_every_lease_and_lock() {
    check_all(&[FreezeBefore(PAST_THE_LEASE), FreezeAfter(PAST_THE_LEASE)], Duration::from_secs(40));
}

#[test]
fn the_transport_loses_everything_before_or_after_each_effect() {
    check(&everyday(&[FlushallBefore, FlushallAfter]), Setup::default(), Duration::from_secs(45));
}

#[test]
fn a_handler_takes_longer_than_it_may() {
    let mut cases = Vec::new();
    for point in [Merge, Index, Count, Settle] {
        for action in [DelayBefore(PAST_THE_HANDLER), DelayAfter(PAST_THE_HANDLER)] {
            cases.extend((1..=3).map(|occurrence| vec![FaultPlan { point, action, occurrence }]));
        }
    }
    check(&cases, Setup::default(), Duration::from_secs(60));
}

/// Everything that can go wrong at a point.
const ACTIONS: [FaultAction; 11] = [
    CrashBefore,
    CrashAfter,
    RunTwice,
    LoseReply,
    Away(Duration::ZERO),
    DelayBefore(PAST_THE_LEASE),
    DelayAfter(PAST_THE_LEASE),
    FreezeBefore(PAST_THE_LEASE),
    FreezeAfter(PAST_THE_LEASE),
    FlushallBefore,
    FlushallAfter,
];

const fn first(point: FaultPoint, action: FaultAction) -> FaultPlan {
    FaultPlan { point, action, occurrence: 1 }
}

/// Points that are reached only after another fault.
#[test]
fn a_second_fault_while_the_first_is_mended() {
    let feeds = Queue::Feeds;
    // A failure that is recorded twice counts twice, so it must happen where there are three attempts.
    let mended: [(Vec<FaultPlan>, FaultPoint); 9] = [
        (vec![first(Publish(feeds), Away(PAST_THE_LEASE))], GiveBack),
        (vec![first(Index, DelayBefore(PAST_THE_LEASE))], Renew(Queue::Search)),
        (vec![first(Claim(feeds), CrashAfter)], Reclaim(feeds)),
        (vec![first(Claim(feeds), CrashAfter)], BeginAttempt),
        (vec![first(Claim(Queue::Search), CrashAfter), first(Index, Away(PAST_THE_LEASE))], UndoAttempt),
        (vec![first(Index, Away(PAST_THE_LEASE))], Release(Queue::Search)),
        (vec![first(AddActivities, Away(PAST_THE_LEASE))], FlushRelease),
        (vec![first(Index, DelayBefore(PAST_THE_HANDLER))], Fail),
        (vec![first(Settle, DelayAfter(PAST_THE_HANDLER))], Fail),
    ];
    let mut cases = Vec::new();
    for (firsts, point) in mended {
        cases.extend(ACTIONS.map(|action| firsts.iter().copied().chain([first(point, action)]).collect()));
    }
    check(&cases, Setup::default(), Duration::from_secs(60));
}

/// Points that find what was never published, or what the transport lost.
#[test]
fn a_look_that_recovers_events_may_fail_too() {
    let mut cases = Vec::new();
    let losses = [
        first(Accept, CrashAfter),
        first(Publish(Queue::Feeds), CrashBefore),
        first(Claim(Queue::Feeds), FlushallBefore),
        first(Merge, FlushallAfter),
    ];
    for loss in losses {
        cases.extend(ACTIONS.map(|action| vec![loss, first(Look, action)]));
    }
    check(&cases, Setup::default(), Duration::from_secs(120));
}
