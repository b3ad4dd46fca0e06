//! What is stored about people with a repository.

use cardwire_domain::UserId;
use cardwire_domain::records::{PublishingState, Spent};
use jiff::Timestamp;
use rusqlite::{Connection, Row};

use crate::sqlite::error::Failure;
use crate::sqlite::values::{first, get, run, time, us};

/// An open turn stores nothing any more, but its time still runs: its requests must not arrive during the next one.
const DISCONNECT: [&str; 2] = [
    "UPDATE record_people SET did = NULL, due_at = NULL, lease = NULL WHERE person_id = ?1",
    "DELETE FROM record_owed WHERE person_id = ?1",
];

/// For an open turn, as above.
const CONNECT: &str = "\
INSERT INTO record_people (person_id, did, due_at, connected_at) VALUES (?1, ?2, ?3, ?3)
ON CONFLICT (person_id) DO UPDATE SET did = excluded.did, is_new = 1, state = 'ok', reason = NULL, failures = 0, failing_since = NULL,
    paused_until = NULL, due_at = excluded.due_at, lease = NULL, connected_at = excluded.connected_at";

/// Records in another repository are out of reach.
const OF_ANOTHER: [&str; 2] = [
    "DELETE FROM records WHERE person_id = ?1 AND did <> ?2",
    "DELETE FROM record_owed WHERE person_id = ?1 AND NOT EXISTS (SELECT 1 FROM record_people p WHERE p.person_id = ?1 AND p.did = ?2)",
];

/// There is a row if publishing goes on as it was.
const GOES_ON: &str = "SELECT 1 FROM record_people WHERE person_id = ?1 AND did = ?2 AND state IN ('ok', 'limited')";

/// An open turn has the old session, so it stores nothing. Its work is due when its time has run out.
const NEXT_TURN: &str = "UPDATE record_people SET lease = NULL WHERE person_id = ?1 AND lease IS NOT NULL";

/// In the transaction that connects them.
pub(in crate::sqlite) fn connect(sql: &Connection, person: &str, did: &str, now: Timestamp) -> Result<(), Failure> {
    if first(sql, GOES_ON, &[&person, &did], |_| Ok(()))?.is_some() {
        return run(sql, NEXT_TURN, &[&person]).map(drop);
    }
    for of_another in OF_ANOTHER {
        run(sql, of_another, &[&person, &did])?;
    }
    run(sql, CONNECT, &[&person, &did, &us(now)]).map(drop)
}

/// In the transaction that disconnects them.
pub(in crate::sqlite) fn disconnect(connection: &Connection, person: &UserId) -> Result<(), Failure> {
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

pub(super) fn state_of(name: &str) -> Result<PublishingState, Failure> {
    let known = PublishingState::ALL.into_iter().find(|state| state.name() == name);
    known.ok_or_else(|| Failure::Nonsense(format!("{name:?} is stored as a state")))
}
