//! How much may be written to a repository within an hour and a day.

use std::time::Duration;

use jiff::Timestamp;

/// What a write costs.
pub const CREATE_POINTS: u32 = 3;
pub const UPDATE_POINTS: u32 = 2;
pub const DELETE_POINTS: u32 = 1;

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
/// Of the 5,000 points of an hour and the 35,000 of a day, so many may be spent here: the rest is for what its owner does by other
/// applications. What deletes may be spent beyond that, since what became private cannot wait.
const PUTS: (u32, u32) = (4_000, 28_000);
const ALL: (u32, u32) = (4_750, 33_250);

/// What was spent within the hour and the day that began then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    pub hour_at: Option<Timestamp>,
    pub hour: u32,
    pub day_at: Option<Timestamp>,
    pub day: u32,
}

impl Spent {
    /// With what lies further back than an hour or a day forgotten.
    pub fn at(self, now: Timestamp) -> Self {
        let (hour_at, hour) = window(self.hour_at, self.hour, now, HOUR);
        let (day_at, day) = window(self.day_at, self.day, now, DAY);
        Self { hour_at, hour, day_at, day }
    }

    /// After so much more.
    pub fn and(self, points: u32, now: Timestamp) -> Self {
        let spent = self.at(now);
        Self {
            hour_at: spent.hour_at.or(Some(now)),
            hour: spent.hour.saturating_add(points),
            day_at: spent.day_at.or(Some(now)),
            day: spent.day.saturating_add(points),
        }
    }

    /// Points left for writing records, and for deleting them.
    pub fn left(self, now: Timestamp) -> Left {
        let spent = self.at(now);
        let left = |(hour, day): (u32, u32)| hour.saturating_sub(spent.hour).min(day.saturating_sub(spent.day));
        Left { puts: left(PUTS), deletes: left(ALL) }
    }

    /// How long until there are points again, if none are left.
    pub fn free_in(self, now: Timestamp) -> Duration {
        let spent = self.at(now);
        let rest = |at: Option<Timestamp>, period: Duration| period.saturating_sub(since(at, now));
        if spent.day + CREATE_POINTS > PUTS.1 {
            rest(spent.day_at, DAY)
        } else if spent.hour + CREATE_POINTS > PUTS.0 {
            rest(spent.hour_at, HOUR)
        } else {
            Duration::ZERO
        }
    }

    /// About how long it takes until so many points have been spent.
    pub fn time_for(self, points: u64, now: Timestamp) -> Duration {
        let mut spent = self.at(now);
        let (mut rest, mut waited) = (points, Duration::ZERO);
        let mut at = now;
        loop {
            let left = u64::from(spent.left(at).puts);
            if rest <= left {
                return waited;
            }
            // Whole days at once.
            if spent.day == 0 && rest > u64::from(PUTS.1) {
                let days = u32::try_from(rest / u64::from(PUTS.1)).unwrap_or(u32::MAX);
                waited = waited.saturating_add(DAY.saturating_mul(days));
                rest %= u64::from(PUTS.1);
                continue;
            }
            rest -= left;
            spent = spent.and(u32::try_from(left).unwrap_or(u32::MAX), at);
            let wait = spent.free_in(at).max(Duration::from_secs(1));
            waited = waited.saturating_add(wait);
            at = at.checked_add(wait).unwrap_or(Timestamp::MAX);
            spent = spent.at(at);
        }
    }
}

/// Points that are left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    pub puts: u32,
    pub deletes: u32,
}

fn since(at: Option<Timestamp>, now: Timestamp) -> Duration {
    at.and_then(|at| Duration::try_from(now.duration_since(at)).ok()).unwrap_or_default()
}

fn window(at: Option<Timestamp>, points: u32, now: Timestamp, period: Duration) -> (Option<Timestamp>, u32) {
    match at {
        Some(_) if since(at, now) < period => (at, points),
        _ => (None, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(seconds: u64) -> Timestamp {
        Timestamp::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds)
    }

    #[test]
    fn an_hour_and_a_day_are_spent_and_come_back() {
        let spent = Spent::default().and(3_999, after(0));
        assert_eq!(spent.left(after(1)), Left { puts: 1, deletes: 751 });
        assert_eq!(spent.free_in(after(600)), Duration::from_secs(3_000));
        assert_eq!(spent.left(after(3_600)).puts, 4_000);
        let mut day = Spent::default();
        for hour in 0..7 {
            day = day.and(4_000, after(hour * 3_600));
        }
        assert_eq!(day.left(after(7 * 3_600)), Left { puts: 0, deletes: 4_750 });
        assert_eq!(day.free_in(after(7 * 3_600)), Duration::from_secs(17 * 3_600));
        assert_eq!(day.left(after(86_400)).puts, 4_000);
    }

    #[test]
    fn how_long_the_rest_takes_follows_from_the_budgets() {
        let check = |points, seconds| {
            let took = Spent::default().time_for(points, after(0));
            assert_eq!(took, Duration::from_secs(seconds), "{points}");
        };
        check(0, 0);
        check(4_000, 0);
        check(4_001, 3_600);
        check(28_000, 6 * 3_600);
        // 20,000 cards: two whole days and an hour.
        check(60_000, 2 * 86_400);
        check(61_000, 2 * 86_400 + 3_600);
    }
}
