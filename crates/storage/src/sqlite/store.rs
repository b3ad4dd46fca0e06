//! The store itself; its ports are beside it.

use std::path::Path;
use std::sync::Arc;

use cardwire_domain::Clock;
use cardwire_events::Handover;
use jiff::Timestamp;
use rusqlite::Connection;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::error::Failure;
use super::file::{self, Data, OpenError, Place};
use super::turns::Turns;

/// Every port over one file. Clones share it.
#[derive(Clone)]
pub struct SqliteStore {
    data: Arc<Data>,
    clock: Arc<dyn Clock>,
    pub(super) handover: Handover,
    pub(super) turns: Turns,
    /// Told after each flush.
    pub(super) news: Arc<watch::Sender<()>>,
}

impl SqliteStore {
    /// Opens the file, or makes it. Commits are handed to `handover` while it is open; otherwise it is rung.
    ///
    /// # Errors
    /// When the file is not ours, too new, damaged, or another process has it.
    pub fn open(place: Place, clock: Arc<dyn Clock>, handover: Handover) -> Result<Self, OpenError> {
        let data = Data::open(place, clock.now().as_microsecond())?;
        let (turns, news) = (Turns::default(), Arc::new(watch::Sender::new(())));
        Ok(Self { data: Arc::new(data), clock, handover, turns, news })
    }

    /// What is gone with the process.
    ///
    /// # Errors
    /// When SQLite cannot make it.
    pub fn in_memory(clock: Arc<dyn Clock>, handover: Handover) -> Result<Self, OpenError> {
        Self::open(Place::Memory, clock, handover)
    }

    /// The same store for another process of a test, whose relay takes from another handover.
    pub fn beside(&self, handover: Handover) -> Self {
        Self { handover, ..self.clone() }
    }

    /// Copies a file, whichever process has it, to a place where there is none yet.
    ///
    /// # Errors
    /// When it cannot be read, or the copy cannot be written. There is no copy then.
    pub fn copy(from: &Path, to: &Path) -> Result<(), cardwire_domain::Error> {
        let connection =
            file::connect_reader(from).map_err(|error| cardwire_domain::Error::Unavailable(error.to_string()))?;
        Ok(file::copy(&connection, to)?)
    }

    /// Runs the job in a transaction that others may share, and answers once it is committed.
    pub(super) async fn write<T, F>(&self, job: F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, Timestamp) -> Result<T, Failure> + Send + 'static,
    {
        let clock = Arc::clone(&self.clock);
        self.data.writer.write(move |connection| job(connection, clock.now())).await
    }

    /// Runs the job on one state of the data, beside whoever writes.
    pub(super) async fn read<T, F>(&self, job: F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, Timestamp) -> Result<T, Failure> + Send + 'static,
    {
        let (data, clock) = (Arc::clone(&self.data), Arc::clone(&self.clock));
        let read = spawn_blocking(move || data.read(|connection| job(connection, clock.now())));
        read.await.unwrap_or_else(|error| Err(Failure::Nonsense(format!("reading it panicked: {error}"))))
    }
}
