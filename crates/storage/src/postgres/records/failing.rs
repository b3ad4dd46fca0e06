//! People for whom nothing can be published.

use cardwire_domain::UserId;
use cardwire_domain::records::{FailingPerson, FailingTotals, PublishingState};
use sqlx::postgres::PgRow;

use super::people::{maybe_time, state_of};
use crate::postgres::error::Failure;
use crate::postgres::pool::Session;
use crate::postgres::values::{get, get_count, get_time, signed, user_id};

// Each statement repeats both conditions of the index `record_people_failing`, so that it is used for any state.
const TOTALS: &str = "\
SELECT count(*) AS people, coalesce(sum(o.waiting), 0)::bigint AS waiting FROM record_people p
CROSS JOIN LATERAL (SELECT count(*) AS waiting FROM record_owed WHERE person_id = p.person_id) o
WHERE p.state IN ('failing', 'ended') AND p.did IS NOT NULL AND p.state = 'failing'";

const PEOPLE: &str = "\
SELECT p.person_id, p.did, c.service, p.state, p.reason, p.failing_since, p.failures, p.paused_until, now() AS now,
       (SELECT count(*) FROM record_owed o WHERE o.person_id = p.person_id) AS waiting
FROM record_people p LEFT JOIN atproto_connections c ON c.user_id = p.person_id
WHERE p.state IN ('failing', 'ended') AND p.did IS NOT NULL AND p.state = $1 AND p.person_id > $2
ORDER BY p.person_id LIMIT $3";

pub(super) async fn totals(session: &mut Session) -> Result<FailingTotals, Failure> {
    let rows = session.fetch_all(sqlx::query(TOTALS)).await?;
    let totals = |row: &PgRow| {
        Ok::<_, Failure>(FailingTotals { people: get_count(row, "people")?, waiting: get_count(row, "waiting")? })
    };
    Ok(rows.first().map(totals).transpose()?.unwrap_or_default())
}

pub(super) async fn people(
    session: &mut Session,
    state: PublishingState,
    after: Option<&UserId>,
    limit: usize,
) -> Result<Vec<FailingPerson>, Failure> {
    // No id is empty.
    let after = after.map_or("", UserId::as_str);
    let query = sqlx::query(PEOPLE).bind(state.name()).bind(after).bind(signed(limit));
    session.fetch_all(query).await?.iter().map(read).collect()
}

fn read(row: &PgRow) -> Result<FailingPerson, Failure> {
    let now = get_time(row, "now")?;
    Ok(FailingPerson {
        person: user_id(get(row, "person_id")?)?,
        did: get(row, "did")?,
        service: get(row, "service")?,
        state: state_of(get(row, "state")?)?,
        reason: get(row, "reason")?,
        since: maybe_time(row, "failing_since")?,
        attempts: u32::try_from(get::<i32>(row, "failures")?).unwrap_or_default(),
        paused_until: maybe_time(row, "paused_until")?.filter(|until| *until > now),
        waiting: get_count(row, "waiting")?,
    })
}
