//! The scenarios `save` and `e2e` with everything in one process over one SQLite file (`--store sqlite`).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use cardwire_testkit::history::{Checked, History};
use cardwire_testkit::process::Process;
use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::cli::E2e;
use crate::http::Client;
use crate::report::{CpuSplit, Figures, Latency, per_s};
use crate::save::Saved;
use crate::servers::Ground;
use crate::{accounting, e2e, save};

struct OneFile {
    web: Process,
    environment: BTreeMap<String, String>,
    folder: TempDir,
}

impl OneFile {
    /// On the disk on which temporary files are.
    async fn start() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("cardwire.db");
        let environment: BTreeMap<_, _> = [
            ("APP_ENV", "development".to_owned()),
            ("USE_MOCK_AUTH", "true".to_owned()),
            ("DATABASE_URL", format!("sqlite:{}", file.display())),
            ("RUST_LOG", "warn,cardwire_runtime=info,cardwire_workers=error".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        let mut web = Process::start("web", &environment);
        web.ready().await;
        Ok(Self { web, environment, folder })
    }

    /// Ends the process once everything has had its effect, and moves all of it into the ground's empty database, where the checker knows
    /// its way.
    async fn check(mut self, ground: &Ground, saved: &[Saved]) -> anyhow::Result<Checked> {
        eprintln!("  checking that everything had its effect once …");
        self.web.signal(Signal::SIGTERM);
        let status = self.web.ended().await;
        ensure!(status.success() && self.web.log().contains(r#""owed":0"#), "web did not drain:\n{}", self.web.log());
        let mut moving = Process::start_with("web", &["move", "--to", ground.database.url()], &self.environment);
        let status = moving.ended().await;
        ensure!(status.success(), "the file was not moved:\n{}", moving.log());
        let mut history = History::default();
        saved.iter().for_each(|saved| history.accept(&saved.person, &saved.url, &saved.answer));
        let checked = history.check(&ground.pool).await?;
        self.folder.close().context("removing the file")?;
        Ok(checked)
    }
}

pub async fn save(ground: &Ground, count: usize, concurrency: usize) -> anyhow::Result<Figures> {
    let one = OneFile::start().await?;
    save::warm_up(&mut Client::connect(one.web.port).await?).await?;
    let before = accounting::cpu(one.web.id());
    let (saved, took) = save::load(&one.web, count, concurrency).await?;
    let used = accounting::cpu(one.web.id()).saturating_sub(before);
    let rss_mib = accounting::peak_rss_mib(one.web.id());
    one.check(ground, &saved).await?;
    let none = ground.cpu();
    Ok(Figures {
        events: count,
        workers: 0,
        drain_per_s: Some(per_s(count, took)),
        latency_ms: Latency::of(saved.iter().map(|saved| saved.took).collect()),
        rss_mib,
        cpu_us_per_event: CpuSplit::over(count, (none, none), used, Duration::ZERO),
        ..Figures::default()
    })
}

pub async fn e2e(ground: &Ground, count: usize, case: E2e) -> anyhow::Result<Figures> {
    let one = OneFile::start().await?;
    let (mut sightings, _reader) = e2e::watch(&one.web).await?;
    let before = accounting::cpu(one.web.id());
    let started = Instant::now();
    let saved = e2e::load(&one.web, count, case.rate, case.concurrency).await?;
    let saving = started.elapsed();
    let seen = e2e::all_seen(&mut sightings, &mut [], &saved).await?;
    let used = accounting::cpu(one.web.id()).saturating_sub(before);
    let rss_mib = accounting::peak_rss_mib(one.web.id());
    let checked = one.check(ground, &saved).await?;
    let none = ground.cpu();
    Ok(Figures {
        events: count,
        workers: 0,
        drain_per_s: Some(per_s(count, saving)),
        activities: Some(checked.activities),
        latency_ms: Latency::of(saved.iter().filter_map(|saved| e2e::latency(saved, &seen)).collect()),
        rss_mib,
        cpu_us_per_event: CpuSplit::over(count, (none, none), used, Duration::ZERO),
        ..Figures::default()
    })
}
