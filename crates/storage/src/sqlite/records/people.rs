//! What is kept of those who have a repository.

use cardwire_domain::UserId;
use cardwire_domain::records::Spent;
use jiff::Timestamp;
use rusqlite::{Connection, Row};

use crate::sqlite::error::Failure;
use crate::sqlite::values::{get, run, time};

const DISCONNECT: [&str; 2] = [
    "UPDATE record_people SET did = NULL, due_at = NULL, lease = NULL, leased_until = NULL WHERE person_id = ?1",
    "DELETE FROM record_owed WHERE person_id = ?1",
];

pub(super) fn disconnect(connection: &Connection, person: &UserId) -> Result<(), Failure> {
    DISCONNECT.iter().try_for_each(|sql| run(connection, sql, &[&person.as_str()]).map(drop))
}

pub(super) fn maybe_time(row: &Row<'_>, column: &str) -> Result<Option<Timestamp>, Failure> {
    get::<Option<i64>>(row, column)?.map(time).transpose()
}

pub(super) fn spent(row: &Row<'_>) -> Result<Spent, Failure> {
    Ok(Spent {
        hour_at: maybe_time(row, "hour_at")?,
        hour: get(row, "hour_points")?,
        day_at: maybe_time(row, "day_at")?,
        day: get(row, "day_points")?,
    })
}
