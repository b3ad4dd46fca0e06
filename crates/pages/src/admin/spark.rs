//! Small line charts, as wide as the page lets them be. Charts that stand together have one time axis.

use std::time::Duration;

use jiff::Timestamp;

const WIDTH: f64 = 240.0;
const HEIGHT: f64 = 40.0;

/// The stretch of time that is drawn, and how far apart two points of a line are at most: between others something is missing.
#[derive(Clone, Copy, Debug)]
pub struct Axis {
    pub from: Timestamp,
    pub to: Timestamp,
    pub step: Duration,
}

#[derive(Debug)]
pub struct Spark {
    pub title: &'static str,
    /// What it says, for those who do not see it.
    pub about: String,
    /// The highest value, as text.
    pub top: String,
    pub lines: Vec<Trace>,
}

/// One line of a chart: what sets it apart, and its unbroken parts, `x,y x,y …` each.
#[derive(Debug)]
pub struct Trace {
    pub class: &'static str,
    pub parts: Vec<String>,
}

impl Axis {
    pub fn before(to: Timestamp, period: Duration, step: Duration) -> Self {
        Self { from: to.checked_sub(period).unwrap_or(Timestamp::MIN), to, step }
    }

    fn x(&self, at: Timestamp) -> f64 {
        let whole = self.to.duration_since(self.from).as_secs_f64().max(1.0);
        (at.duration_since(self.from).as_secs_f64() / whole).clamp(0.0, 1.0) * WIDTH
    }
}

impl Spark {
    /// Lines with their classes; `told` writes a value.
    pub fn of(
        title: &'static str,
        axis: Axis,
        lines: Vec<(&'static str, Vec<(Timestamp, f64)>)>,
        told: impl Fn(f64) -> String,
    ) -> Self {
        let values = lines.iter().flat_map(|(_, points)| points).map(|(_, value)| *value);
        let highest = values.fold(f64::NEG_INFINITY, f64::max);
        let (top, about) = match highest.is_finite() {
            true => (told(highest), format!("{title}, last hour: at most {}", told(highest))),
            false => ("no data".to_owned(), format!("{title}: no data in the last hour")),
        };
        let y = |value: f64| HEIGHT - 1.0 - (HEIGHT - 2.0) * value.max(0.0) / highest.max(f64::MIN_POSITIVE);
        let lines = lines.into_iter().map(|(class, points)| Trace { class, parts: parts(axis, &points, y) }).collect();
        Self { title, about, top, lines }
    }
}

fn parts(axis: Axis, points: &[(Timestamp, f64)], y: impl Fn(f64) -> f64) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    let mut last: Option<Timestamp> = None;
    for (at, value) in points.iter().filter(|(at, _)| *at >= axis.from) {
        let (x, y) = (axis.x(*at), y(*value));
        let goes_on = last.is_some_and(|last| at.duration_since(last).as_secs_f64() <= axis.step.as_secs_f64() * 2.5);
        match parts.last_mut() {
            Some(part) if goes_on => part.push_str(&format!(" {x:.1},{y:.1}")),
            // Long enough to be seen by itself.
            _ => parts.push(format!("{:.1},{y:.1} {x:.1},{y:.1}", (x - 1.5).max(0.0))),
        }
        last = Some(*at);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(minute * 60).unwrap()
    }

    fn axis() -> Axis {
        Axis::before(at(60), Duration::from_secs(3_600), Duration::from_secs(60))
    }

    #[test]
    fn lines_stay_in_their_frame_and_break_where_something_is_missing() {
        let points = vec![(at(-5), 99.0), (at(0), 0.0), (at(1), 5.0), (at(30), 10.0), (at(60), 2.5)];
        let spark = Spark::of("Owed", axis(), vec![("one", points)], |value| format!("{value}"));
        assert_eq!(spark.lines[0].parts.len(), 3);
        assert_eq!(spark.lines[0].parts[0].split(' ').count(), 3);
        for point in spark.lines[0].parts.iter().flat_map(|part| part.split(' ')) {
            let (x, y) = point.split_once(',').unwrap();
            let (x, y): (f64, f64) = (x.parse().unwrap(), y.parse().unwrap());
            assert!((0.0..=WIDTH).contains(&x) && (0.0..=HEIGHT).contains(&y), "{point}");
        }
        assert!(spark.lines[0].parts[2].contains("240.0,"), "{spark:?}");
    }

    #[test]
    fn charts_of_one_axis_have_the_same_time_in_the_same_place() {
        let one = Spark::of("A", axis(), vec![("one", vec![(at(30), 1.0)])], |value| format!("{value}"));
        let other = Spark::of("B", axis(), vec![("one", vec![(at(30), 900.0)])], |value| format!("{value}"));
        assert_eq!(one.lines[0].parts, other.lines[0].parts);
        assert!(one.lines[0].parts[0].ends_with("120.0,1.0"), "{one:?}");
    }

    #[test]
    fn nothing_is_told_as_nothing() {
        let none = Spark::of("Owed", axis(), vec![("one", Vec::new())], |value| format!("{value}"));
        assert_eq!((none.top.as_str(), none.about.as_str()), ("no data", "Owed: no data in the last hour"));
        let zero = Spark::of("Owed", axis(), vec![("one", vec![(at(30), 0.0)])], |value| format!("{value}"));
        assert_eq!((zero.top.as_str(), zero.lines[0].parts[0].ends_with("39.0")), ("0", true));
    }
}
