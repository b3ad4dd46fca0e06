//! What a scenario measured, and how it is printed.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::servers::ServerCpu;

/// The figures of one run of one scenario. `None`: it does not measure that.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Figures {
    pub scenario: String,
    /// Events, saves or reads.
    pub events: usize,
    pub workers: usize,
    pub publish_per_s: Option<f64>,
    /// From the start until a handler was done with the last event; saves or reads answered, in the HTTP scenarios.
    pub drain_per_s: Option<f64>,
    /// From the start until the last activity was visible, the 3 s that its window is kept open included.
    pub visible_s: Option<f64>,
    /// Events over `visible_s` without the window of 3 s.
    pub visible_per_s: Option<f64>,
    pub activities: Option<usize>,
    pub latency_ms: Option<Latency>,
    /// The most that any one worker had.
    pub rss_mib: Option<f64>,
    pub redis_bytes_per_queued_event: Option<f64>,
    /// Written by PostgreSQL, all effects included.
    pub wal_bytes_per_event: Option<f64>,
    pub cpu_us_per_event: CpuSplit,
    /// How many events of this kind one Redis core could carry, where the queue is filled and drained at full speed.
    pub redis_ceiling_per_s: Option<f64>,
    /// The same statements by pgbench, at the same concurrency.
    pub pgbench_per_s: Option<f64>,
    pub of_pgbench: Option<f64>,
    /// For a server that does not answer.
    pub records_waiting: Option<usize>,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct CpuSplit {
    pub web: f64,
    pub worker: f64,
    pub redis: f64,
    pub postgres: f64,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct Latency {
    pub p50: f64,
    pub p99: f64,
    pub p999: f64,
}

impl Latency {
    /// `None` of nothing.
    pub fn of(mut samples: Vec<Duration>) -> Option<Self> {
        samples.sort_unstable();
        let last = samples.len().checked_sub(1)?;
        let at = |permille: usize| samples[(last * permille).div_ceil(1_000)].as_secs_f64() * 1e3;
        Some(Self { p50: at(500), p99: at(990), p999: at(999) })
    }
}

impl CpuSplit {
    pub fn over(events: usize, servers: (ServerCpu, ServerCpu), web: Duration, worker: Duration) -> Self {
        let each = |cpu: Duration| cpu.as_secs_f64() * 1e6 / events as f64;
        let (before, after) = servers;
        Self {
            web: each(web),
            worker: each(worker),
            redis: each(after.redis.saturating_sub(before.redis)),
            postgres: each(after.postgres.saturating_sub(before.postgres)),
        }
    }
}

impl CpuSplit {
    pub const fn all(&self) -> f64 {
        self.web + self.worker + self.redis + self.postgres
    }
}

impl Figures {
    /// With what every scenario measures.
    pub fn finish(mut self) -> Self {
        let redis = self.cpu_us_per_event.redis;
        // At a rate far below what Redis could do, its idle work would count.
        self.redis_ceiling_per_s = self.publish_per_s.filter(|_| redis > 0.0).map(|_| 1e6 / redis);
        self.of_pgbench = self.drain_per_s.zip(self.pgbench_per_s).map(|(ours, alone)| ours / alone);
        self
    }
}

pub fn per_s(events: usize, took: Duration) -> f64 {
    events as f64 / took.as_secs_f64()
}

/// Of an even number, the upper one of the two in the middle.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

const COLUMNS: [&str; 15] = [
    "scenario",
    "events",
    "workers",
    "publish/s",
    "drain/s",
    "visible s",
    "activities",
    "p50 ms",
    "p99 ms",
    "p99.9 ms",
    "rss MiB",
    "B/queued",
    "WAL B/event",
    "cpu us/event web+worker+redis+pg",
    "pgbench/s",
];

/// As text with columns of even width.
pub fn table(all: &[Figures]) -> String {
    let whole = |value: Option<f64>| value.map_or("-".into(), |value| format!("{value:.0}"));
    let fine = |value: Option<f64>| value.map_or("-".into(), |value| format!("{value:.2}"));
    let mut rows = vec![COLUMNS.map(str::to_owned).to_vec()];
    rows.extend(all.iter().map(|f| {
        let cpu = f.cpu_us_per_event;
        vec![
            f.scenario.clone(),
            f.events.to_string(),
            f.workers.to_string(),
            whole(f.publish_per_s),
            whole(f.drain_per_s),
            fine(f.visible_s),
            f.activities.map_or("-".into(), |count| count.to_string()),
            fine(f.latency_ms.map(|l| l.p50)),
            fine(f.latency_ms.map(|l| l.p99)),
            fine(f.latency_ms.map(|l| l.p999)),
            f.rss_mib.map_or("-".into(), |mib| format!("{mib:.1}")),
            whole(f.redis_bytes_per_queued_event),
            whole(f.wal_bytes_per_event),
            format!("{:.1} + {:.1} + {:.1} + {:.1}", cpu.web, cpu.worker, cpu.redis, cpu.postgres),
            match f.of_pgbench {
                Some(share) => format!("{} ({:.0} %)", whole(f.pgbench_per_s), share * 100.0),
                None => "-".into(),
            },
        ]
    }));
    aligned(&rows)
}

/// Rows of equal length in columns of even width.
pub fn aligned(rows: &[Vec<String>]) -> String {
    let mut text = String::new();
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            let width = rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
            text.push_str(&format!("{cell:width$}  "));
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

/// Tells on standard error how far a scenario is, at most once a second.
pub struct Progress {
    what: String,
    said: Instant,
}

impl Progress {
    pub fn of(what: &str) -> Self {
        eprintln!("  {what} …");
        Self { what: what.to_owned(), said: Instant::now() }
    }

    pub fn at(&mut self, done: usize, all: usize) {
        if self.said.elapsed() >= Duration::from_secs(1) {
            self.said = Instant::now();
            eprintln!("  {}: {done} of {all} ({} %)", self.what, done * 100 / all.max(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_samples() {
        let latency = Latency::of((1..=1_000).rev().map(Duration::from_millis).collect()).unwrap();
        assert_eq!((latency.p50, latency.p99, latency.p999), (501.0, 991.0, 1_000.0));
        let one = Latency::of(vec![Duration::from_millis(7)]).unwrap();
        assert_eq!((one.p50, one.p999), (7.0, 7.0));
        assert!(Latency::of(Vec::new()).is_none());
    }

    #[test]
    fn a_median_is_in_the_middle() {
        assert_eq!(median(vec![9.0, 1.0, 5.0]), Some(5.0));
        assert_eq!(median(Vec::new()), None);
    }

    #[test]
    fn columns_line_up() {
        let rows = [vec!["a".to_owned(), "b".to_owned()], vec!["long".to_owned(), "c".to_owned()]];
        assert_eq!(aligned(&rows), "a     b\nlong  c\n");
    }
}
