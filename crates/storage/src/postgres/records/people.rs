//! What is stored about people with a repository.

use cardwire_domain::UserId;
use cardwire_domain::records::{PublishingState, Spent};
use jiff::Timestamp;
use sqlx::postgres::PgRow;

use crate::postgres::error::Failure;
use crate::postgres::pool::Session;
use crate::postgres::values::get;

/// An open turn stores nothing any more, but its time still runs: its requests must not arrive during the next one.
const DISCONNECT: [&str; 2] = [
    "UPDATE record_people SET did = NULL, due_at = NULL, lease = NULL WHERE person_id = $1",
    "DELETE FROM record_owed WHERE person_id = $1",
];

/// For an open turn, as above.
const CONNECT: &str = "\
INSERT INTO record_people AS p (person_id, did, due_at) VALUES ($1, $2, now())
ON CONFLICT (person_id) DO UPDATE SET did = $2, is_new = true, state = 'ok', reason = NULL, failures = 0, failing_since = NULL,
    paused_until = NULL, due_at = now(), lease = NULL, connected_at = now()";

/// Records in another repository are out of reach.
const OF_ANOTHER: [&str; 2] = [
    "DELETE FROM records WHERE person_id = $1 AND did <> $2",
    "DELETE FROM record_owed WHERE person_id = $1 AND NOT EXISTS (SELECT FROM record_people p WHERE p.person_id = $1 AND p.did = $2)",
];

/// Whether publishing goes on as it was.
const GOES_ON: &str = "\
SELECT coalesce(did = $2, false) AND state IN ('ok', 'limited') AS goes_on FROM record_people WHERE person_id = $1 FOR UPDATE";

/// An open turn has the old session, so it stores nothing. Its work is due when its time has run out.
const NEXT_TURN: &str = "UPDATE record_people SET lease = NULL WHERE person_id = $1 AND lease IS NOT NULL";

/// In the transaction that connects them.
pub(in crate::postgres) async fn connect(session: &mut Session, person: &str, did: &str) -> Result<(), Failure> {
    let rows = session.fetch_all(sqlx::query(GOES_ON).bind(person).bind(did)).await?;
    if rows.first().map(|row| get::<bool>(row, "goes_on")).transpose()? == Some(true) {
        session.execute(sqlx::query(NEXT_TURN).bind(person)).await?;
        return Ok(());
    }
    for sql in OF_ANOTHER {
        session.execute(sqlx::query(sql).bind(person).bind(did)).await?;
    }
    session.execute(sqlx::query(CONNECT).bind(person).bind(did)).await?;
    Ok(())
}

/// In the transaction that disconnects them.
pub(in crate::postgres) async fn disconnect(session: &mut Session, person: &UserId) -> Result<(), Failure> {
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

pub(super) fn state_of(name: &str) -> Result<PublishingState, Failure> {
    let known = PublishingState::ALL.into_iter().find(|state| state.name() == name);
    known.ok_or_else(|| Failure::Nonsense(format!("{name:?} is stored as a state")))
}
