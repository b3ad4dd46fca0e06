//! The live feed: activities in the order in which they were committed, by their position.
//!
//! One transaction writes at a time, so positions follow the order of commits, and nothing can appear later in front of
//! what a reader has seen.

use cardwire_domain::feed::{FeedItem, StreamCursor};
use cardwire_domain::{ActivityId, Result};
use rusqlite::Connection;
use ulid::Ulid;

use super::error::Failure;
use super::feed::{read_item, select_items};
use super::store::SqliteStore;
use super::values::{first, get_count, rows, signed};

const STREAM: &str = select_items!("AND a.position > ?2 ORDER BY a.position LIMIT ?1");

impl SqliteStore {
    pub(super) async fn end_of_stream(&self) -> Result<StreamCursor> {
        let last = self.read(|connection, _| last_position(connection)).await?;
        Ok(StreamCursor { epoch: last, id: ActivityId::from_ulid(Ulid::nil()) })
    }

    pub(super) async fn stream_behind(
        &self,
        after: StreamCursor,
        limit: usize,
    ) -> Result<Vec<(StreamCursor, FeedItem)>> {
        // A reader may send any number.
        let position = i64::try_from(after.epoch).unwrap_or(i64::MAX);
        let read = self.read(move |connection, _| {
            rows(connection, STREAM, &[&signed(limit), &position], |row| {
                let item = read_item(connection, row)?;
                Ok((StreamCursor { epoch: get_count(row, "position")?, id: item.id }, item))
            })
        });
        Ok(read.await?)
    }
}

/// The last one given out, although its activity may be gone.
fn last_position(connection: &Connection) -> Result<u64, Failure> {
    let last = first(connection, "SELECT position FROM stream_position", &[], |row| get_count(row, "position"))?;
    Ok(last.unwrap_or(0))
}
