//! Dead letters: listing them, queueing them again, giving them up.

use cardwire_domain::EventId;
use cardwire_events::operations::StepKind;
use cardwire_events::{DeadFilter, DeadLetter, DeadSelection, Queue};
use jiff::Timestamp;
use rusqlite::{Connection, Row};

use super::error::Failure;
use super::portions::{PORTION, Portion};
use super::steps::note;
use super::values::{blob, event_id, first, get, get_count, get_envelope, get_queue, get_time, rows, run, signed, us};

/// Deliveries of `?1` that are dead and, where they are not NULL, of the type `?2`, with `?3` in a text value and `?4` in the error.
macro_rules! matching {
    () => {
        "FROM deliveries d JOIN events e ON e.id = d.event_id \
         WHERE d.queue = ?1 AND d.dead_at IS NOT NULL \
           AND (?2 IS NULL OR e.type = ?2) \
           AND (?3 IS NULL OR EXISTS ( \
                SELECT 1 FROM json_tree(e.envelope) v \
                WHERE v.type = 'text' AND instr(lower_case(v.atom), ?3) > 0)) \
           AND (?4 IS NULL OR instr(lower_case(d.error), ?4) > 0) "
    };
}

const LIST: &str = concat!(
    "SELECT d.queue, d.tries, d.error, d.dead_at, e.id, e.type, e.envelope, e.occurred_at ",
    matching!(),
    "AND d.event_id > coalesce(?5, x'') ORDER BY d.event_id LIMIT ?6"
);

const COUNT: &str = concat!("SELECT count(*) AS letters ", matching!());

const ONE: &str = concat!("SELECT d.error, e.type ", matching!(), "AND d.event_id = ?5");

const NEXT: &str = "\
SELECT event_id FROM deliveries WHERE queue = ?1 AND dead_at IS NOT NULL AND event_id > coalesce(?2, x'')
ORDER BY event_id LIMIT ?3";

const REDRIVE: &str = "\
UPDATE deliveries SET dead_at = NULL, error = NULL, error_group = NULL, failed_at = NULL, published_at = NULL, due_at = ?3, tries = 0, sweeps = 0
WHERE queue = ?1 AND event_id = ?2";

const DISCARD: &str = "DELETE FROM deliveries WHERE queue = ?1 AND event_id = ?2";

/// The filter's parameters for [`matching`].
struct Texts {
    kind: Option<String>,
    text: Option<String>,
    error: Option<String>,
}

impl Texts {
    fn of(filter: &DeadFilter) -> Self {
        let lower = |text: &Option<String>| text.as_deref().map(str::to_lowercase);
        Self { kind: filter.kind.clone(), text: lower(&filter.text), error: lower(&filter.error) }
    }
}

/// The action on one dead letter.
type Change = fn(&Connection, Timestamp, Queue, EventId) -> Result<(), Failure>;

pub(super) fn redrive(connection: &Connection, now: Timestamp, queue: Queue, id: EventId) -> Result<(), Failure> {
    run(connection, REDRIVE, &[&queue.name(), &blob(id.ulid()), &us(now)])?;
    note(connection, now, queue, id, StepKind::Redriven, "")
}

pub(super) fn discard(connection: &Connection, _: Timestamp, queue: Queue, id: EventId) -> Result<(), Failure> {
    run(connection, DISCARD, &[&queue.name(), &blob(id.ulid())])?;
    Ok(())
}

/// Changes the selected ones, for [`SqliteStore::in_portions`](super::store::SqliteStore::in_portions). Each portion
/// continues after the last letter that was looked at, so letters that die again meanwhile are not met twice.
pub(super) fn each(
    queue: Queue,
    mut which: DeadSelection,
    change: Change,
) -> impl Fn(&Connection, Timestamp, Option<EventId>) -> Result<Portion<EventId>, Failure> {
    if let DeadSelection::Ids(ids) = &mut which {
        ids.sort_unstable();
        ids.dedup();
    }
    move |connection, now, after| {
        let looked_at = next(connection, queue, &which, after)?;
        let mut changed = 0;
        for id in &looked_at {
            if is_meant(connection, queue, &which, *id)? {
                change(connection, now, queue, *id)?;
                changed += 1;
            }
        }
        let is_full = looked_at.len() == PORTION;
        Ok(Portion { changed, next: looked_at.last().copied().filter(|_| is_full) })
    }
}

fn next(
    connection: &Connection,
    queue: Queue,
    which: &DeadSelection,
    after: Option<EventId>,
) -> Result<Vec<EventId>, Failure> {
    if let DeadSelection::Ids(ids) = which {
        let behind = ids.iter().filter(|id| after.is_none_or(|after| **id > after));
        return Ok(behind.take(PORTION).copied().collect());
    }
    let after = after.map(|after| blob(after.ulid()));
    rows(connection, NEXT, &[&queue.name(), &after, &signed(PORTION)], |row| Ok(event_id(get(row, "event_id")?)))
}

fn is_meant(connection: &Connection, queue: Queue, which: &DeadSelection, id: EventId) -> Result<bool, Failure> {
    let filter = match which {
        DeadSelection::Matching(filter) => filter,
        _ => &DeadFilter::default(),
    };
    let Texts { kind, text, error } = Texts::of(filter);
    let values: [&dyn rusqlite::ToSql; 5] = [&queue.name(), &kind, &text, &error, &blob(id.ulid())];
    let found = first(connection, ONE, &values, |row| {
        Ok((get::<Option<String>>(row, "error")?.unwrap_or_default(), get::<String>(row, "type")?))
    })?;
    Ok(found.is_some_and(|(error, kind)| match which {
        DeadSelection::NotUnderstood(kinds) => {
            let unknown = ["unknown event type", "unknown version of event type"];
            unknown.iter().any(|start| error.starts_with(start)) && kinds.contains(&kind)
        }
        // Handled by separate statements, not by these.
        DeadSelection::Group(_) => false,
        _ => true,
    }))
}

pub(super) fn list(
    connection: &Connection,
    queue: Queue,
    filter: &DeadFilter,
    after: Option<EventId>,
    limit: usize,
) -> Result<Vec<DeadLetter>, Failure> {
    let Texts { kind, text, error } = Texts::of(filter);
    let after = after.map(|after| blob(after.ulid()));
    rows(connection, LIST, &[&queue.name(), &kind, &text, &error, &after, &signed(limit)], read)
}

pub(super) fn count(connection: &Connection, queue: Queue, filter: &DeadFilter) -> Result<u64, Failure> {
    let Texts { kind, text, error } = Texts::of(filter);
    let counted = first(connection, COUNT, &[&queue.name(), &kind, &text, &error], |row| get_count(row, "letters"))?;
    Ok(counted.unwrap_or_default())
}

pub(super) fn read(row: &Row<'_>) -> Result<DeadLetter, Failure> {
    Ok(DeadLetter {
        queue: get_queue(row)?,
        envelope: get_envelope(row)?,
        tries: get(row, "tries")?,
        error: get::<Option<String>>(row, "error")?.unwrap_or_default(),
        dead_at: get_time(row, "dead_at")?,
    })
}
