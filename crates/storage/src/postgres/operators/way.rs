//! The history of an event that became a dead letter.

use cardwire_domain::EventId;
use cardwire_events::Queue;
use cardwire_events::operations::{DeadLetterWay, MAX_STEPS, Step, StepKind};
use sqlx::postgres::PgRow;

use crate::postgres::dead_letters;
use crate::postgres::error::Failure;
use crate::postgres::pool::Session;
use crate::postgres::values::{get, get_time, signed, uuid};

const LETTER: &str = "\
SELECT d.queue, d.tries, d.error, d.dead_at, d.published_at, d.sweeps, e.id, e.type, e.envelope, e.occurred_at
FROM deliveries d JOIN events e ON e.id = d.event_id
WHERE d.queue = $1 AND d.event_id = $2 AND d.dead_at IS NOT NULL";

const STEPS: &str = "\
SELECT at, kind, detail FROM delivery_steps WHERE queue = $1 AND event_id = $2 ORDER BY id DESC LIMIT $3";

pub(super) async fn of(session: &mut Session, queue: Queue, id: EventId) -> Result<Option<DeadLetterWay>, Failure> {
    let event = uuid(id.ulid());
    let rows = session.fetch_all(sqlx::query(LETTER).bind(queue.name()).bind(event)).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let published_at: Option<jiff_sqlx::Timestamp> = get(row, "published_at")?;
    let sweeps: i32 = get(row, "sweeps")?;
    let query = sqlx::query(STEPS).bind(queue.name()).bind(event).bind(signed(MAX_STEPS));
    let steps = session.fetch_all(query).await?;
    Ok(Some(DeadLetterWay {
        letter: dead_letters::read(row)?,
        accepted_at: get_time(row, "occurred_at")?,
        published_at: published_at.map(jiff_sqlx::Timestamp::to_jiff),
        sweeps: u32::try_from(sweeps).map_err(|_| Failure::Nonsense(format!("sweeps is {sweeps}")))?,
        steps: steps.iter().rev().map(read).collect::<Result<_, _>>()?,
    }))
}

pub(super) fn read(row: &PgRow) -> Result<Step, Failure> {
    let name: &str = get(row, "kind")?;
    let kind = StepKind::ALL.into_iter().find(|kind| kind.name() == name);
    Ok(Step {
        at: get_time(row, "at")?,
        kind: kind.ok_or_else(|| Failure::Nonsense(format!("{name:?} is stored as a step")))?,
        detail: get(row, "detail")?,
    })
}
