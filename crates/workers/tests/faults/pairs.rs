//! Two faults in one run: a random sample, the same in each run.

use std::time::Duration;

use cardwire_testkit::faults::FaultAction::{
    CrashAfter, CrashBefore, DelayAfter, DelayBefore, FlushallAfter, FlushallBefore, FreezeAfter, FreezeBefore,
    LoseReply, RunTwice,
};
use cardwire_testkit::faults::{FaultPlan, FaultPoint};

use crate::enumerated::{PAST_THE_LEASE, check};
use crate::world::Setup;

const SAMPLES: usize = 200;

/// A linear congruential generator (Knuth's MMIX), which is enough for a repeatable sample.
pub struct Draw(pub u64);

impl Draw {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    /// At one of the first `occurrences` calls of a point.
    pub fn plan(&mut self, occurrences: usize) -> FaultPlan {
        let actions = [
            CrashBefore,
            CrashAfter,
            RunTwice,
            LoseReply,
            DelayBefore(PAST_THE_LEASE),
            DelayAfter(PAST_THE_LEASE),
            FreezeBefore(PAST_THE_LEASE),
            FreezeAfter(PAST_THE_LEASE),
            FlushallBefore,
            FlushallAfter,
        ];
        FaultPlan {
            point: FaultPoint::EVERYDAY[self.below(FaultPoint::EVERYDAY.len())],
            action: actions[self.below(actions.len())],
            occurrence: 1 + self.below(occurrences),
        }
    }
}

fn sample(seed: u64) -> Vec<Vec<FaultPlan>> {
    let mut draw = Draw(seed);
    let mut cases = Vec::with_capacity(SAMPLES);
    while cases.len() < SAMPLES {
        let (first, second) = (draw.plan(2), draw.plan(2));
        // One call meets one fault.
        if (first.point, first.occurrence) != (second.point, second.occurrence) {
            cases.push(vec![first, second]);
        }
    }
    cases
}

#[test]
fn pairs_of_faults() {
    check(&sample(1), Setup::default(), Duration::from_secs(120));
}

#[test]
fn other_pairs_of_faults() {
    check(&sample(2), Setup::default(), Duration::from_secs(120));
}
