//! Failures by the shape of their errors, and actions on all of one shape; entries that are not events.

use cardwire_domain::EventId;
use cardwire_events::Queue;
use cardwire_events::operations::{FailureGroup, MAX_GROUPS, RejectedEntry, RejectedId};
use jiff::Timestamp;
use rusqlite::{Connection, Row};

use super::error::Failure;
use super::portions::{PORTION, Portion};
use super::values::{blob, event_id, first, get, get_count, get_queue, get_time, rows, signed, us};

/// Counted using only the index of failures; then one row of each group is read.
const GROUPS: &str = "\
WITH grouped AS MATERIALIZED (
    SELECT error_group, count(*) AS failed, count(dead_at) AS dead, min(failed_at) AS first_at, max(failed_at) AS last_at,
           max(event_id) AS example
    FROM deliveries WHERE queue = ?1 AND error_group IS NOT NULL
    GROUP BY error_group ORDER BY failed DESC, error_group LIMIT ?2
)
SELECT g.error_group, g.dead, g.failed - g.dead AS retrying, g.first_at, g.last_at, d.event_id,
       coalesce(d.error, '') AS error, d.dead_at IS NOT NULL AS is_dead
FROM grouped g JOIN deliveries d ON d.event_id = g.example AND d.queue = ?1 ORDER BY g.failed DESC, g.error_group";

const COUNT: &str = "SELECT count(*) AS failed FROM deliveries WHERE queue = ?1 AND error_group = ?2";

/// Of the group, behind `?3`. None that failed after `?4`.
const NEXT: &str = "\
SELECT event_id FROM deliveries
WHERE queue = ?1 AND error_group = ?2 AND event_id > coalesce(?3, x'') AND failed_at <= ?4 ORDER BY event_id LIMIT ?5";

const REJECTED: &str = "\
SELECT id, at, queue, raw, reason FROM rejected_entries
WHERE id < ?1 AND queue IN (SELECT value FROM json_each(?2)) ORDER BY id DESC LIMIT ?3";

/// The action on one event of the group.
type Change = fn(&Connection, Timestamp, Queue, EventId) -> Result<(), Failure>;

/// Where the next portion continues, and when the first one began.
type Place = (EventId, i64);

/// Changes all of the group, for [`SqliteStore::in_portions`](super::store::SqliteStore::in_portions).
pub(super) fn each(
    queue: Queue,
    shape: String,
    change: Change,
) -> impl Fn(&Connection, Timestamp, Option<Place>) -> Result<Portion<Place>, Failure> {
    move |connection, now, place| {
        let (after, begun) = place.unzip();
        let begun = begun.unwrap_or_else(|| us(now));
        let after = after.map(|after: EventId| blob(after.ulid()));
        let values: [&dyn rusqlite::ToSql; 5] = [&queue.name(), &shape, &after, &begun, &signed(PORTION)];
        let found = rows(connection, NEXT, &values, |row| Ok(event_id(get(row, "event_id")?)))?;
        for id in &found {
            change(connection, now, queue, *id)?;
        }
        let is_full = found.len() == PORTION;
        let next = found.last().filter(|_| is_full).map(|last| (*last, begun));
        Ok(Portion { changed: found.len() as u64, next })
    }
}

pub(super) fn groups(connection: &Connection, queue: Queue) -> Result<Vec<FailureGroup>, Failure> {
    rows(connection, GROUPS, &[&queue.name(), &signed(MAX_GROUPS)], read_group)
}

pub(super) fn count(connection: &Connection, queue: Queue, shape: &str) -> Result<u64, Failure> {
    let counted = first(connection, COUNT, &[&queue.name(), &shape], |row| get_count(row, "failed"))?;
    Ok(counted.unwrap_or_default())
}

pub(super) fn rejected(
    connection: &Connection,
    queue: Option<Queue>,
    before: Option<RejectedId>,
    limit: usize,
) -> Result<Vec<RejectedEntry>, Failure> {
    // Skip the queues of newer builds.
    let queues = queue.map_or_else(|| Queue::ALL.map(Queue::name).to_vec(), |queue| vec![queue.name()]);
    let queues = serde_json::to_string(&queues).map_err(|error| Failure::Nonsense(error.to_string()))?;
    let before = before.map_or(i64::MAX, |id| id.0);
    rows(connection, REJECTED, &[&before, &queues, &signed(limit)], read_rejected)
}

fn read_group(row: &Row<'_>) -> Result<FailureGroup, Failure> {
    Ok(FailureGroup {
        shape: get(row, "error_group")?,
        dead: get_count(row, "dead")?,
        retrying: get_count(row, "retrying")?,
        first_at: get_time(row, "first_at")?,
        last_at: get_time(row, "last_at")?,
        example: event_id(get(row, "event_id")?),
        error: get(row, "error")?,
        example_is_dead: get(row, "is_dead")?,
    })
}

fn read_rejected(row: &Row<'_>) -> Result<RejectedEntry, Failure> {
    Ok(RejectedEntry {
        id: RejectedId(get(row, "id")?),
        at: get_time(row, "at")?,
        queue: get_queue(row)?,
        raw: get(row, "raw")?,
        reason: get(row, "reason")?,
    })
}
