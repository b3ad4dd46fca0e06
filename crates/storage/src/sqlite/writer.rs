//! Group commit: writes that arrive at about the same time share one transaction and one wait for the disk.
//!
//! SQLite has one writer. Jobs queue up for it; a job that finds no writer starts one, which runs until the queue is
//! empty. Each job runs in its own savepoint, so a failing one does not take other jobs' rows with it. No job is
//! answered before the commit.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use rusqlite::Connection;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::error::Failure;

/// How long a statement waits for another process, such as one that makes a copy or changes accounts.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// How long all writers wait for readers to let go of the log.
const LOG_PATIENCE: Duration = Duration::from_millis(200);
/// A longer log is started over.
pub(super) const LOG_BYTES: u64 = 64 * 1024 * 1024;
/// Transactions between two looks at its length.
const LOOK_EVERY: u32 = 64;

/// At most this many jobs wait. While the disk hangs, more would only fill up memory.
const LINE: usize = 4_096;

/// At most this many jobs share a transaction. With more, the first ones would wait too long for the last.
const TOGETHER: usize = 256;

/// SQLite undoes a whole transaction when the disk refuses a part of it.
const UNDONE: &str = "the disk refused what was to be written with it, and all of that was undone";

/// Learns whether the transaction was committed.
type Answer = Box<dyn FnOnce(Result<(), String>) + Send>;
/// Gets the reason if there is no transaction.
type Job = Box<dyn FnOnce(Result<&Connection, &str>) -> Answer + Send>;

pub(super) struct Writer {
    held: Mutex<Held>,
    line: Mutex<Line>,
    /// Jobs run on the threads of the runtime that opened the store, not on the caller's: those may be busy, or end.
    runtime: Handle,
}

struct Held {
    connection: Connection,
    /// The write-ahead log; `None`: there is no file.
    log: Option<PathBuf>,
    since_looked: u32,
}

#[derive(Default)]
struct Line {
    jobs: Vec<Job>,
    is_written: bool,
}

impl Writer {
    pub(super) fn new(connection: Connection, log: Option<PathBuf>, runtime: Handle) -> Self {
        Self { held: Mutex::new(Held { connection, log, since_looked: 0 }), line: Mutex::default(), runtime }
    }

    /// The result of the job once it is committed. A failure means that nothing of it is stored. After `patience`, or
    /// if the future is dropped, it may still be stored. A job whose caller is gone when its turn comes is not run.
    pub(super) async fn write<T, F>(self: &Arc<Self>, patience: Duration, job: F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        let (tell, told) = oneshot::channel();
        let has_room = self.line_up(Box::new(move |transaction| {
            if tell.is_closed() {
                return Box::new(|_| ());
            }
            let result = match transaction {
                Ok(connection) => in_savepoint(connection, job),
                Err(why) => Err(Failure::NotCommitted(why.to_owned())),
            };
            Box::new(move |committed| {
                let result = result.and_then(|value| committed.map(|()| value).map_err(Failure::NotCommitted));
                // The caller may be gone.
                let _ = tell.send(result);
            })
        }));
        if !has_room {
            return Err(Failure::NotCommitted(format!("{LINE} others wait to write")));
        }
        match timeout(patience, told).await {
            Ok(answered) => answered.unwrap_or_else(|_| Err(Failure::NotCommitted("the process is ending".into()))),
            Err(_) => Err(Failure::NotCommitted(format!("the disk did not take it within {patience:?}"))),
        }
    }

    /// Between two transactions.
    pub(super) fn alone<T>(&self, job: impl FnOnce(&Connection) -> T) -> T {
        job(&self.held.lock().connection)
    }

    /// False: the line is full, and the job is not in it.
    fn line_up(self: &Arc<Self>, job: Job) -> bool {
        let mut line = self.line.lock();
        if line.jobs.len() >= LINE {
            return false;
        }
        line.jobs.push(job);
        if !line.is_written {
            line.is_written = true;
            let writer = Arc::clone(self);
            // A blocking task, so that a test's paused clock stands still meanwhile.
            self.runtime.spawn_blocking(move || writer.write_all());
        }
        true
    }

    fn write_all(&self) {
        loop {
            let mut held = self.held.lock();
            let jobs: Vec<Job> = {
                let mut line = self.line.lock();
                if line.jobs.is_empty() {
                    line.is_written = false;
                    return;
                }
                let together = line.jobs.len().min(TOGETHER);
                line.jobs.drain(..together).collect()
            };
            write_together(&held.connection, jobs);
            held.bound_log();
            // A job that waits for exclusive use goes first.
            MutexGuard::unlock_fair(held);
        }
    }
}

impl Held {
    /// SQLite writes its log back by itself, but never starts it over while there is always a reader.
    fn bound_log(&mut self) {
        self.since_looked += 1;
        if self.since_looked < LOOK_EVERY {
            return;
        }
        self.since_looked = 0;
        let Some(log) = &self.log else { return };
        if std::fs::metadata(log).is_ok_and(|log| log.len() > LOG_BYTES)
            && let Err(error) = begin_log_anew(&self.connection)
        {
            tracing::debug!(%error, "the log could not be started over");
        }
    }
}

/// Waits for readers, but not for long.
fn begin_log_anew(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(LOG_PATIENCE)?;
    let begun = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    connection.busy_timeout(PATIENCE)?;
    begun
}

fn write_together(connection: &Connection, jobs: Vec<Job>) {
    let begun = connection.execute_batch("BEGIN IMMEDIATE").map_err(|error| error.to_string());
    let run = |job: Job| match &begun {
        Err(why) => job(Err(why)),
        // A disk error undoes all of it.
        Ok(()) if connection.is_autocommit() => job(Err(UNDONE)),
        Ok(()) => job(Ok(connection)),
    };
    let answers: Vec<Answer> = jobs.into_iter().map(run).collect();
    let committed = begun.and_then(|()| match connection.is_autocommit() {
        true => Err(UNDONE.to_owned()),
        false => connection.execute_batch("COMMIT").map_err(|error| error.to_string()),
    });
    if let Err(why) = &committed {
        tracing::warn!(%why, "nothing was committed");
        if !connection.is_autocommit()
            && let Err(error) = connection.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "what was not committed cannot be undone");
        }
    }
    answers.into_iter().for_each(|answer| answer(committed.clone()));
}

fn in_savepoint<T>(connection: &Connection, job: impl FnOnce(&Connection) -> Result<T, Failure>) -> Result<T, Failure> {
    savepoint(connection, "SAVEPOINT job")?;
    let result = catch_unwind(AssertUnwindSafe(|| job(connection)))
        .unwrap_or_else(|_| Err(Failure::Nonsense("writing it panicked".into())));
    match result {
        Ok(value) => {
            savepoint(connection, "RELEASE job")?;
            Ok(value)
        }
        Err(failure) => {
            // If the whole transaction was undone, there is no savepoint left.
            if !connection.is_autocommit() {
                savepoint(connection, "ROLLBACK TO job; RELEASE job")?;
            }
            Err(failure)
        }
    }
}

/// If this fails, nobody knows how much of the job is in the transaction, so all of it is undone.
fn savepoint(connection: &Connection, sql: &str) -> Result<(), Failure> {
    let done = connection.execute_batch(sql);
    if done.is_err()
        && !connection.is_autocommit()
        && let Err(error) = connection.execute_batch("ROLLBACK")
    {
        tracing::error!(%error, "a transaction cannot be undone");
    }
    Ok(done?)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use tokio::task::JoinSet;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn count(connection: &Connection) -> Result<i64, Failure> {
        Ok(connection.query_row("SELECT count(*) FROM written", [], |row| row.get(0))?)
    }

    fn insert(connection: &Connection) -> Result<(), Failure> {
        connection.execute("INSERT INTO written VALUES (1)", [])?;
        Ok(())
    }

    /// While the disk hangs: its thread waits until the sender is dropped.
    fn hanging(writer: &Arc<Writer>) -> mpsc::Sender<()> {
        let (end, ended) = mpsc::channel::<()>();
        let (begin, begun) = mpsc::channel();
        let writer = Arc::clone(writer);
        std::thread::spawn(move || {
            writer.alone(|_| {
                let _ = begin.send(());
                let _ = ended.recv();
            });
        });
        begun.recv().expect("the thread holds the connection");
        end
    }

    #[tokio::test]
    async fn writes_fail_in_time_while_the_disk_hangs_and_are_not_made_up_for() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE written (n INTEGER)").unwrap();
        let writer = Arc::new(Writer::new(connection, None, Handle::current()));
        let end = hanging(&writer);
        let late = writer.write(Duration::from_millis(20), insert).await;
        assert!(matches!(&late, Err(Failure::NotCommitted(why)) if why.contains("20ms")), "{late:?}");
        drop(end);
        writer.write(LONG, insert).await.unwrap();
        assert_eq!(writer.alone(count).unwrap(), 1);
    }

    #[tokio::test]
    async fn the_line_is_bounded() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE written (n INTEGER)").unwrap();
        let writer = Arc::new(Writer::new(connection, None, Handle::current()));
        let end = hanging(&writer);
        let mut waiting = JoinSet::new();
        for _ in 0..LINE {
            let writer = Arc::clone(&writer);
            waiting.spawn(async move { writer.write(LONG, insert).await });
        }
        while writer.line.lock().jobs.len() < LINE {
            tokio::task::yield_now().await;
        }
        let refused = writer.write(LONG, insert).await;
        assert!(matches!(&refused, Err(Failure::NotCommitted(why)) if why.contains("wait to write")), "{refused:?}");
        drop(end);
        assert!(waiting.join_all().await.iter().all(Result::is_ok));
        assert_eq!(writer.alone(count).unwrap(), i64::try_from(LINE).unwrap());
    }
}
