//! What tests read and change without using the ports. Nothing in a deployment calls it.

use cardwire_domain::EventId;
use cardwire_events::{Envelope, Queue, Result};
use jiff::Timestamp;
use rusqlite::{Connection, Row};

use super::store::SqliteStore;
use super::values::{blob, first, get, get_envelope, get_queue, get_time, rows, run, us};

/// A queue entry that was not an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedEntry {
    pub queue: Queue,
    /// Cut after 4,096 characters.
    pub raw: String,
    pub reason: String,
    pub rejected_at: Timestamp,
}

impl SqliteStore {
    /// The entries that were not events, oldest first: the last 1,000.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn rejected_entries(&self) -> Result<Vec<RejectedEntry>> {
        let sql = "SELECT queue, raw, reason, at FROM rejected_entries ORDER BY id";
        let read = |row: &Row<'_>| {
            Ok(RejectedEntry {
                queue: get_queue(row)?,
                raw: get(row, "raw")?,
                reason: get(row, "reason")?,
                rejected_at: get_time(row, "at")?,
            })
        };
        Ok(self.read(move |connection, _| rows(connection, sql, &[], read)).await?)
    }

    /// Whether a look would find something, for tests that break only such looks.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn is_due(&self, queue: Queue) -> Result<bool> {
        let sql = "SELECT 1 FROM deliveries WHERE queue = ?1 AND dead_at IS NULL AND due_at <= ?2 LIMIT 1";
        let is_due = move |connection: &Connection, now| {
            Ok(first(connection, sql, &[&queue.name(), &us(now)], |_| Ok(()))?.is_some())
        };
        Ok(self.read(is_due).await?)
    }

    /// Changes the time of an event: the times of events decide what makes one activity.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn redate(&self, id: EventId, time: Timestamp) -> Result<()> {
        let sql = "UPDATE events SET occurred_at = ?2, envelope = json_set(envelope, '$.time', ?3) WHERE id = ?1";
        let redate = move |connection: &Connection, _| {
            run(connection, sql, &[&blob(id.ulid()), &us(time), &time.to_string()])?;
            Ok(())
        };
        Ok(self.write(redate).await?)
    }

    /// Changes the type of an event, to one that a later release wrote.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn retype(&self, id: EventId, kind: &str) -> Result<()> {
        let kind = kind.to_owned();
        let sql = "UPDATE events SET type = ?2, envelope = json_set(envelope, '$.type', ?2) WHERE id = ?1";
        let retype = move |connection: &Connection, _| {
            run(connection, sql, &[&blob(id.ulid()), &kind])?;
            Ok(())
        };
        Ok(self.write(retype).await?)
    }

    /// Marks every card's URL as read by the first rules.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn outdate_cards(&self) -> Result<()> {
        let outdate = |connection: &Connection, _| {
            run(connection, "UPDATE cards SET identity_version = 0", &[])?;
            Ok(())
        };
        Ok(self.write(outdate).await?)
    }

    /// Lets the file grow by at most this many pages, as if its disk were nearly full.
    ///
    /// # Errors
    /// When SQLite refuses.
    pub async fn leave_room_for(&self, pages: i64) -> Result<()> {
        let limit = move |connection: &Connection, _| {
            let used: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
            connection.pragma_update_and_check(None, "max_page_count", used + pages, |_| Ok(()))?;
            Ok(())
        };
        Ok(self.write(limit).await?)
    }

    /// The columns of all tables, including those of FTS5, that contain this text: `table.column`.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn columns_holding(&self, text: &str) -> Result<Vec<String>> {
        let text = text.to_owned();
        let columns = "SELECT m.name AS \"table\", c.name AS \"column\" FROM sqlite_schema m JOIN pragma_table_info(m.name) c \
                       WHERE m.type = 'table' ORDER BY 1, 2";
        let look = move |connection: &Connection, _| {
            let all = rows(connection, columns, &[], |row| {
                Ok((get::<String>(row, "table")?, get::<String>(row, "column")?))
            })?;
            let mut holding = Vec::new();
            for (table, column) in all {
                let sql = format!(
                    "SELECT 1 FROM \"{table}\" WHERE instr(CAST(\"{column}\" AS BLOB), CAST(?1 AS BLOB)) > 0 LIMIT 1"
                );
                if first(connection, &sql, &[&text], |_| Ok(()))?.is_some() {
                    holding.push(format!("{table}.{column}"));
                }
            }
            Ok(holding)
        };
        Ok(self.read(look).await?)
    }

    /// All stored events, in the order of their ids.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn events(&self) -> Result<Vec<Envelope>> {
        let sql = "SELECT id, type, envelope, occurred_at FROM events ORDER BY id";
        Ok(self.read(move |connection, _| rows(connection, sql, &[], get_envelope)).await?)
    }
}
