//! Work on the file of a one-process deployment: copying it, and moving to PostgreSQL.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use cardwire_events::Handover;
use cardwire_storage::moving::{Moved, Progress, move_to_postgres};
use cardwire_storage::postgres::{PoolSettings, PostgresStore};
use cardwire_storage::sqlite::SqliteStore;

use crate::settings::{Settings, SettingsError, StoreSettings};

/// Copies the file to `to`, where nothing exists yet, even while a process uses it. The result is a complete copy or
/// none.
///
/// # Errors
/// If the settings name no file, the copy exists already, or it cannot be written.
pub async fn back_up(settings: &Settings, to: PathBuf) -> anyhow::Result<()> {
    let from = file(settings)?.to_owned();
    tokio::task::spawn_blocking(move || copy(&from, &to)).await?
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    if !from.exists() {
        return Err(SettingsError::value("DATABASE_URL", format!("there is no file {}", from.display())).into());
    }
    if to.exists() {
        anyhow::bail!("{} is there already; a copy overwrites nothing", to.display());
    }
    // A name for this run alone: another run may be at work, or have died.
    let mut beside = to.as_os_str().to_owned();
    beside.push(format!(".{}.part", std::process::id()));
    let beside = PathBuf::from(beside);
    let copied = SqliteStore::copy(from, &beside).map_err(anyhow::Error::from).and_then(|()| {
        std::fs::File::open(&beside)?.sync_all()?;
        Ok(std::fs::rename(&beside, to)?)
    });
    if copied.is_err() {
        // Half a copy is useless.
        let _ = std::fs::remove_file(&beside);
    }
    copied.with_context(|| format!("copying {} to {}", from.display(), to.display()))
}

/// Moves everything into an empty PostgreSQL. The file is not changed.
///
/// # Errors
/// If the settings name no file, a process has it open, the database is not empty, or anything fails. Then nothing is
/// moved.
pub async fn move_up(settings: &Settings, to: &str, progress: &dyn Progress) -> anyhow::Result<Moved> {
    let from = file(settings)?;
    let store = PostgresStore::connect(to, PoolSettings::default(), Handover::default())
        .map_err(|error| SettingsError::value("--to", error.to_string()))?;
    Ok(move_to_postgres(from, &store, progress).await?)
}

fn file(settings: &Settings) -> anyhow::Result<&Path> {
    match &settings.store {
        StoreSettings::File(path) => Ok(path),
        StoreSettings::Memory | StoreSettings::Postgres(_) => {
            Err(SettingsError::value("DATABASE_URL", "must name the file: sqlite:PATH").into())
        }
    }
}
