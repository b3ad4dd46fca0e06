//! Bar charts, worked out here and drawn as SVG by the template. They are as wide as the page lets them be: from left to right all is in
//! per cent of that, from top to bottom in pixels, and texts keep their size.

const HEIGHT: f64 = 180.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = 20.0;
/// So many dates fit below the bars on a narrow screen, each below the middle of its bar.
const MOST_TICKS: usize = 7;

#[derive(Debug)]
pub struct Chart {
    pub id: &'static str,
    pub title: &'static str,
    /// One sentence.
    pub about: String,
    /// What each bar stands for.
    pub by: &'static str,
    pub height: f64,
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
    pub label: String,
    /// Below the bar, where there is room.
    pub tick: Option<Tick>,
    /// `None`: not known, so that there is no bar.
    pub value: Option<u64>,
}

#[derive(Debug)]
pub struct Tick {
    pub x: f64,
    /// Which part of the text is at `x`, as SVG calls it.
    pub anchor: &'static str,
    pub text: String,
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
        let count = values.len();
        let room = 100.0 / count.max(1) as f64;
        // Where bars are narrow, the last date ends with its bar, so as not to stick out, and comes near to the one before.
        let is_close = count > MOST_TICKS;
        let every = if is_close { count.div_ceil(MOST_TICKS - 2) } else { 1 };
        let about = match best {
            Some((label, _, Some(most))) if *most > 0 => format!("Most on {label}: {most}."),
            _ => "None in this period.".to_owned(),
        };
        let last = count.saturating_sub(1);
        let tick = |index: usize, text| {
            let left = room * index as f64;
            match index == last {
                true if is_close => Tick { x: round(left + room * 0.9), anchor: "end", text },
                _ => Tick { x: round(left + room / 2.0), anchor: "middle", text },
            }
        };
        let bar = |(index, (label, text, value)): (usize, (String, String, Option<u64>))| {
            let x = room * index as f64;
            let y = y(value.unwrap_or_default());
            let has_tick = (last - index).is_multiple_of(every) && !(is_close && index == 0);
            Bar {
                x: round(x + room * 0.1),
                y,
                width: round(room * 0.8),
                height: round(floor - y),
                label,
                tick: has_tick.then(|| tick(index, text)),
                value,
            }
        };
        Self {
            id,
            title,
            about,
            by,
            height: HEIGHT,
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
    (value * 100.0).round() / 100.0
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
            assert!(bar.x >= 0.0 && bar.x + bar.width <= 100.0 && bar.y >= TOP, "{bar:?}");
            assert!((bar.y + bar.height - (HEIGHT - BOTTOM)).abs() < 0.2, "{bar:?}");
        }
        assert_eq!(chart.bars[0].height, 0.0);
        assert!(chart.bars[89].height > chart.bars[88].height - 0.01);
        let tick = chart.bars[89].tick.as_ref().unwrap();
        assert_eq!((tick.text.as_str(), tick.anchor), ("89", "end"), "it does not stick out");
        assert!((tick.x - (chart.bars[89].x + chart.bars[89].width)).abs() < 0.02, "{tick:?}");
        assert_eq!(chart.about, "Most on day 89: 89.");
        assert_eq!(chart.with_sum().about, "4005 in all. Most on day 89: 89.");
    }

    #[test]
    fn there_are_few_dates_below_the_bars() {
        let check = |count: usize, expected: &[usize]| {
            let values = (0..count).map(|n| (String::new(), n.to_string(), None)).collect();
            let chart = Chart::of("saves", "Saves", "Day", values);
            let ticks = chart.bars.iter().filter_map(|bar| bar.tick.as_ref()?.text.parse().ok());
            assert_eq!(ticks.collect::<Vec<usize>>(), expected, "{count} bars");
        };
        check(1, &[0]);
        check(7, &[0, 1, 2, 3, 4, 5, 6]);
        check(8, &[1, 3, 5, 7]);
        check(30, &[5, 11, 17, 23, 29]);
        check(31, &[2, 9, 16, 23, 30]);
        check(90, &[17, 35, 53, 71, 89]);
    }

    #[test]
    fn nothing_is_a_chart_as_well() {
        let chart = Chart::of("saves", "Saves", "Day", vec![("today".into(), "22".into(), Some(0))]).with_sum();
        assert_eq!((chart.bars[0].height, chart.about.as_str()), (0.0, "None in this period."));
        let chart = Chart::of("waiting", "Waiting", "Time", vec![("now".into(), "22".into(), None)]);
        assert_eq!((chart.bars[0].value, chart.about.as_str()), (None, "None in this period."));
        assert_eq!(round_up(0), 2);
        assert_eq!(round_up(u64::MAX), u64::MAX);
    }
}
