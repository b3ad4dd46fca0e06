//! The store itself; its ports have their own files.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cardwire_domain::Clock;
use cardwire_events::Handover;
use jiff::Timestamp;
use rusqlite::Connection;
use tokio::sync::{Semaphore, watch};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::command_turns::Turns;
use super::error::Failure;
use super::file::{self, Data, OpenError, Place, READERS};

/// How long a read waits for its turn.
const READ_PATIENCE: Duration = Duration::from_millis(2_500);
/// How long a write may take, including the wait in line and for the disk.
const WRITE_PATIENCE: Duration = Duration::from_secs(5);
/// The same for a recount of everything.
const RECOUNT_PATIENCE: Duration = Duration::from_secs(30 * 60);

/// All ports over one file. Clones share it.
#[derive(Clone)]
pub struct SqliteStore {
    data: Arc<Data>,
    clock: Arc<dyn Clock>,
    /// Limits concurrent readers.
    places: Arc<Semaphore>,
    pub(super) handover: Handover,
    pub(super) turns: Turns,
    /// Told after each flush.
    pub(super) news: Arc<watch::Sender<()>>,
}

impl SqliteStore {
    /// Opens the file, or creates it. Commits are handed to `handover` while it is open; otherwise it is rung.
    ///
    /// # Errors
    /// If the file is not ours, too new or damaged, or another process has it open.
    ///
    /// # Panics
    /// Outside of a runtime, because its threads do the work.
    pub fn open(place: Place, clock: Arc<dyn Clock>, handover: Handover) -> Result<Self, OpenError> {
        let data = Data::open(place, clock.now().as_microsecond())?;
        Ok(Self::over(data, clock, handover))
    }

    /// Opens a file that another process may have open, only for work on accounts: commands on cards take turns in that
    /// process.
    ///
    /// # Errors
    /// If there is no such file, or it is not ours, from another release, or damaged.
    ///
    /// # Panics
    /// As [`Self::open`].
    pub fn join(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        Ok(Self::over(Data::join(path)?, clock, Handover::default()))
    }

    fn over(data: Data, clock: Arc<dyn Clock>, handover: Handover) -> Self {
        let (turns, news) = (Turns::default(), Arc::new(watch::Sender::new(())));
        Self { data: Arc::new(data), clock, places: Arc::new(Semaphore::new(READERS)), handover, turns, news }
    }

    /// A store that is lost when the process ends.
    ///
    /// # Errors
    /// If SQLite cannot create it.
    pub fn in_memory(clock: Arc<dyn Clock>, handover: Handover) -> Result<Self, OpenError> {
        Self::open(Place::Memory, clock, handover)
    }

    /// The same store for another process in a test, with its own handover.
    pub fn beside(&self, handover: Handover) -> Self {
        Self { handover, ..self.clone() }
    }

    /// For a process that ends: writes the log back into the file, so that everything is in one place.
    ///
    /// # Errors
    /// If the disk refuses, or somebody is reading the file. Nothing is lost: the log is written back when the file is
    /// opened again.
    pub async fn close(&self) -> cardwire_domain::Result<()> {
        let data = Arc::clone(&self.data);
        let closed = spawn_blocking(move || {
            data.writer.alone(|connection| {
                connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0))
            })
        });
        let closed = closed.await.map_err(|error| Failure::NotCommitted(error.to_string()))?;
        match closed.map_err(Failure::from)? {
            0 => Ok(()),
            _ => Err(Failure::NotCommitted("somebody else is reading it, such as a backup".into()).into()),
        }
    }

    /// Copies a file, whichever process has it open, to a place where nothing exists yet.
    ///
    /// # Errors
    /// If it cannot be read, or the copy cannot be written. Then there is no copy.
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
        self.write_within(WRITE_PATIENCE, job).await
    }

    /// For a job that goes through all data. Others wait meanwhile.
    pub(super) async fn recount<T, F>(&self, job: F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, Timestamp) -> Result<T, Failure> + Send + 'static,
    {
        self.write_within(RECOUNT_PATIENCE, job).await
    }

    async fn write_within<T, F>(&self, patience: Duration, job: F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, Timestamp) -> Result<T, Failure> + Send + 'static,
    {
        let clock = Arc::clone(&self.clock);
        self.data.writer.write(patience, move |connection| job(connection, clock.now())).await
    }

    /// Runs the job at once, on the caller's thread: for a few rows by their keys, which is faster than passing it to
    /// another thread. Each of its statements may see a later state of the data. It has no time-out: if the disk hangs,
    /// so does the caller's thread.
    pub(super) fn look<T>(&self, job: impl FnOnce(&Connection, Timestamp) -> Result<T, Failure>) -> Result<T, Failure> {
        let now = self.clock.now();
        self.data.look(|connection| job(connection, now))
    }

    /// Runs the job on one state of the data, while others write.
    pub(super) async fn read<T, F>(&self, job: F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, Timestamp) -> Result<T, Failure> + Send + 'static,
    {
        let (data, clock) = (Arc::clone(&self.data), Arc::clone(&self.clock));
        let place = timeout(READ_PATIENCE, Arc::clone(&self.places).acquire_owned()).await;
        let Ok(Ok(place)) = place else {
            return Err(Failure::NotCommitted(format!("too many read at once for {READ_PATIENCE:?}")));
        };
        let read = spawn_blocking(move || {
            let _place = place;
            data.read(|connection| job(connection, clock.now()))
        });
        read.await.unwrap_or_else(|error| match error.is_panic() {
            true => Err(Failure::Nonsense(format!("reading it panicked: {error}"))),
            false => Err(Failure::NotCommitted("the process is ending".into())),
        })
    }
}
