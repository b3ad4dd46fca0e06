//! Failures by the shape of their errors, and actions on all of one shape; entries that are not events.

use cardwire_domain::EventId;
use cardwire_events::Queue;
use cardwire_events::operations::{FailureGroup, MAX_GROUPS, RejectedEntry, RejectedId};
use sqlx::Postgres;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::types::Uuid;

use super::error::Failure;
use super::portions::{PORTION, in_portions};
use super::store::PostgresStore;
use super::values::{event_id, get, get_count, get_queue, get_time, signed};

/// Counted using only the index of failures; then one row of each group is read.
const GROUPS: &str = "\
WITH grouped AS MATERIALIZED (
    SELECT error_group, count(*) AS failed, count(*) FILTER (WHERE dead_at IS NOT NULL) AS dead,
           min(failed_at) AS first_at, max(failed_at) AS last_at
    FROM deliveries WHERE queue = $1 AND error_group IS NOT NULL
    GROUP BY error_group ORDER BY failed DESC, error_group LIMIT $2
)
SELECT g.error_group, g.dead, g.failed - g.dead AS retrying, g.first_at, g.last_at, e.event_id, e.error, e.is_dead
FROM grouped g CROSS JOIN LATERAL (
    SELECT d.event_id, coalesce(d.error, '') AS error, d.dead_at IS NOT NULL AS is_dead FROM deliveries d
    WHERE d.queue = $1 AND d.error_group = g.error_group ORDER BY d.event_id DESC LIMIT 1
) e ORDER BY g.failed DESC, g.error_group";

const COUNT: &str = "SELECT count(*) AS failed FROM deliveries WHERE queue = $1 AND error_group = $2";

/// Up to `$4` of the group. None that failed after `$3`: otherwise events that fail again meanwhile would be selected
/// endlessly. A locked one is being processed.
macro_rules! of_group {
    ($then:literal) => {
        concat!(
            "WITH selected AS (SELECT event_id FROM deliveries \
             WHERE queue = $1 AND error_group = $2 AND failed_at <= $3 ORDER BY event_id LIMIT $4 FOR UPDATE SKIP LOCKED) ",
            $then
        )
    };
}

pub(super) const RETRY_GROUP: &str = of_group!(
    ", steps AS ( \
         INSERT INTO delivery_steps (queue, event_id, kind, detail) SELECT $1, event_id, 'redriven', '' FROM selected) \
     UPDATE deliveries d SET dead_at = NULL, error = NULL, error_group = NULL, failed_at = NULL, published_at = NULL, \
         due_at = now(), tries = 0, sweeps = 0 \
     FROM selected s WHERE d.queue = $1 AND d.event_id = s.event_id"
);

pub(super) const DISCARD_GROUP: &str =
    of_group!("DELETE FROM deliveries d USING selected s WHERE d.queue = $1 AND d.event_id = s.event_id");

/// Changes up to [`PORTION`] of the group. `until`: the server's time before the first portion.
pub(super) fn change<'q>(
    sql: &'static str,
    queue: Queue,
    shape: &str,
    until: jiff_sqlx::Timestamp,
) -> Query<'q, Postgres, PgArguments> {
    sqlx::query(sql).bind(queue.name()).bind(shape.to_owned()).bind(until).bind(PORTION)
}

const REJECTED: &str = "\
SELECT id, at, queue, raw, reason FROM rejected_entries
WHERE id < $1 AND queue = ANY($2) ORDER BY id DESC LIMIT $3";

impl PostgresStore {
    pub(super) async fn groups(&self, queue: Queue) -> Result<Vec<FailureGroup>, Failure> {
        let query = sqlx::query(GROUPS).bind(queue.name()).bind(signed(MAX_GROUPS));
        self.batch_session().await?.fetch_all(query).await?.iter().map(read_group).collect()
    }

    pub(super) async fn count_failed(&self, queue: Queue, shape: &str) -> Result<u64, Failure> {
        let query = sqlx::query(COUNT).bind(queue.name()).bind(shape);
        let rows = self.batch_session().await?.fetch_all(query).await?;
        rows.first().map_or(Ok(0), |row| get_count(row, "failed"))
    }

    /// By nobody in particular, so it is not recorded.
    pub(super) async fn change_group(&self, sql: &'static str, queue: Queue, shape: &str) -> Result<u64, Failure> {
        let until = self.server_time().await?;
        let mut session = self.batch_session().await?;
        in_portions(&mut session, || change(sql, queue, shape, until)).await
    }

    pub(super) async fn list_rejected(
        &self,
        queue: Option<Queue>,
        before: Option<RejectedId>,
        limit: usize,
    ) -> Result<Vec<RejectedEntry>, Failure> {
        // Skip the queues of newer builds.
        let queues = queue.map_or_else(|| Queue::ALL.map(Queue::name).to_vec(), |queue| vec![queue.name()]);
        let before = before.map_or(i64::MAX, |id| id.0);
        let query = sqlx::query(REJECTED).bind(before).bind(queues).bind(signed(limit));
        self.session().await?.fetch_all(query).await?.iter().map(read_rejected).collect()
    }
}

fn read_group(row: &PgRow) -> Result<FailureGroup, Failure> {
    let example: Uuid = get(row, "event_id")?;
    let example: EventId = event_id(example);
    Ok(FailureGroup {
        shape: get(row, "error_group")?,
        dead: get_count(row, "dead")?,
        retrying: get_count(row, "retrying")?,
        first_at: get_time(row, "first_at")?,
        last_at: get_time(row, "last_at")?,
        example,
        error: get(row, "error")?,
        example_is_dead: get(row, "is_dead")?,
    })
}

fn read_rejected(row: &PgRow) -> Result<RejectedEntry, Failure> {
    Ok(RejectedEntry {
        id: RejectedId(get(row, "id")?),
        at: get_time(row, "at")?,
        queue: get_queue(row)?,
        raw: get(row, "raw")?,
        reason: get(row, "reason")?,
    })
}
