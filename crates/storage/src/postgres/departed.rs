//! What is removed from the feed and the counts with a deleted account.

use std::collections::BTreeSet;

use cardwire_domain::{DomainEvent, EventId, RecordedEvent};
use cardwire_events::Queue;

use super::error::Failure;
use super::log::{recorded, take};
use super::pool::Session;
use super::portions::PORTION;
use super::values::{get, get_count};

/// The highest of their positions is stored in the same commit, so that it is not given out again.
const DELETE_ACTIVITIES: &str = "\
WITH gone AS (
    DELETE FROM activities WHERE id = ANY(ARRAY(SELECT id FROM activities WHERE actor_id = ANY($1) LIMIT $2)) RETURNING epoch
), kept AS (
    UPDATE stream_position s SET position = n.position
    FROM (SELECT max(epoch::text::bigint) AS position FROM gone) n WHERE n.position > s.position
)
SELECT count(*) AS gone FROM gone";

/// Days are locked in order, as when counting.
const DELETE_CURATORS: &str = "\
WITH gone AS (
    DELETE FROM daily_curators WHERE user_id = ANY($1) RETURNING day
), less AS MATERIALIZED (
    SELECT day, count(*) AS curators FROM gone GROUP BY day
), held AS MATERIALIZED (
    SELECT t.day FROM daily_totals t WHERE t.day IN (SELECT day FROM less) ORDER BY t.day FOR UPDATE OF t
)
UPDATE daily_totals t SET active_curators = t.active_curators - less.curators
FROM less JOIN held USING (day) WHERE t.day = less.day";

const INDEXED: &str = "SELECT card_id FROM search_documents WHERE owner_id = ANY($1) ORDER BY card_id";

/// The people of the events that report a deleted account.
pub(super) fn people<'a>(events: impl IntoIterator<Item = &'a RecordedEvent>) -> Vec<String> {
    let gone = |event: &RecordedEvent| match &event.event {
        DomainEvent::AccountDeleted { actor_id } => Some(actor_id.to_string()),
        _ => None,
    };
    events.into_iter().filter_map(gone).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Deletes their activities in portions, the last of them together with the events. Returns how many events were still
/// owed.
pub(super) async fn forget_people(session: &mut Session, ids: &[EventId]) -> Result<usize, Failure> {
    let mut events = recorded(session, ids).await?;
    events.retain(|event| matches!(event.event, DomainEvent::AccountDeleted { .. }));
    if events.is_empty() {
        return Ok(0);
    }
    let (ids, people): (Vec<EventId>, _) = (events.iter().map(|event| event.id).collect(), people(&events));
    loop {
        session.start_again();
        session.begin().await?;
        if delete_activities(session, &people).await? {
            session.commit().await?;
            continue;
        }
        let taken = take(session, Queue::Feeds, &ids).await?;
        session.commit().await?;
        return Ok(taken.len());
    }
}

/// Some of them. Returns whether there may be more. In the session's transaction.
pub(super) async fn delete_activities(session: &mut Session, people: &[String]) -> Result<bool, Failure> {
    let rows = session.fetch_all(sqlx::query(DELETE_ACTIVITIES).bind(people).bind(PORTION)).await?;
    let gone = rows.first().map_or(Ok(0), |row| get_count(row, "gone"))?;
    Ok(gone >= PORTION as u64)
}

/// Removes them from every day's active curators. In the session's transaction.
pub(super) async fn delete_curators(session: &mut Session, people: &[String]) -> Result<(), Failure> {
    if !people.is_empty() {
        session.execute(sqlx::query(DELETE_CURATORS).bind(people)).await?;
    }
    Ok(())
}

/// Their cards in the index.
pub(super) async fn indexed(session: &mut Session, people: &[String]) -> Result<Vec<sqlx::types::Uuid>, Failure> {
    if people.is_empty() {
        return Ok(Vec::new());
    }
    let rows = session.fetch_all(sqlx::query(INDEXED).bind(people)).await?;
    rows.iter().map(|row| get(row, "card_id")).collect()
}
