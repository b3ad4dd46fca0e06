//! Time as a dependency, so that tests can turn it.

use jiff::Timestamp;

/// Wall-clock time. Loops that wait use the runtime's timers; whoever stamps an event uses the store's clock.
pub trait Clock: Send + Sync + 'static {
    fn now(&self) -> Timestamp;
}

/// The machine's clock, in microseconds, the resolution that PostgreSQL keeps.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }
}
