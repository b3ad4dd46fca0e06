//! Group commit: whatever is to be written at about the same time shares one transaction, and one wait for the disk.
//!
//! SQLite has one writer. Jobs line up for it; whoever comes while nobody writes starts to, and writes until the line is empty. Each job
//! runs within a savepoint of its own, so one that fails takes nobody else's rows along. No job is answered before the commit.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use super::error::Failure;

/// Jobs of one transaction. More of them would make the first ones wait for the last.
const TOGETHER: usize = 256;

/// SQLite undoes a whole transaction when the disk refuses a part of it.
const UNDONE: &str = "the disk refused what was to be written with it, and all of that was undone";

/// Told whether the transaction was committed.
type Answer = Box<dyn FnOnce(Result<(), String>) + Send>;
/// Given why there is no transaction, if there is none.
type Job = Box<dyn FnOnce(Result<&Connection, &str>) -> Answer + Send>;

pub(super) struct Writer {
    connection: Mutex<Connection>,
    line: Mutex<Line>,
}

#[derive(Default)]
struct Line {
    jobs: Vec<Job>,
    is_written: bool,
}

impl Writer {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection: Mutex::new(connection), line: Mutex::default() }
    }

    /// The result of the job once it is committed. A failure means that nothing of it is stored. Dropped: it may be stored or not.
    pub(super) async fn write<T, F>(self: &Arc<Self>, job: F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        let (tell, told) = oneshot::channel();
        self.line_up(Box::new(move |transaction| {
            let result = match transaction {
                Ok(connection) => in_savepoint(connection, job),
                Err(why) => Err(Failure::NotCommitted(why.to_owned())),
            };
            Box::new(move |committed| {
                let result = result.and_then(|value| committed.map(|()| value).map_err(Failure::NotCommitted));
                // Whoever asked may have gone.
                let _ = tell.send(result);
            })
        }));
        told.await.unwrap_or_else(|_| Err(Failure::NotCommitted("the process is ending".into())))
    }

    /// Between two transactions.
    pub(super) fn alone<T>(&self, job: impl FnOnce(&mut Connection) -> T) -> T {
        job(&mut self.connection.lock())
    }

    fn line_up(self: &Arc<Self>, job: Job) {
        let mut line = self.line.lock();
        line.jobs.push(job);
        if !line.is_written {
            line.is_written = true;
            let writer = Arc::clone(self);
            // A blocking task, so that a clock that is turned by a test stands still meanwhile.
            spawn_blocking(move || writer.write_all());
        }
    }

    fn write_all(&self) {
        let connection = self.connection.lock();
        loop {
            let jobs: Vec<Job> = {
                let mut line = self.line.lock();
                if line.jobs.is_empty() {
                    line.is_written = false;
                    return;
                }
                let together = line.jobs.len().min(TOGETHER);
                line.jobs.drain(..together).collect()
            };
            write_together(&connection, jobs);
        }
    }
}

fn write_together(connection: &Connection, jobs: Vec<Job>) {
    let begun = connection.execute_batch("BEGIN IMMEDIATE").map_err(|error| error.to_string());
    let run = |job: Job| match &begun {
        Err(why) => job(Err(why)),
        // An error of the disk undoes all of it.
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
    connection.execute_batch("SAVEPOINT job")?;
    let result = catch_unwind(AssertUnwindSafe(|| job(connection)))
        .unwrap_or_else(|_| Err(Failure::Nonsense("writing it panicked".into())));
    match result {
        Ok(value) => {
            connection.execute_batch("RELEASE job")?;
            Ok(value)
        }
        Err(failure) => {
            // Undone with all of the transaction, it has no savepoint left.
            if !connection.is_autocommit() {
                connection.execute_batch("ROLLBACK TO job; RELEASE job")?;
            }
            Err(failure)
        }
    }
}
