//! People for whom nothing can be published.

use cardwire_domain::records::{FailingPerson, FailingTotals, PublishingState};
use jiff::Timestamp;
use rusqlite::{Connection, Row};

use super::people::{maybe_time, state_of};
use crate::sqlite::error::Failure;
use crate::sqlite::values::{first, get, get_count, rows, signed, user_id};

// Each statement repeats both conditions of the index `record_people_failing`; otherwise it is not used.
const TOTALS: &str = "\
SELECT count(*) AS people,
       coalesce(sum((SELECT count(*) FROM record_owed o WHERE o.person_id = p.person_id)), 0) AS waiting
FROM record_people p WHERE p.state IN ('failing', 'ended') AND p.did IS NOT NULL AND p.state = 'failing'";

const PEOPLE: &str = "\
SELECT p.person_id, p.did, c.service, p.state, p.reason, p.failing_since, p.failures, p.paused_until,
       (SELECT count(*) FROM record_owed o WHERE o.person_id = p.person_id) AS waiting
FROM record_people p LEFT JOIN atproto_connections c ON c.user_id = p.person_id
WHERE p.state IN ('failing', 'ended') AND p.did IS NOT NULL AND p.state = ?1 AND p.person_id > ?2
ORDER BY p.person_id LIMIT ?3";

pub(super) fn totals(connection: &Connection) -> Result<FailingTotals, Failure> {
    let totals =
        |row: &Row<'_>| Ok(FailingTotals { people: get_count(row, "people")?, waiting: get_count(row, "waiting")? });
    Ok(first(connection, TOTALS, &[], totals)?.unwrap_or_default())
}

/// `after` is empty for the first ones.
pub(super) fn people(
    connection: &Connection,
    now: Timestamp,
    state: PublishingState,
    after: &str,
    limit: usize,
) -> Result<Vec<FailingPerson>, Failure> {
    rows(connection, PEOPLE, &[&state.name(), &after, &signed(limit)], |row| read(row, now))
}

fn read(row: &Row<'_>, now: Timestamp) -> Result<FailingPerson, Failure> {
    Ok(FailingPerson {
        person: user_id(&get::<String>(row, "person_id")?)?,
        did: get(row, "did")?,
        service: get(row, "service")?,
        state: state_of(&get::<String>(row, "state")?)?,
        reason: get(row, "reason")?,
        since: maybe_time(row, "failing_since")?,
        attempts: get(row, "failures")?,
        paused_until: maybe_time(row, "paused_until")?.filter(|until| *until > now),
        waiting: get_count(row, "waiting")?,
    })
}
