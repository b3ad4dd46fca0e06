//! The event log: finding what is due, settling and retrying what is owed.
//!
//! Code that locks several deliveries does so in the order of their ids, or skips those that are locked.

use std::time::Duration;

use async_trait::async_trait;
use cardwire_domain::{EventId, RecordedEvent};
use cardwire_events::envelope::event_of;
use cardwire_events::log::{
    AT_WORK, GIVEN_BACK_FOR, LOOK_AGAIN_AFTER, LOOK_AGAIN_AT_MOST, NO_ATTEMPT_LEFT, PUT_OFF_AT_MOST, WORKER_LOST,
    count_failures,
};
use cardwire_events::{
    Attempt, Backlog, DeadFilter, DeadLetter, DeadSelection, Due, Envelope, EventLog, Failure as Failed,
    MAX_SHAPE_CHARS, Owed, Queue, QueueSettings, Result, Verdict, error_shape,
};
use jiff::Timestamp;
use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::types::Uuid;

use super::dead_letters::{DISCARD, REDRIVE};
use super::error::Failure;
use super::failures::{DISCARD_GROUP, RETRY_GROUP};
use super::operators::is_replaying;
use super::pool::Session;
use super::portions::{PORTION, in_portions};
use super::store::PostgresStore;
use super::values::{event_id, event_uuids, get, get_count, get_envelope, get_queue, get_time, signed, time, uuid};
use crate::answers::KEEP_ANSWERS_HOURS;
use crate::text::storable;

/// This many characters of an entry that is not an event are stored.
const REJECTED_CHARS: usize = 4_096;
/// The same for an error.
const ERROR_CHARS: usize = 2_000;

/// Deliveries due from `$3` on. Those published since `$4` are postponed until they have had as long as what waits now.
/// A locked delivery is being processed. There is always one row, for the server's time.
const LEASE: &str = "\
WITH due AS (
    SELECT d.event_id, d.due_at, d.published_at IS NOT NULL AS again,
           coalesce(d.published_at > $4 - make_interval(secs => $5), false) AS on_its_way
    FROM deliveries d
    WHERE d.queue = $1 AND d.dead_at IS NULL AND d.due_at <= now() AND d.due_at >= coalesce($3, '-infinity')
    ORDER BY d.due_at LIMIT $2 FOR UPDATE SKIP LOCKED
), leased AS (
    UPDATE deliveries d SET
        due_at = now() + CASE WHEN due.on_its_way
            THEN least(d.published_at - $4 + make_interval(secs => $5 + 1), make_interval(secs => $8))
            ELSE make_interval(secs => least($6 * 2 ^ least(d.sweeps, 16), $7)) END,
        published_at = CASE WHEN due.on_its_way THEN d.published_at ELSE now() END,
        sweeps = d.sweeps + CASE WHEN due.again AND NOT due.on_its_way THEN 1 ELSE 0 END
    FROM due WHERE d.queue = $1 AND d.event_id = due.event_id
    RETURNING d.event_id, due.due_at, due.again, due.on_its_way
)
SELECT now() AS looked_at, l.due_at, l.again, l.on_its_way, e.id, e.type, e.envelope, e.occurred_at
FROM (VALUES (1)) one LEFT JOIN leased l ON true LEFT JOIN events e ON e.id = l.event_id AND NOT l.on_its_way
ORDER BY e.occurred_at, e.id";

const GIVE_BACK: &str = "\
WITH held AS (
    SELECT event_id FROM deliveries WHERE queue = $1 AND event_id = ANY($2) AND dead_at IS NULL FOR UPDATE SKIP LOCKED
)
UPDATE deliveries SET published_at = NULL, due_at = now() + make_interval(secs => $3)
WHERE queue = $1 AND event_id = ANY(ARRAY(SELECT event_id FROM held))";

const LOOK_UP: &str = "SELECT id, type, envelope, occurred_at FROM events WHERE id = ANY($1)";

const RECORDED: &str = "SELECT id, type, envelope->'data' AS data, occurred_at FROM events WHERE id = ANY($1)";

/// Deliveries that somebody else has locked are skipped: a copy that is not taken proves nothing, and the delivery is
/// still due.
const TAKE: &str = "\
WITH held AS (
    SELECT event_id FROM deliveries WHERE queue = $1 AND event_id = ANY($2) FOR UPDATE SKIP LOCKED
), taken AS (
    DELETE FROM deliveries WHERE queue = $1 AND event_id = ANY(ARRAY(SELECT event_id FROM held)) RETURNING event_id
)
SELECT coalesce(array_agg(event_id), '{}') AS ids FROM taken";

/// The last step of a delivery. If it is `run-after-loss`, an attempt has not ended.
macro_rules! last_step {
    () => {
        "LEFT JOIN LATERAL ( \
             SELECT s.id, s.kind = 'run-after-loss' AS is_open FROM delivery_steps s \
             WHERE s.queue = $1 AND s.event_id = h.event_id ORDER BY s.id DESC LIMIT 1 \
         ) last ON true "
    };
}

/// Adds failures to the queue's totals, after the deliveries are locked.
macro_rules! total {
    ($failed:literal) => {
        concat!(
            "total AS ( \
                 INSERT INTO queue_totals (queue, processed, failed) SELECT $1, 0, count(*) FROM ",
            $failed,
            " HAVING count(*) > 0 \
                 ON CONFLICT (queue) DO UPDATE SET failed = queue_totals.failed + excluded.failed \
             ) "
        )
    };
}

const BEGIN_ATTEMPT: &str = concat!(
    "WITH held AS ( \
         SELECT event_id, tries, dead_at IS NULL AS lives FROM deliveries WHERE queue = $1 AND event_id = $2 FOR UPDATE \
     ), found AS ( \
         SELECT h.event_id, h.lives AND h.tries < $3 AS runs, h.lives AND h.tries >= $3 AS dies, \
                h.lives AND coalesce(last.is_open, false) AS lost \
         FROM held h ",
    last_step!(),
    "), steps AS ( \
         INSERT INTO delivery_steps (queue, event_id, kind, detail) \
         SELECT $1, f.event_id, s.kind, s.detail FROM found f CROSS JOIN LATERAL ( \
             VALUES (1, f.lost, 'failed', $4), (2, f.dies, 'died', ''), (3, f.runs, 'run-after-loss', '') \
         ) AS s(turn, happens, kind, detail) \
         WHERE s.happens ORDER BY s.turn \
     ), ",
    total!("found WHERE lost"),
    "UPDATE deliveries d SET tries = d.tries + CASE WHEN f.runs THEN 1 ELSE 0 END, \
         error = CASE WHEN f.lost THEN $4 WHEN f.dies THEN coalesce(d.error, $5) ELSE d.error END, \
         error_group = CASE WHEN f.lost THEN $4 WHEN f.dies THEN coalesce(d.error_group, $5) ELSE d.error_group END, \
         failed_at = CASE WHEN f.lost OR f.dies THEN now() ELSE d.failed_at END, \
         dead_at = CASE WHEN f.dies THEN now() ELSE d.dead_at END \
     FROM found f WHERE d.queue = $1 AND d.event_id = f.event_id \
     RETURNING f.runs, f.dies, f.lost"
);

/// The step is removed with the attempt.
const UNDO_ATTEMPT: &str = concat!(
    "WITH held AS ( \
         SELECT event_id FROM deliveries WHERE queue = $1 AND event_id = $2 AND dead_at IS NULL AND tries > 0 FOR UPDATE \
     ), undone AS ( \
         DELETE FROM delivery_steps WHERE id = (SELECT last.id FROM held h ",
    last_step!(),
    "WHERE last.is_open) RETURNING event_id \
     ) \
     UPDATE deliveries d SET tries = d.tries - 1 FROM undone u WHERE d.queue = $1 AND d.event_id = u.event_id"
);

/// The backoff of [`QueueSettings::backoff`], computed here because only here is the number of tries known.
const FAIL: &str = concat!(
    "WITH held AS ( \
         SELECT event_id, tries FROM deliveries WHERE queue = $1 AND event_id = ANY($2) AND dead_at IS NULL \
         ORDER BY event_id FOR UPDATE \
     ), failed AS ( \
         SELECT h.event_id, t.tries, f.error, f.error_group, f.held, f.reject OR (NOT f.held AND t.tries >= $6) AS dead \
         FROM held h JOIN unnest($2, $3::text[], $4::bool[], $5::bool[], $8::text[]) AS f(event_id, error, held, reject, error_group) \
           ON f.event_id = h.event_id ",
    last_step!(),
    "CROSS JOIN LATERAL (SELECT h.tries + CASE WHEN last.is_open THEN 0 ELSE 1 END AS tries) t \
     ), steps AS ( \
         INSERT INTO delivery_steps (queue, event_id, kind, detail) \
         SELECT $1, f.event_id, s.kind, CASE s.kind WHEN 'failed' THEN f.error ELSE '' END \
         FROM failed f CROSS JOIN (VALUES (1, 'failed'), (2, 'died')) AS s(turn, kind) WHERE s.turn = 1 OR f.dead \
         ORDER BY f.event_id, s.turn \
     ), ",
    total!("failed"),
    "UPDATE deliveries d SET tries = f.tries, error = f.error, error_group = f.error_group, failed_at = now(), \
         dead_at = CASE WHEN f.dead THEN now() END, \
         published_at = CASE WHEN f.held OR f.dead THEN d.published_at END, \
         claimed_until = NULL, \
         (due_at, not_before) = (SELECT w.at, w.at FROM (SELECT CASE WHEN f.held THEN d.due_at ELSE now() + random() \
             * least($7 * 2 ^ least(greatest(f.tries - 1, 0), 16), 864e5) * interval '1 millisecond' END AS at) w) \
     FROM failed f WHERE d.queue = $1 AND d.event_id = f.event_id \
     RETURNING d.event_id, f.dead"
);

const BACKLOG: &str = "\
SELECT q.queue, coalesce(c.owed, 0) AS owed, coalesce(c.unpublished, 0) AS unpublished, coalesce(c.dead, 0) AS dead, c.oldest
FROM unnest($1::text[]) AS q(queue) LEFT JOIN (
    SELECT queue, count(*) FILTER (WHERE dead_at IS NULL) AS owed,
           count(*) FILTER (WHERE dead_at IS NULL AND published_at IS NULL) AS unpublished,
           count(*) FILTER (WHERE dead_at IS NOT NULL) AS dead,
           min(occurred_at) FILTER (WHERE dead_at IS NULL) AS oldest
    FROM deliveries GROUP BY queue
) c ON c.queue = q.queue";

const TRACEPARENTS: &str = "\
SELECT DISTINCT envelope->>'traceparent' AS traceparent FROM events
WHERE id = ANY($1) AND envelope->>'traceparent' IS NOT NULL ORDER BY 1";

const PRUNE: &str = "\
DELETE FROM events WHERE id IN (
    SELECT e.id FROM events e
    WHERE e.occurred_at < now() - make_interval(secs => $1)
      AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.event_id = e.id)
    LIMIT $2
)";

const MOVE_HORIZON: &str = "\
UPDATE event_log_horizon SET pruned_until = now() - make_interval(secs => $1)
WHERE pruned_until < now() - make_interval(secs => $1)
  AND EXISTS (SELECT 1 FROM events WHERE occurred_at < now() - make_interval(secs => $1))";

#[async_trait]
impl EventLog for PostgresStore {
    async fn lease(&self, queue: Queue, limit: usize, waiting_since: Option<Timestamp>) -> Result<Due> {
        let looks = self.looks.deliveries(queue);
        let from = looks.begin(Duration::from_millis(self.settings.whole_look_ms));
        let query = sqlx::query(LEASE)
            .bind(queue.name())
            .bind(signed(limit))
            .bind(from.map(time))
            // A queue entry can hold any number; PostgreSQL must be able to represent it as a time.
            .bind(waiting_since.map(|since| time(since.max(Timestamp::UNIX_EPOCH))))
            .bind(AT_WORK.as_secs_f64())
            .bind(LOOK_AGAIN_AFTER.as_secs_f64())
            .bind(LOOK_AGAIN_AT_MOST.as_secs_f64())
            .bind(PUT_OFF_AT_MOST.as_secs_f64())
            // Planned each time, for the current length of the ledger: a plan made while it was empty reads all of it
            // for each row.
            .persistent(false);
        let rows = self.batch_session().await?.fetch_all(query).await?;
        let found = read_due(queue, &rows)?;
        let may_be_more = found.due.found == limit;
        looks.end(found.looked_at, found.up_to.filter(|_| may_be_more));
        Ok(found.due)
    }

    async fn give_back(&self, queue: Queue, ids: &[EventId]) -> Result<()> {
        let query = sqlx::query(GIVE_BACK).bind(queue.name()).bind(event_uuids(ids)).bind(GIVEN_BACK_FOR.as_secs_f64());
        self.batch_session().await?.execute(query).await?;
        Ok(())
    }

    async fn look_up(&self, ids: &[EventId]) -> Result<Vec<Envelope>> {
        let query = sqlx::query(LOOK_UP).bind(event_uuids(ids));
        let rows = self.batch_session().await?.fetch_all(query).await?;
        Ok(rows.iter().map(get_envelope).collect::<Result<_, Failure>>()?)
    }

    async fn settle(&self, queue: Queue, ids: &[EventId]) -> Result<u64> {
        if ids.is_empty() {
            return Ok(0);
        }
        let mut session = self.batch_session().await?;
        Ok(take(&mut session, queue, ids).await?.len() as u64)
    }

    async fn begin_attempt(&self, queue: Queue, id: EventId, settings: &QueueSettings) -> Result<Attempt> {
        let query = sqlx::query(BEGIN_ATTEMPT)
            .bind(queue.name())
            .bind(uuid(id.ulid()))
            .bind(attempts(settings))
            .bind(WORKER_LOST)
            .bind(NO_ATTEMPT_LEFT);
        let rows = self.batch_session().await?.fetch_all(query).await?;
        let Some(row) = rows.first() else { return Ok(Attempt::Gone) };
        count_failures(queue, usize::from(get::<bool>(row, "lost")?), usize::from(get::<bool>(row, "dies")?));
        Ok(if get(row, "runs")? { Attempt::Run } else { Attempt::Dead })
    }

    async fn undo_attempt(&self, queue: Queue, id: EventId) -> Result<()> {
        let query = sqlx::query(UNDO_ATTEMPT).bind(queue.name()).bind(uuid(id.ulid()));
        self.batch_session().await?.execute(query).await?;
        Ok(())
    }

    async fn fail(&self, queue: Queue, failures: &[Failed], settings: &QueueSettings) -> Result<Vec<EventId>> {
        if failures.is_empty() {
            return Ok(Vec::new());
        }
        let query = sqlx::query(FAIL)
            .bind(queue.name())
            .bind(failures.iter().map(|failure| uuid(failure.event_id.ulid())).collect::<Vec<_>>())
            .bind(failures.iter().map(|failure| storable(&failure.error, ERROR_CHARS)).collect::<Vec<_>>())
            .bind(failures.iter().map(|failure| failure.verdict == Verdict::Held).collect::<Vec<_>>())
            .bind(failures.iter().map(|failure| failure.verdict == Verdict::Reject).collect::<Vec<_>>())
            .bind(attempts(settings))
            .bind(settings.backoff_ms as f64)
            .bind(failures.iter().map(shape).collect::<Vec<_>>());
        let rows = self.batch_session().await?.fetch_all(query).await?;
        let mut died = Vec::new();
        for row in &rows {
            if get(row, "dead")? {
                died.push(event_id(get(row, "event_id")?));
            }
        }
        died.sort_unstable();
        count_failures(queue, rows.len(), died.len());
        Ok(died)
    }

    async fn reject_entry(&self, queue: Queue, raw: &str, reason: &str) -> Result<()> {
        let sql = "INSERT INTO rejected_entries (queue, raw, reason) VALUES ($1, $2, $3)";
        let query =
            sqlx::query(sql).bind(queue.name()).bind(storable(raw, REJECTED_CHARS)).bind(storable(reason, ERROR_CHARS));
        self.batch_session().await?.execute(query).await?;
        Ok(())
    }

    async fn dead_letters(&self, queue: Queue, after: Option<EventId>, limit: usize) -> Result<Vec<DeadLetter>> {
        Ok(self.list_dead(queue, &DeadFilter::default(), after, limit).await?)
    }

    async fn redrive(&self, queue: Queue, which: &DeadSelection) -> Result<u64> {
        let redriven = match which {
            DeadSelection::Group(shape) => self.change_group(RETRY_GROUP, queue, shape).await?,
            which => self.change_dead(REDRIVE, queue, which).await?,
        };
        if redriven > 0 {
            self.handover.ring(queue);
        }
        Ok(redriven)
    }

    async fn discard(&self, queue: Queue, which: &DeadSelection) -> Result<u64> {
        Ok(match which {
            DeadSelection::Group(shape) => self.change_group(DISCARD_GROUP, queue, shape).await?,
            which => self.change_dead(DISCARD, queue, which).await?,
        })
    }

    async fn backlog(&self) -> Result<Vec<Backlog>> {
        let rows = self.batch_session().await?.fetch_all(sqlx::query(BACKLOG).bind(queue_names())).await?;
        let backlog = |row: &PgRow| {
            let oldest: Option<jiff_sqlx::Timestamp> = get(row, "oldest")?;
            Ok(Backlog {
                queue: get_queue(row)?,
                owed: get_count(row, "owed")?,
                unpublished: get_count(row, "unpublished")?,
                dead: get_count(row, "dead")?,
                oldest: oldest.map(jiff_sqlx::Timestamp::to_jiff),
            })
        };
        Ok(rows.iter().map(backlog).collect::<Result<_, Failure>>()?)
    }

    async fn traceparents(&self, ids: &[EventId]) -> Result<Vec<String>> {
        let query = sqlx::query(TRACEPARENTS).bind(event_uuids(ids));
        let rows = self.batch_session().await?.fetch_all(query).await?;
        Ok(rows.iter().map(|row| get(row, "traceparent")).collect::<Result<_, Failure>>()?)
    }

    /// Besides the events, the stored answers, rejected entries and steps that have expired.
    async fn prune(&self, keep: Duration) -> Result<u64> {
        let mut session = self.batch_session().await?;
        if is_replaying(&mut session).await? {
            return Ok(0);
        }
        let keep_s = keep.as_secs_f64();
        // Before the first event is gone, so that an incomplete day is never taken for a complete one.
        session.execute(sqlx::query(MOVE_HORIZON).bind(keep_s)).await?;
        let pruned = in_portions(&mut session, || sqlx::query(PRUNE).bind(keep_s).bind(PORTION)).await?;
        let answers = "DELETE FROM idempotency_keys WHERE ctid = ANY(ARRAY( \
                       SELECT ctid FROM idempotency_keys WHERE created_at <= now() - make_interval(hours => $1) LIMIT $2))";
        in_portions(&mut session, || sqlx::query(answers).bind(KEEP_ANSWERS_HOURS).bind(PORTION)).await?;
        let entries = "DELETE FROM rejected_entries WHERE id = ANY(ARRAY( \
                       SELECT id FROM rejected_entries WHERE at < now() - make_interval(secs => $1) LIMIT $2))";
        in_portions(&mut session, || sqlx::query(entries).bind(keep_s).bind(PORTION)).await?;
        let steps = "DELETE FROM delivery_steps WHERE id = ANY(ARRAY( \
                     SELECT s.id FROM delivery_steps s WHERE s.at < now() - make_interval(secs => $1) \
                     AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.queue = s.queue AND d.event_id = s.event_id) LIMIT $2))";
        in_portions(&mut session, || sqlx::query(steps).bind(keep_s).bind(PORTION)).await?;
        Ok(pruned)
    }
}

/// Takes events off a queue's ledger, in the session's transaction. Returns those that were still owed.
pub(super) async fn take(session: &mut Session, queue: Queue, ids: &[EventId]) -> Result<Vec<EventId>, Failure> {
    let query = sqlx::query(TAKE).bind(queue.name()).bind(event_uuids(ids));
    let rows = session.fetch_all(query).await?;
    let row = rows.first().ok_or_else(|| Failure::Nonsense("no answer to what was taken".into()))?;
    Ok(get::<Vec<Uuid>>(row, "ids")?.into_iter().map(event_id).collect())
}

/// The events with these ids as the log has them, in the order of their ids. Those that this build does not understand
/// are left out, and so stay owed. Effects are made only from these: events that came through a queue may have been
/// altered there.
pub(super) async fn recorded(session: &mut Session, ids: &[EventId]) -> Result<Vec<RecordedEvent>, Failure> {
    let mut recorded = Vec::with_capacity(ids.len());
    for row in session.fetch_all(sqlx::query(RECORDED).bind(event_uuids(ids))).await? {
        let data: Option<Value> = get(&row, "data")?;
        match event_of(get(&row, "type")?, data.unwrap_or_default()) {
            Ok(event) => {
                let (id, occurred_at) = (event_id(get(&row, "id")?), get_time(&row, "occurred_at")?);
                recorded.push(RecordedEvent { id, occurred_at, event });
            }
            Err(error) => tracing::warn!(%error, "an event that nobody here understands has no effect"),
        }
    }
    recorded.sort_unstable_by_key(|event| event.id);
    Ok(recorded)
}

struct Found {
    due: Due,
    looked_at: Timestamp,
    /// When the last leased delivery was due.
    up_to: Option<Timestamp>,
}

fn read_due(queue: Queue, rows: &[PgRow]) -> Result<Found, Failure> {
    let first = rows.first().ok_or_else(|| Failure::Nonsense("no answer to what is due".into()))?;
    let mut found = Found { due: Due::default(), looked_at: get_time(first, "looked_at")?, up_to: None };
    for row in rows {
        let due_at: Option<jiff_sqlx::Timestamp> = get(row, "due_at")?;
        let Some(due_at) = due_at else { continue };
        found.due.found += 1;
        found.up_to = found.up_to.max(Some(due_at.to_jiff()));
        if get(row, "on_its_way")? {
            found.due.put_off += 1;
        } else if get::<Option<Uuid>>(row, "id")?.is_some() {
            found.due.again += usize::from(get::<bool>(row, "again")?);
            found.due.events.push(Owed { queue, envelope: get_envelope(row)? });
        }
    }
    Ok(found)
}

fn queue_names() -> Vec<&'static str> {
    Queue::ALL.iter().map(|queue| queue.name()).collect()
}

fn attempts(settings: &QueueSettings) -> i32 {
    i32::try_from(settings.attempts).unwrap_or(i32::MAX)
}

fn shape(failure: &Failed) -> String {
    storable(&error_shape(&failure.error), MAX_SHAPE_CHARS)
}
