//! The scenarios with everything in one process over one SQLite file (`--store sqlite`).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use cardwire_domain::SystemClock;
use cardwire_events::Handover;
use cardwire_storage::SqliteStore;
use cardwire_storage::sqlite::Place;
use cardwire_testkit::history::{Checked, History};
use cardwire_testkit::process::Process;
use nix::sys::signal::Signal;
use rusqlite::{Connection, Transaction};
use tempfile::TempDir;

use crate::cli::E2e;
use crate::http::Client;
use crate::report::{CpuSplit, Figures, Latency, per_s};
use crate::save::Saved;
use crate::servers::Ground;
use crate::{accounting, console, e2e, save};

pub struct OneFile {
    pub web: Process,
    environment: BTreeMap<String, String>,
    folder: TempDir,
}

impl OneFile {
    async fn start() -> anyhow::Result<Self> {
        Self::start_over(tempfile::tempdir()?).await
    }

    /// Over the file in a folder of [`filled`].
    pub async fn start_over(folder: TempDir) -> anyhow::Result<Self> {
        let file = path(&folder);
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

/// On the disk on which temporary files are.
pub fn path(folder: &TempDir) -> PathBuf {
    folder.path().join("cardwire.db")
}

pub fn open(folder: &TempDir) -> anyhow::Result<SqliteStore> {
    Ok(SqliteStore::open(Place::File(path(folder)), Arc::new(SystemClock), Handover::default())?)
}

/// A folder with a file that holds the rows which `fill` inserts.
pub async fn filled(fill: impl FnOnce(&Transaction<'_>) -> anyhow::Result<()>) -> anyhow::Result<TempDir> {
    let folder = tempfile::tempdir()?;
    open(&folder)?.close().await?;
    let mut connection = Connection::open(path(&folder))?;
    let transaction = connection.transaction()?;
    fill(&transaction)?;
    transaction.commit()?;
    connection.execute_batch("ANALYZE; PRAGMA wal_checkpoint(TRUNCATE)")?;
    Ok(folder)
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
    let _consoles = console::open(&one.web, case.consoles).await?;
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
