//! A wall clock that follows tokio's timers, so that a test with paused time turns both at once.

use cardwire_domain::Clock;
use jiff::Timestamp;
use tokio::time::Instant;

/// Starts at a fixed instant; advances with tokio's clock. Under `start_paused` time only moves while nothing else does.
#[derive(Clone, Copy, Debug)]
pub struct TokioClock {
    born: Instant,
}

impl TokioClock {
    /// 2026-11-22T10:00:00Z, in seconds since 1970.
    pub const EPOCH_S: i64 = 1_795_341_600;

    /// Must be called within a runtime.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self { born: Instant::now() }
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        let passed = i64::try_from(self.born.elapsed().as_micros()).expect("a test is shorter than 290,000 years");
        Timestamp::from_microsecond(Self::EPOCH_S * 1_000_000 + passed).expect("the year 2026 is in range")
    }
}
