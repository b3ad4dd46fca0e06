//! What operators see and do.

mod audit;
mod finding;
mod history;
mod latency;
mod rebuild;
mod replay;
mod way;

use async_trait::async_trait;
use cardwire_domain::{EventId, UserId};
use cardwire_events::operations::{
    Action, AuditEntry, AuditId, DeadLetterWay, DoneBy, FailureGroup, NewEntry, Operator, Pause, RejectedEntry,
    RejectedId,
};
use cardwire_events::{DeadFilter, DeadLetter, DeadSelection, Queue, Result};
use sqlx::postgres::PgRow;

pub(super) use self::replay::is_replaying;
use super::dead_letters::{DISCARD, REDRIVE, Selected};
use super::error::Failure;
use super::failures::{DISCARD_GROUP, RETRY_GROUP, change};
use super::leaving::nobody_leaves;
use super::portions::PORTION;
use super::store::PostgresStore;
use super::values::{get, get_queue, get_time, user_id};
use crate::departed::NOBODY;

/// By nobody, `$4`, if the person's account is deleted meanwhile.
const PAUSE: &str = concat!(
    "INSERT INTO queue_pauses (queue, paused_at, person, reason) SELECT $1, now(), CASE WHEN ",
    nobody_leaves!("ARRAY[$2]"),
    " THEN $2 ELSE $4 END, $3 \
     ON CONFLICT (queue) DO UPDATE SET paused_at = now(), person = excluded.person, reason = excluded.reason, resumed_at = NULL \
     WHERE queue_pauses.paused_at IS NULL"
);

const RESUME: &str = "\
UPDATE queue_pauses SET paused_at = NULL, person = NULL, reason = NULL, resumed_at = now()
WHERE queue = $1 AND paused_at IS NOT NULL";

/// Those published after `$2` have been published again already. A locked one is being processed.
const REDELIVER: &str = "\
WITH owed AS (
    SELECT event_id FROM deliveries
    WHERE queue = $1 AND dead_at IS NULL AND (published_at <= $2 OR (published_at IS NULL AND due_at > now()))
    ORDER BY event_id LIMIT $3 FOR UPDATE SKIP LOCKED
)
UPDATE deliveries d SET published_at = NULL, due_at = now()
FROM owed WHERE d.queue = $1 AND d.event_id = owed.event_id";

#[async_trait]
impl Operator for PostgresStore {
    async fn act(&self, by: &UserId, action: &Action) -> Result<u64> {
        let entry = action.entry();
        let affected = match action {
            Action::Redrive { queue, which: DeadSelection::Group(shape) } => {
                let until = self.server_time().await?;
                self.audited(by, &entry, || change(RETRY_GROUP, *queue, shape, until)).await?
            }
            Action::Discard { queue, which: DeadSelection::Group(shape) } => {
                let until = self.server_time().await?;
                self.audited(by, &entry, || change(DISCARD_GROUP, *queue, shape, until)).await?
            }
            Action::Redrive { queue, which } => {
                let selected = Selected::of(*queue, which, self.server_time().await?);
                self.audited(by, &entry, || selected.query(REDRIVE)).await?
            }
            Action::Discard { queue, which } => {
                let selected = Selected::of(*queue, which, self.server_time().await?);
                self.audited(by, &entry, || selected.query(DISCARD)).await?
            }
            Action::Pause { queue, reason } => {
                let pause = || sqlx::query(PAUSE).bind(queue.name()).bind(by.as_str()).bind(reason).bind(NOBODY);
                self.audited(by, &entry, pause).await?
            }
            Action::Resume { queue } => self.audited(by, &entry, || sqlx::query(RESUME).bind(queue.name())).await?,
            Action::Redeliver { queue } => {
                let now = self.server_time().await?;
                let again = || sqlx::query(REDELIVER).bind(queue.name()).bind(now).bind(PORTION);
                self.audited(by, &entry, again).await?
            }
        };
        if affected > 0 {
            entry.queue.into_iter().for_each(|queue| self.handover.ring(queue));
        }
        Ok(affected)
    }

    async fn begin(&self, by: &DoneBy, entry: &NewEntry) -> Result<AuditId> {
        Ok(audit::insert(&mut self.session().await?, by, entry, 0, false).await?)
    }

    async fn complete(&self, id: AuditId, affected: u64) -> Result<()> {
        Ok(audit::add(&mut self.session().await?, id, affected, true).await?)
    }

    async fn audit(&self, before: Option<AuditId>, limit: usize) -> Result<Vec<AuditEntry>> {
        Ok(audit::list(&mut self.session().await?, before, limit).await?)
    }

    async fn matching(
        &self,
        queue: Queue,
        filter: &DeadFilter,
        after: Option<EventId>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>> {
        Ok(self.list_dead(queue, filter, after, limit).await?)
    }

    async fn count_matching(&self, queue: Queue, filter: &DeadFilter) -> Result<u64> {
        Ok(self.count_dead(queue, filter).await?)
    }

    async fn failures(&self, queue: Queue) -> Result<Vec<FailureGroup>> {
        Ok(self.groups(queue).await?)
    }

    async fn count_group(&self, queue: Queue, shape: &str) -> Result<u64> {
        Ok(self.count_failed(queue, shape).await?)
    }

    async fn rejected(
        &self,
        queue: Option<Queue>,
        before: Option<RejectedId>,
        limit: usize,
    ) -> Result<Vec<RejectedEntry>> {
        Ok(self.list_rejected(queue, before, limit).await?)
    }

    async fn way(&self, queue: Queue, id: EventId) -> Result<Option<DeadLetterWay>> {
        Ok(way::of(&mut self.session().await?, queue, id).await?)
    }

    async fn pauses(&self) -> Result<Vec<Pause>> {
        let sql =
            "SELECT queue, paused_at, person, reason FROM queue_pauses WHERE paused_at IS NOT NULL ORDER BY queue";
        let rows = self.session().await?.fetch_all(sqlx::query(sql)).await?;
        // Skip the queues of newer builds.
        let known = rows.iter().filter(|row| get_queue(row).is_ok());
        Ok(known.map(read_pause).collect::<Result<_, Failure>>()?)
    }
}

fn read_pause(row: &PgRow) -> Result<Pause, Failure> {
    let person: Option<&str> = get(row, "person")?;
    Ok(Pause {
        queue: get_queue(row)?,
        since: get_time(row, "paused_at")?,
        by: user_id(person.unwrap_or_default())?,
        reason: get(row, "reason")?,
    })
}
