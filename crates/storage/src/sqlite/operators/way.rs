//! The history of an event that became a dead letter.

use cardwire_domain::EventId;
use cardwire_events::Queue;
use cardwire_events::operations::{DeadLetterWay, MAX_STEPS, Step, StepKind};
use rusqlite::{Connection, Row};

use crate::sqlite::dead_letters;
use crate::sqlite::error::Failure;
use crate::sqlite::values::{blob, first, get, get_time, rows, signed, time};

const LETTER: &str = "\
SELECT d.queue, d.tries, d.error, d.dead_at, d.published_at, d.sweeps, e.id, e.type, e.envelope, e.occurred_at
FROM deliveries d JOIN events e ON e.id = d.event_id
WHERE d.queue = ?1 AND d.event_id = ?2 AND d.dead_at IS NOT NULL";

const STEPS: &str = "\
SELECT at, kind, detail FROM delivery_steps WHERE queue = ?1 AND event_id = ?2 ORDER BY id DESC LIMIT ?3";

pub(super) fn of(connection: &Connection, queue: Queue, id: EventId) -> Result<Option<DeadLetterWay>, Failure> {
    let event = blob(id.ulid());
    let way = first(connection, LETTER, &[&queue.name(), &event], |row| {
        Ok(DeadLetterWay {
            letter: dead_letters::read(row)?,
            accepted_at: get_time(row, "occurred_at")?,
            published_at: get::<Option<i64>>(row, "published_at")?.map(time).transpose()?,
            sweeps: get(row, "sweeps")?,
            steps: Vec::new(),
        })
    })?;
    let Some(mut way) = way else { return Ok(None) };
    way.steps = rows(connection, STEPS, &[&queue.name(), &event, &signed(MAX_STEPS)], read)?;
    way.steps.reverse();
    Ok(Some(way))
}

pub(super) fn read(row: &Row<'_>) -> Result<Step, Failure> {
    let name: String = get(row, "kind")?;
    let kind = StepKind::ALL.into_iter().find(|kind| kind.name() == name);
    Ok(Step {
        at: get_time(row, "at")?,
        kind: kind.ok_or_else(|| Failure::Nonsense(format!("{name:?} is stored as a step")))?,
        detail: get(row, "detail")?,
    })
}
