//! The same cases on BullMQ, in the same minutes, and how Cardwire compares.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use tokio::process::Command;
use tokio::time::timeout;

use crate::cli::{Case, Keys};
use crate::processes::port_of;
use crate::report::{Figures, aligned, median};
use crate::servers::Servers;

/// Jobs at once in one worker: the documented number, and one that suits it better.
const CONCURRENCY: [usize; 2] = [15, 100];
const PATIENCE: Duration = Duration::from_secs(300);

/// A folder with `bench.mjs` and what it needs.
pub struct Peer {
    folder: PathBuf,
}

/// What `bench.mjs` prints. Its rates are those of the better number of jobs at once.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct PeerFigures {
    #[serde(default)]
    pub case: String,
    pub events: usize,
    pub concurrency: usize,
    pub publish_per_s: f64,
    pub drain_per_s: f64,
    pub drained: usize,
    pub bytes_per_queued_event: f64,
    pub rss_mib: f64,
}

impl Peer {
    pub fn at(folder: &Path) -> anyhow::Result<Self> {
        let folder = folder.canonicalize().with_context(|| format!("{}", folder.display()))?;
        ensure!(folder.join("bench.mjs").is_file(), "{} has no bench.mjs", folder.display());
        ensure!(folder.join("node_modules").is_dir(), "run `npm install` in {} first", folder.display());
        Ok(Self { folder })
    }

    /// Runs a case with each number of jobs at once; nothing for cases that it does not have.
    pub async fn run(&self, servers: &Servers, case: &Case) -> anyhow::Result<Vec<PeerFigures>> {
        let (mode, keys, events, workers) = match *case {
            Case::Queue { workers } => ("noop", Keys::Distinct, 40_000, workers),
            Case::Saga { keys: Keys::Distinct, workers, delay } if delay.is_zero() => {
                ("saga", Keys::Distinct, 20_000, workers)
            }
            Case::Saga { keys: Keys::Same, workers, delay } if delay.is_zero() => ("saga", Keys::Same, 3_000, workers),
            _ => return Ok(Vec::new()),
        };
        let mut all = Vec::new();
        for concurrency in CONCURRENCY {
            eprintln!("  BullMQ, {concurrency} at once …");
            let ground = servers.ground().await?;
            let output = Command::new("node")
                .args(["bench.mjs", mode, keys.name()])
                .args([events, workers, concurrency, port_of(&ground.redis.url)?.into()].map(|n| n.to_string()))
                .args((mode == "saga").then_some(ground.database.url()))
                .current_dir(&self.folder)
                .stdin(Stdio::null())
                .kill_on_drop(true)
                .output();
            let output = timeout(PATIENCE, output).await.context("BullMQ takes too long")?.context("running node")?;
            let text = String::from_utf8_lossy(&output.stdout);
            let errors = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.success(), "bench.mjs failed: {text}{errors}");
            let line = text.lines().rfind(|line| line.starts_with('{')).context("bench.mjs printed no figures")?;
            let mut figures: PeerFigures = serde_json::from_str(line).context("what bench.mjs printed")?;
            if figures.drained < figures.events {
                eprintln!("  BullMQ drained {} of {} in its time", figures.drained, figures.events);
            }
            figures.case = case.name();
            all.push(figures);
            ground.clear().await?;
        }
        Ok(all)
    }
}

/// Medians of all runs of each case; with a peer, its best number of jobs at once, and the ratio of the medians.
pub fn comparison(cases: &[Case], ours: &[Figures], theirs: &[PeerFigures]) -> String {
    let mut rows = vec![["case", "figure", "Cardwire", "BullMQ", "ratio"].map(str::to_owned).to_vec()];
    for case in cases {
        let name = case.name();
        let own = |pick: fn(&Figures) -> Option<f64>| {
            median(ours.iter().filter(|figures| figures.scenario == name).filter_map(pick).collect())
        };
        let peer = |pick: fn(&PeerFigures) -> f64, best: fn(f64, f64) -> f64| {
            let of = |concurrency| {
                let runs = theirs.iter().filter(|run| run.case == name && run.concurrency == concurrency);
                median(runs.map(pick).collect())
            };
            CONCURRENCY.into_iter().filter_map(of).reduce(best)
        };
        let lines = [
            ("publish/s", own(|f| f.publish_per_s), peer(|p| p.publish_per_s, f64::max)),
            ("drain/s", own(|f| f.drain_per_s), peer(|p| p.drain_per_s, f64::max)),
            ("visible/s", own(|f| f.visible_per_s), None),
            ("p99 ms", own(|f| f.latency_ms.map(|latency| latency.p99)), None),
            ("rss MiB", own(|f| f.rss_mib), peer(|p| p.rss_mib, f64::min)),
            ("bytes/queued", own(|f| f.redis_bytes_per_queued_event), { peer(|p| p.bytes_per_queued_event, f64::min) }),
            ("WAL bytes", own(|f| f.wal_bytes_per_event), None),
            ("pg us", own(|f| Some(f.cpu_us_per_event.postgres)), None),
            ("all cpu us", own(|f| Some(f.cpu_us_per_event.all())), None),
            ("redis ceiling/s", own(|f| f.redis_ceiling_per_s), None),
            ("share of that", own(|f| Some(f.visible_per_s.or(f.drain_per_s)? / f.redis_ceiling_per_s?)), None),
            ("share of pgbench", own(|f| f.of_pgbench), None),
        ];
        for (figure, own, peer) in lines {
            let Some(own) = own else { continue };
            let ratio = peer.map_or("-".into(), |peer| format!("{:.2}", own / peer));
            let peer = peer.map_or("-".into(), |peer| format!("{peer:.0}"));
            rows.push(vec![name.clone(), figure.to_owned(), format!("{own:.2}"), peer, ratio]);
        }
    }
    aligned(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peers_best_median_counts() {
        let case = Case::Queue { workers: 1 };
        let ours = [900.0, 100.0, 1_000.0].map(|rate| Figures {
            scenario: case.name(),
            drain_per_s: Some(rate),
            ..Figures::default()
        });
        let run = |concurrency, drain_per_s| PeerFigures {
            case: case.name(),
            events: 1,
            concurrency,
            publish_per_s: 1.0,
            drain_per_s,
            drained: 1,
            bytes_per_queued_event: 1.0,
            rss_mib: 1.0,
        };
        let theirs = [run(15, 50.0), run(15, 60.0), run(15, 500.0), run(100, 90.0), run(100, 80.0), run(100, 100.0)];
        let text = comparison(&[case], &ours, &theirs);
        let line = text.lines().find(|line| line.contains("drain/s")).unwrap();
        assert!(line.ends_with("900.00    90      10.00"), "{text}");
    }
}
