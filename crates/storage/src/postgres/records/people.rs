//! What is kept of those who have a repository.

use cardwire_domain::UserId;
use cardwire_domain::records::Spent;
use jiff::Timestamp;
use sqlx::postgres::PgRow;

use crate::postgres::error::Failure;
use crate::postgres::pool::Session;
use crate::postgres::values::get;

const DISCONNECT: [&str; 2] = [
    "UPDATE record_people SET did = NULL, due_at = NULL, lease = NULL, leased_until = NULL WHERE person_id = $1",
    "DELETE FROM record_owed WHERE person_id = $1",
];

pub(super) async fn disconnect(session: &mut Session, person: &UserId) -> Result<(), Failure> {
    for sql in DISCONNECT {
        session.execute(sqlx::query(sql).bind(person.as_str())).await?;
    }
    Ok(())
}

pub(super) fn maybe_time(row: &PgRow, column: &str) -> Result<Option<Timestamp>, Failure> {
    Ok(get::<Option<jiff_sqlx::Timestamp>>(row, column)?.map(jiff_sqlx::Timestamp::to_jiff))
}

pub(super) fn spent(row: &PgRow) -> Result<Spent, Failure> {
    let points = |column: &str| Ok::<_, Failure>(u32::try_from(get::<i32>(row, column)?).unwrap_or_default());
    Ok(Spent {
        hour_at: maybe_time(row, "hour_at")?,
        hour: points("hour_points")?,
        day_at: maybe_time(row, "day_at")?,
        day: points("day_points")?,
    })
}
