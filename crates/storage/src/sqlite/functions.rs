//! Our functions for SQL, besides SQLite's own.

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;

use crate::page_keys::page_key;

pub(super) const DAY_US: i64 = 86_400_000_000;

pub(super) fn define(connection: &Connection) -> rusqlite::Result<()> {
    let pure = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    // The UTC day of a time: SQLite's division would count days before 1970 twice.
    connection.create_scalar_function("utc_day", 1, pure, |call| {
        Ok(call.get::<Option<i64>>(0)?.map(|us| us.div_euclid(DAY_US)))
    })?;
    // The key of the owner's private page, from the URL's digest.
    connection.create_scalar_function("own_page", 2, pure, |call| {
        Ok(page_key(&call.get::<Vec<u8>>(0)?, Some(&call.get::<String>(1)?)))
    })?;
    // SQLite's own only handles ASCII.
    connection.create_scalar_function("lower_case", 1, pure, |call| {
        Ok(call.get::<Option<String>>(0)?.map(|text| text.to_lowercase()))
    })
}
