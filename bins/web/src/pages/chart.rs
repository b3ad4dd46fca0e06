//! Bar charts, worked out here and drawn as SVG by the template.

/// In units of the viewBox.
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 180.0;
const LEFT: f64 = 40.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = 20.0;

#[derive(Debug)]
pub struct Chart {
    pub id: &'static str,
    pub title: &'static str,
    /// One sentence.
    pub about: String,
    /// What each bar stands for.
    pub by: &'static str,
    pub width: f64,
    pub height: f64,
    pub left: f64,
    pub lines: Vec<Line>,
    pub bars: Vec<Bar>,
}

#[derive(Debug)]
pub struct Line {
    pub y: f64,
    pub label: u64,
}

#[derive(Debug)]
pub struct Bar {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
    pub middle: f64,
    pub label: String,
    /// Below the bar, where there is room.
    pub tick: Option<String>,
    /// `None`: not known, so that there is no bar.
    pub value: Option<u64>,
}

impl Chart {
    /// Bars from left to right: their labels, what is written below them, and their values, where they are known.
    pub fn of(
        id: &'static str,
        title: &'static str,
        by: &'static str,
        values: Vec<(String, String, Option<u64>)>,
    ) -> Self {
        let best = values.iter().max_by_key(|(.., value)| *value);
        let largest = best.and_then(|(.., value)| *value).unwrap_or_default();
        let top = round_up(largest);
        let floor = HEIGHT - BOTTOM;
        let y = |value: u64| round(floor - (floor - TOP) * value as f64 / top as f64);
        let room = (WIDTH - LEFT) / values.len().max(1) as f64;
        // A date takes about 40 units.
        let every = (40.0 / room).ceil().max(1.0) as usize;
        let about = match best {
            Some((label, _, Some(most))) if *most > 0 => format!("Most on {label}: {most}."),
            _ => "None in this time.".to_owned(),
        };
        let last = values.len().saturating_sub(1);
        let bar = |(index, (label, tick, value)): (usize, (String, String, Option<u64>))| {
            let x = LEFT + room * index as f64;
            let y = y(value.unwrap_or_default());
            Bar {
                x: round(x + room * 0.1),
                y,
                width: round(room * 0.8),
                height: round(floor - y),
                middle: round(x + room / 2.0),
                label,
                tick: ((last - index).is_multiple_of(every) && index > 0 || last == 0).then_some(tick),
                value,
            }
        };
        Self {
            id,
            title,
            about,
            by,
            width: WIDTH,
            height: HEIGHT,
            left: LEFT,
            lines: [0, top / 2, top].map(|label| Line { y: y(label), label }).into(),
            bars: values.into_iter().enumerate().map(bar).collect(),
        }
    }

    /// Tells the sum as well: only for what may be added up, so not for people, of whom one may be in each bar.
    pub fn with_sum(mut self) -> Self {
        let sum: u64 = self.bars.iter().filter_map(|bar| bar.value).sum();
        if sum > 0 {
            self.about = format!("{sum} in all. {}", self.about);
        }
        self
    }
}

/// The next even 1, 2, 4 or 6 times a power of ten; at least 2.
fn round_up(value: u64) -> u64 {
    let mut power = 1u64;
    loop {
        for step in [2, 4, 6, 10] {
            let top = power.saturating_mul(step);
            if top >= value {
                return top;
            }
        }
        power = power.saturating_mul(10);
    }
}

fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_stay_within_the_picture_and_reach_as_high_as_their_values() {
        let values: Vec<_> = (0..90).map(|n| (format!("day {n}"), format!("{n}"), Some(n))).collect();
        let chart = Chart::of("saves", "Saves", "Day", values);
        assert_eq!(chart.lines.iter().map(|line| line.label).collect::<Vec<_>>(), [0, 50, 100]);
        for bar in &chart.bars {
            assert!(bar.x >= LEFT && bar.x + bar.width <= WIDTH && bar.y >= TOP, "{bar:?}");
            assert!((bar.y + bar.height - (HEIGHT - BOTTOM)).abs() < 0.2, "{bar:?}");
        }
        assert_eq!(chart.bars[0].height, 0.0);
        assert!(chart.bars[89].height > chart.bars[88].height - 0.01);
        assert!(chart.bars[89].tick.is_some());
        assert_eq!(chart.about, "Most on day 89: 89.");
        assert_eq!(chart.with_sum().about, "4005 in all. Most on day 89: 89.");
    }

    #[test]
    fn nothing_is_a_chart_as_well() {
        let chart = Chart::of("saves", "Saves", "Day", vec![("today".into(), "22".into(), Some(0))]).with_sum();
        assert_eq!((chart.bars[0].height, chart.about.as_str()), (0.0, "None in this time."));
        let chart = Chart::of("waiting", "Waiting", "Time", vec![("now".into(), "22".into(), None)]);
        assert_eq!((chart.bars[0].value, chart.about.as_str()), (None, "None in this time."));
        assert_eq!(round_up(0), 2);
        assert_eq!(round_up(u64::MAX), u64::MAX);
    }
}
