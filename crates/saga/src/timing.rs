//! The saga's times.

use std::time::Duration;

/// The saga's times. The defaults are the documented ones; tests against a real server shorten them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// From the first merge until the window is due.
    pub window: Duration,
    /// How long a claimed window is locked; then it is due again.
    pub lock: Duration,
    /// Until a window is due again that could not be flushed because something was away.
    pub pause: Duration,
    /// As `pause`, after its first failure; doubles with each.
    pub backoff: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(3),
            lock: Duration::from_secs(13),
            pause: Duration::from_secs(1),
            backoff: Duration::from_secs(2),
        }
    }
}

impl Timing {
    /// `failures` counts from 1.
    pub fn backoff_after(&self, failures: u32) -> Duration {
        self.backoff.saturating_mul(1 << failures.saturating_sub(1).min(6))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_up_to_a_bound() {
        let timing = Timing::default();
        let check = |failures, seconds| assert_eq!(timing.backoff_after(failures), Duration::from_secs(seconds));
        check(0, 2);
        check(1, 2);
        check(2, 4);
        check(3, 8);
        check(u32::MAX, 128);
    }
}
