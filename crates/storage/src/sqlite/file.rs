//! The file: who may open it, which files are accepted, and how connections are configured.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags};
use tokio::runtime::Handle;

use super::error::Failure;
use super::functions;
use super::schema::{self, SchemaError};
use super::writer::{LOG_BYTES, PATIENCE, Writer};

/// The log is written back into the file once it has this many pages of 4 KiB.
const LOG_PAGES: i64 = 8_000;
/// Each connection keeps this many prepared statements.
const STATEMENTS: usize = 256;
/// Readers that are kept open.
pub(super) const READERS: usize = 16;

/// Where the data is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Lost when the process ends.
    Memory,
    File(PathBuf),
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Somebody has to change something.
    #[error("{}: {why}", path.display())]
    Unfit { path: PathBuf, why: String },
    #[error("{}: {why}", path.display())]
    Unavailable { path: PathBuf, why: String },
}

/// The open file. One process has it.
pub(super) struct Data {
    place: Place,
    readers: Mutex<Vec<Connection>>,
    /// Closed after the readers: the last one to close writes the log back.
    pub(super) writer: Arc<Writer>,
    /// Locked as long as the process has the file open; `None` in memory, and for a command beside the process.
    _lock: Option<File>,
}

impl Data {
    /// Opens it, creates it if missing, checks its integrity, and brings its schema up to date.
    pub(super) fn open(place: Place, now_us: i64) -> Result<Self, OpenError> {
        let (place, lock) = match place {
            Place::Memory => (place, None),
            Place::File(path) => {
                let path = followed(&path)?;
                let lock = lock(&path)?;
                (Place::File(path), Some(lock))
            }
        };
        let mut connection = connect(&place, false).map_err(|error| told(&place, &error))?;
        prepare(&mut connection, &place)?;
        schema::begin_again(&connection, now_us).map_err(|error| unfit(&place, error))?;
        let log = match &place {
            Place::Memory => None,
            Place::File(path) => Some(beside(path, "-wal")),
        };
        let writer = Arc::new(Writer::new(connection, log, Handle::current()));
        Ok(Self { place, readers: Mutex::default(), writer, _lock: lock })
    }

    /// Opens an existing file for a command that makes a small change and ends, whether or not a process has the file
    /// open. SQLite lets the writers of two processes take turns. Nothing else in the file is touched: its queues may
    /// belong to that process.
    pub(super) fn join(path: &Path) -> Result<Self, OpenError> {
        if !path.exists() {
            return Err(OpenError::Unfit { path: path.to_owned(), why: "there is no such file".into() });
        }
        let place = Place::File(followed(path)?);
        let connection = connect(&place, false).map_err(|error| told(&place, &error))?;
        schema::is_current(&connection).map_err(|error| unfit(&place, error))?;
        connection.pragma_update(None, "synchronous", "full").map_err(|error| told(&place, &error))?;
        let writer = Arc::new(Writer::new(connection, None, Handle::current()));
        Ok(Self { place, readers: Mutex::default(), writer, _lock: None })
    }

    /// Reads one state of the data while others write.
    pub(super) fn read<T>(&self, job: impl FnOnce(&Connection) -> Result<T, Failure>) -> Result<T, Failure> {
        if self.place == Place::Memory {
            return self.look(job);
        }
        self.look(|reader| {
            reader.execute_batch("BEGIN")?;
            let result = job(reader);
            // It only read, so nothing is lost if it cannot be ended properly, and the reader is not reused.
            reader.execute_batch("COMMIT")?;
            result
        })
    }

    /// Reads; each statement sees its own state.
    pub(super) fn look<T>(&self, job: impl FnOnce(&Connection) -> Result<T, Failure>) -> Result<T, Failure> {
        if self.place == Place::Memory {
            return self.writer.alone(|connection| job(connection));
        }
        let kept = self.readers.lock().pop();
        let reader = match kept {
            Some(reader) => reader,
            None => connect(&self.place, true)?,
        };
        let result = job(&reader);
        if reader.is_autocommit() {
            let mut readers = self.readers.lock();
            if readers.len() < READERS {
                readers.push(reader);
            }
        }
        result
    }

    /// One more reader.
    pub(super) fn reader(&self) -> Result<Connection, OpenError> {
        connect(&self.place, true).map_err(|error| told(&self.place, &error))
    }
}

/// Writes a complete copy, as of one moment, to a new file.
pub(super) fn copy(from: &Connection, path: &Path) -> Result<(), Failure> {
    let name = path.to_str().ok_or_else(|| Failure::Nonsense(format!("the path {} is not UTF-8", path.display())))?;
    from.execute("VACUUM INTO ?1", [name])?;
    Ok(())
}

/// Its canonical path, so that two processes cannot open it by two names. Creates its folder.
fn followed(path: &Path) -> Result<PathBuf, OpenError> {
    let unfit = |why: String| OpenError::Unfit { path: path.to_owned(), why };
    if let Ok(found) = path.canonicalize() {
        return Ok(found);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|error| unfit(format!("its folder cannot be made: {error}")))?;
    let folder = folder.canonicalize().map_err(|error| unfit(format!("its folder cannot be found: {error}")))?;
    let name = path.file_name().ok_or_else(|| unfit("it names no file".into()))?;
    Ok(folder.join(name))
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

/// Held by the process that has the file open. The system releases it no matter how the process dies.
fn lock(path: &Path) -> Result<File, OpenError> {
    let beside = beside(path, ".lock");
    let unfit = |why: String| OpenError::Unfit { path: path.to_owned(), why };
    let file = File::options().create(true).truncate(false).write(true).open(&beside);
    let file = file.map_err(|error| unfit(format!("{} cannot be written: {error}", beside.display())))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(unfit("another process of Cardwire has this file open".into())),
        Err(TryLockError::Error(error)) => Err(unfit(format!("it cannot be locked: {error}"))),
    }
}

/// For a process other than the one that has the file open.
pub(super) fn connect_reader(path: &Path) -> Result<Connection, OpenError> {
    let place = Place::File(path.to_owned());
    connect(&place, true).map_err(|error| told(&place, &error))
}

fn connect(place: &Place, reads_only: bool) -> rusqlite::Result<Connection> {
    let mut flags = OpenFlags::SQLITE_OPEN_NO_MUTEX;
    flags |= match reads_only {
        true => OpenFlags::SQLITE_OPEN_READ_ONLY,
        false => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
    };
    let connection = match place {
        Place::Memory => Connection::open_in_memory_with_flags(flags)?,
        Place::File(path) => Connection::open_with_flags(path, flags)?,
    };
    connection.busy_timeout(PATIENCE)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    // In KiB. There may be sixteen readers, and the system caches the file's pages too.
    let cache = if reads_only { -1_024 } else { -4_096 };
    connection.pragma_update(None, "cache_size", cache)?;
    functions::define(&connection)?;
    Ok(connection)
}

fn prepare(connection: &mut Connection, place: &Place) -> Result<(), OpenError> {
    let failed = |error: rusqlite::Error| told(place, &error);
    if *place != Place::Memory {
        schema::is_ours(connection).map_err(|error| unfit(place, error))?;
        let mode: String =
            connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0)).map_err(failed)?;
        if mode != "wal" {
            return Err(unfit(place, SchemaError::Damaged(format!("its journal cannot be a WAL, only {mode}"))));
        }
        // A 2xx survives a power failure.
        connection.pragma_update(None, "synchronous", "full").map_err(failed)?;
        connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES).map_err(failed)?;
        connection
            .pragma_update(None, "journal_size_limit", i64::try_from(LOG_BYTES).unwrap_or(i64::MAX))
            .map_err(failed)?;
        schema::check(connection).map_err(|error| unfit(place, error))?;
    }
    schema::migrate(connection).map_err(|error| unfit(place, error))?;
    Ok(())
}

fn unfit(place: &Place, error: SchemaError) -> OpenError {
    match error {
        SchemaError::Sqlite(error) => told(place, &error),
        error => OpenError::Unfit { path: path(place), why: error.to_string() },
    }
}

fn told(place: &Place, error: &rusqlite::Error) -> OpenError {
    use rusqlite::ErrorCode::{CannotOpen, DatabaseCorrupt, NotADatabase, PermissionDenied, ReadOnly};
    let why = match error.sqlite_error_code() {
        Some(NotADatabase) => "it is no SQLite database".to_owned(),
        Some(DatabaseCorrupt) => format!("it is damaged ({error}); restore it from a copy"),
        Some(ReadOnly) => "it cannot be written; look who owns it, and how its disk is mounted".to_owned(),
        Some(CannotOpen | PermissionDenied) => format!("it cannot be opened: {error}"),
        _ => return OpenError::Unavailable { path: path(place), why: error.to_string() },
    };
    OpenError::Unfit { path: path(place), why }
}

fn path(place: &Place) -> PathBuf {
    match place {
        Place::Memory => PathBuf::from(":memory:"),
        Place::File(path) => path.clone(),
    }
}
