//! What happened to an event on its way to a queue, step by step.

use cardwire_domain::EventId;
use cardwire_events::Queue;
use cardwire_events::operations::StepKind;
use jiff::Timestamp;
use rusqlite::Connection;

use super::error::Failure;
use super::values::{blob, first, get, run, us};

const NOTE: &str = "INSERT INTO delivery_steps (queue, event_id, at, kind, detail) VALUES (?1, ?2, ?3, ?4, ?5)";

const LAST_STEP: &str =
    "SELECT id, kind FROM delivery_steps WHERE queue = ?1 AND event_id = ?2 ORDER BY id DESC LIMIT 1";

pub(super) fn note(
    connection: &Connection,
    at: Timestamp,
    queue: Queue,
    id: EventId,
    kind: StepKind,
    detail: &str,
) -> Result<(), Failure> {
    run(connection, NOTE, &[&queue.name(), &blob(id.ulid()), &us(at), &kind.name(), &detail])?;
    Ok(())
}

/// The step of an attempt that was counted before it was made and has not ended.
pub(super) fn open_attempt(connection: &Connection, queue: Queue, id: EventId) -> Result<Option<i64>, Failure> {
    let last = first(connection, LAST_STEP, &[&queue.name(), &blob(id.ulid())], |row| {
        Ok((get::<i64>(row, "id")?, get::<String>(row, "kind")?))
    })?;
    Ok(last.filter(|(_, kind)| kind == StepKind::RunAfterLoss.name()).map(|(step, _)| step))
}
