//! What operators see and do.

mod audit;
mod finding;
mod history;
mod latency;
mod rebuild;
pub(super) mod replay;
mod way;

use async_trait::async_trait;
use cardwire_domain::{EventId, UserId};
use cardwire_events::operations::{
    Action, AuditEntry, AuditId, DeadLetterWay, DoneBy, FailureGroup, NewEntry, Operator, Pause, RejectedEntry,
    RejectedId,
};
use cardwire_events::{DeadFilter, DeadLetter, DeadSelection, Queue, Result};
use jiff::Timestamp;
use rusqlite::{Connection, Row};

pub(super) use self::history::add_work;
use super::error::Failure;
use super::leaving::leaves;
use super::portions::{PORTION, Portion};
use super::store::SqliteStore;
use super::values::{blob, event_id, get, get_queue, get_time, rows, run, signed, us, user_id};
use super::{dead_letters, failures};
use crate::departed::NOBODY;

const PAUSE: &str = "\
INSERT INTO queue_pauses (queue, paused_at, person, reason) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (queue) DO UPDATE SET paused_at = excluded.paused_at, person = excluded.person, reason = excluded.reason,
                                  resumed_at = NULL
WHERE queue_pauses.paused_at IS NULL";

const RESUME: &str = "\
UPDATE queue_pauses SET paused_at = NULL, person = NULL, reason = NULL, resumed_at = ?2
WHERE queue = ?1 AND paused_at IS NOT NULL";

/// What is owed, after `?2`. The plus makes SQLite use the primary key, which has this order, and not the due time.
const NEXT_OWED: &str = "\
SELECT event_id, published_at IS NOT NULL OR due_at > ?3 AS waits FROM deliveries
WHERE +queue = ?1 AND dead_at IS NULL AND event_id > coalesce(?2, x'') ORDER BY event_id LIMIT ?4";

const REDELIVER: &str = "UPDATE deliveries SET published_at = NULL, due_at = ?3 WHERE queue = ?1 AND event_id = ?2";

const PAUSES: &str =
    "SELECT queue, paused_at, person, reason FROM queue_pauses WHERE paused_at IS NOT NULL ORDER BY queue";

#[async_trait]
impl Operator for SqliteStore {
    async fn act(&self, by: &UserId, action: &Action) -> Result<u64> {
        let entry = action.entry();
        let queue = entry.queue;
        let affected = match action.clone() {
            Action::Redrive { queue, which: DeadSelection::Group(shape) } => {
                self.audited(by, entry, failures::each(queue, shape, dead_letters::redrive)).await?
            }
            Action::Discard { queue, which: DeadSelection::Group(shape) } => {
                self.audited(by, entry, failures::each(queue, shape, dead_letters::discard)).await?
            }
            Action::Redrive { queue, which } => {
                self.audited(by, entry, dead_letters::each(queue, which, dead_letters::redrive)).await?
            }
            Action::Discard { queue, which } => {
                self.audited(by, entry, dead_letters::each(queue, which, dead_letters::discard)).await?
            }
            Action::Pause { queue, reason } => {
                let person = by.clone();
                let pause = move |connection: &Connection, now, _| {
                    let person = named(connection, &person)?;
                    at_once(run(connection, PAUSE, &[&queue.name(), &us(now), &person, &reason])?)
                };
                self.audited(by, entry, pause).await?
            }
            Action::Resume { queue } => {
                let resume = move |connection: &Connection, now, _| {
                    at_once(run(connection, RESUME, &[&queue.name(), &us(now)])?)
                };
                self.audited(by, entry, resume).await?
            }
            Action::Redeliver { queue } => {
                let again = move |connection: &Connection, now, after| redeliver(connection, now, queue, after);
                self.audited(by, entry, again).await?
            }
        };
        if affected > 0 {
            queue.into_iter().for_each(|queue| self.handover.ring(queue));
        }
        Ok(affected)
    }

    async fn begin(&self, by: &DoneBy, entry: &NewEntry) -> Result<AuditId> {
        let (by, entry) = (by.clone(), entry.clone());
        Ok(self.write(move |connection, now| audit::insert(connection, now, &by, &entry, 0, false)).await?)
    }

    async fn complete(&self, id: AuditId, affected: u64) -> Result<()> {
        Ok(self.write(move |connection, now| audit::add(connection, now, id, affected, true)).await?)
    }

    async fn audit(&self, before: Option<AuditId>, limit: usize) -> Result<Vec<AuditEntry>> {
        Ok(self.read(move |connection, _| audit::list(connection, before, limit)).await?)
    }

    async fn matching(
        &self,
        queue: Queue,
        filter: &DeadFilter,
        after: Option<EventId>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>> {
        let filter = filter.clone();
        Ok(self.read(move |connection, _| dead_letters::list(connection, queue, &filter, after, limit)).await?)
    }

    async fn count_matching(&self, queue: Queue, filter: &DeadFilter) -> Result<u64> {
        let filter = filter.clone();
        Ok(self.read(move |connection, _| dead_letters::count(connection, queue, &filter)).await?)
    }

    async fn failures(&self, queue: Queue) -> Result<Vec<FailureGroup>> {
        Ok(self.read(move |connection, _| failures::groups(connection, queue)).await?)
    }

    async fn count_group(&self, queue: Queue, shape: &str) -> Result<u64> {
        let shape = shape.to_owned();
        Ok(self.read(move |connection, _| failures::count(connection, queue, &shape)).await?)
    }

    async fn rejected(
        &self,
        queue: Option<Queue>,
        before: Option<RejectedId>,
        limit: usize,
    ) -> Result<Vec<RejectedEntry>> {
        Ok(self.read(move |connection, _| failures::rejected(connection, queue, before, limit)).await?)
    }

    async fn way(&self, queue: Queue, id: EventId) -> Result<Option<DeadLetterWay>> {
        Ok(self.read(move |connection, _| way::of(connection, queue, id)).await?)
    }

    async fn pauses(&self) -> Result<Vec<Pause>> {
        // Skip the queues of newer builds.
        let pauses = |connection: &Connection, _| {
            rows(connection, PAUSES, &[], |row| get_queue(row).ok().map(|queue| read_pause(queue, row)).transpose())
        };
        Ok(self.read(pauses).await?.into_iter().flatten().collect())
    }
}

/// The name of this person in the tables: nobody, if their account is deleted meanwhile.
fn named<'a>(connection: &Connection, person: &'a UserId) -> Result<&'a str, Failure> {
    Ok(if leaves(connection, person)? { NOBODY } else { person.as_str() })
}

/// Of what is a single portion.
fn at_once(changed: usize) -> Result<Portion<()>, Failure> {
    Ok(Portion { changed: changed as u64, next: None })
}

/// Makes what is owed and not dead due and unpublished.
fn redeliver(
    connection: &Connection,
    now: Timestamp,
    queue: Queue,
    after: Option<EventId>,
) -> Result<Portion<EventId>, Failure> {
    let after = after.map(|after| blob(after.ulid()));
    let owed = rows(connection, NEXT_OWED, &[&queue.name(), &after, &us(now), &signed(PORTION)], |row| {
        Ok((event_id(get(row, "event_id")?), get::<bool>(row, "waits")?))
    })?;
    let mut changed = 0;
    for (id, _) in owed.iter().filter(|(_, waits)| *waits) {
        run(connection, REDELIVER, &[&queue.name(), &blob(id.ulid()), &us(now)])?;
        changed += 1;
    }
    let is_full = owed.len() == PORTION;
    Ok(Portion { changed, next: owed.last().filter(|_| is_full).map(|(id, _)| *id) })
}

fn read_pause(queue: Queue, row: &Row<'_>) -> Result<Pause, Failure> {
    let person: Option<String> = get(row, "person")?;
    Ok(Pause {
        queue,
        since: get_time(row, "paused_at")?,
        by: user_id(&person.unwrap_or_default())?,
        reason: get(row, "reason")?,
    })
}
