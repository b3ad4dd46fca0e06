//! The sending end of a move to PostgreSQL.

use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::error::Failure;
use super::file::{Data, OpenError, Place};
use crate::moving::{Column, Kind, Table};

/// The file, opened by nobody else.
pub(crate) struct MoveOut {
    connection: Arc<Mutex<Connection>>,
    /// Keeps others out.
    _data: Data,
}

impl MoveOut {
    pub(crate) fn open(path: &Path, now_us: i64) -> Result<Self, OpenError> {
        let place = Place::File(path.to_owned());
        if !path.exists() {
            return Err(OpenError::Unfit { path: path.to_owned(), why: "there is no such file".into() });
        }
        let data = Data::open(place, now_us)?;
        Ok(Self { connection: Arc::new(Mutex::new(data.reader()?)), _data: data })
    }

    pub(crate) fn count(&self, table: &str) -> Result<u64, String> {
        let sql = format!("SELECT count(*) FROM {table}");
        let count: Result<i64, _> = self.connection.lock().query_row(&sql, [], |row| row.get(0));
        count.map(i64::unsigned_abs).map_err(|error| error.to_string())
    }

    /// All rows in portions, in the order of the table's key. Each row is a list of its columns.
    pub(crate) fn rows(&self, table: &'static Table) -> mpsc::Receiver<Result<Vec<Value>, String>> {
        let (give, given) = mpsc::channel(2);
        let connection = Arc::clone(&self.connection);
        spawn_blocking(move || {
            if let Err(error) = send(&connection.lock(), table, &give) {
                // The caller may be gone.
                let _ = give.blocking_send(Err(error.to_string()));
            }
        });
        given
    }
}

fn send(
    connection: &Connection,
    table: &Table,
    give: &mpsc::Sender<Result<Vec<Value>, String>>,
) -> Result<(), Failure> {
    let columns: Vec<&str> = table.columns.iter().map(|column| column.here.unwrap_or(column.name)).collect();
    let sql = format!("SELECT {} FROM {} ORDER BY {}", columns.join(", "), table.name, table.key);
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query([])?;
    let portion = table.portion;
    let mut portion_of_rows = Vec::with_capacity(portion);
    while let Some(row) = rows.next()? {
        let values = table.columns.iter().enumerate().map(|(at, column)| value(row.get_ref(at)?, column));
        portion_of_rows.push(Value::Array(values.collect::<Result<_, Failure>>()?));
        if portion_of_rows.len() == portion && give.blocking_send(Ok(std::mem::take(&mut portion_of_rows))).is_err() {
            return Ok(());
        }
    }
    let _ = give.blocking_send(Ok(portion_of_rows));
    Ok(())
}

fn value(stored: ValueRef<'_>, column: &Column) -> Result<Value, Failure> {
    let nonsense = |why: &str| Failure::Nonsense(format!("{}: {why}", column.name));
    Ok(match stored {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => json!(number),
        ValueRef::Blob(bytes) => Value::String(bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
        ValueRef::Text(text) => {
            let text = std::str::from_utf8(text).map_err(|_| nonsense("is no text"))?;
            match column.kind {
                Kind::Json | Kind::BytesList | Kind::IdList | Kind::TimeList => {
                    serde_json::from_str(text).map_err(|_| nonsense("is no JSON"))?
                }
                _ => Value::String(text.to_owned()),
            }
        }
        ValueRef::Real(_) => return Err(nonsense("is a fraction")),
    })
}
