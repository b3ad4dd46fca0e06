//! From a file to PostgreSQL, completely or not at all.
//!
//! All rows are copied unchanged, in one transaction, and read back before the commit: counts and digests must match on
//! both sides. The search index is built again from the cards in the same transaction. The file keeps its contents, and
//! no other process has it open meanwhile.

mod table;
mod tables;

use std::path::Path;

use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::postgres::{MoveIn, PostgresStore};
use crate::sqlite::MoveOut;
pub(crate) use table::{Column, Kind, Table};
use tables::TABLES;

#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    #[error("the file: {0}")]
    File(String),
    #[error("PostgreSQL: {0}")]
    Postgres(String),
    #[error("the database is not empty: {table} holds rows already; give an empty one")]
    NotEmpty { table: &'static str },
    #[error("{table} arrived changed: {here} rows were sent, {there} arrived; nothing was moved")]
    Differs { table: &'static str, here: u64, there: u64 },
}

impl MoveError {
    fn file(error: impl std::fmt::Display) -> Self {
        Self::File(error.to_string())
    }

    fn postgres(error: impl std::fmt::Display) -> Self {
        Self::Postgres(error.to_string())
    }
}

/// What was moved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// The number of rows of each table that is not empty.
    pub rows: Vec<(&'static str, u64)>,
}

/// Progress, for display.
pub trait Progress: Send + Sync {
    /// `done` of `all` steps: rows to copy and cards to index.
    fn at(&self, done: u64, all: u64);
}

/// Moves everything in the file into an empty database, after bringing the database's schema up to date.
///
/// If the future is dropped or anything fails, the database stays empty.
///
/// # Errors
/// If the file cannot be locked, the database is not empty or cannot be reached, or the copy differs from the original.
pub async fn move_to_postgres(from: &Path, to: &PostgresStore, progress: &dyn Progress) -> Result<Moved, MoveError> {
    let file = MoveOut::open(from, Timestamp::now().as_microsecond()).map_err(MoveError::file)?;
    to.migrate().await.map_err(MoveError::postgres)?;
    let mut database = MoveIn::begin(to).await.map_err(MoveError::postgres)?;
    for table in TABLES {
        if database.has_rows(table).await.map_err(MoveError::postgres)? && !table.is_seeded {
            return Err(MoveError::NotEmpty { table: table.name });
        }
    }
    let counts =
        TABLES.iter().map(|table| file.count(table.name)).collect::<Result<Vec<_>, _>>().map_err(MoveError::File)?;
    let all = counts.iter().sum::<u64>() + file.count("cards").map_err(MoveError::File)?;
    let (mut done, mut moved) = (0, Moved::default());
    for (table, count) in TABLES.iter().zip(counts) {
        if count > 0 {
            copy(&file, &mut database, table, |rows| progress.at(done + rows, all)).await?;
            done += count;
            moved.rows.push((table.name, count));
        }
    }
    database.index(|cards| progress.at(done + cards, all)).await.map_err(MoveError::postgres)?;
    database.commit().await.map_err(MoveError::postgres)?;
    progress.at(all, all);
    Ok(moved)
}

/// The number of rows and a digest of their contents.
#[derive(Default)]
struct Sum {
    rows: u64,
    digest: Sha256,
}

impl Sum {
    fn add(&mut self, rows: &[Value]) {
        self.rows += rows.len() as u64;
        rows.iter().for_each(|row| self.digest.update(row.to_string()));
    }
}

/// Copies a table and reads it back.
async fn copy(
    file: &MoveOut,
    database: &mut MoveIn,
    table: &'static Table,
    told: impl Fn(u64),
) -> Result<(), MoveError> {
    if table.is_seeded {
        database.clear(table).await.map_err(MoveError::postgres)?;
    }
    let (mut sent, mut arrived) = (Sum::default(), Sum::default());
    let mut given = file.rows(table);
    while let Some(rows) = given.recv().await {
        let rows = rows.map_err(MoveError::File)?;
        sent.add(&rows);
        database.put(table, rows).await.map_err(MoveError::postgres)?;
        told(sent.rows);
    }
    database.read(table).await.map_err(MoveError::postgres)?;
    loop {
        let rows = database.rows(table).await.map_err(MoveError::postgres)?;
        if rows.is_empty() {
            break;
        }
        arrived.add(&rows);
    }
    let (here, there) = (sent.rows, arrived.rows);
    match here == there && sent.digest.finalize() == arrived.digest.finalize() {
        true => Ok(()),
        false => Err(MoveError::Differs { table: table.name, here, there }),
    }
}
