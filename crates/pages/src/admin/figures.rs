//! Figures and pauses as people tell them.

use std::time::Duration;

use cardwire_events::Pause;
use jiff::Timestamp;

use crate::shown::When;

/// A figure that may not be known.
pub fn known<T: ToString>(figure: Option<T>) -> String {
    figure.map_or_else(|| "unknown".to_owned(), |figure| figure.to_string())
}

/// As people tell it.
pub fn lasting(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// How long an event took, as people tell it.
pub fn took(took: Duration) -> String {
    let ms = took.as_secs_f64() * 1_000.0;
    match ms {
        ..1_000.0 => format!("{ms:.0} ms"),
        ..60_000.0 => format!("{:.1} s", ms / 1_000.0),
        _ => lasting(took.as_secs()),
    }
}

pub struct PauseShown {
    pub by: String,
    pub since: When,
    pub reason: Option<String>,
}

impl PauseShown {
    pub fn of(pause: Pause, now: Timestamp) -> Self {
        Self { by: pause.by.to_string(), since: When::of(pause.since, now), reason: pause.reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_told_as_people_tell_them() {
        let check = |seconds, told: &str| assert_eq!(lasting(seconds), told);
        check(59, "59 s");
        check(60, "1 min");
        check(3_599, "59 min");
        check(7_260, "2 h 1 min");
        check(90_000 * 2, "2 days");
        let check = |ms, told: &str| assert_eq!(took(Duration::from_millis(ms)), told);
        check(7, "7 ms");
        check(3_140, "3.1 s");
        check(120_000, "2 min");
        assert_eq!((known(Some(3)), known::<u8>(None)), ("3".into(), "unknown".into()));
    }
}
