//! The event log: finding what is due, settling and retrying what is owed.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use cardwire_domain::{EventId, RecordedEvent};
use cardwire_events::envelope::event_of;
use cardwire_events::log::{
    AT_WORK, GIVEN_BACK_FOR, LOOK_AGAIN_AFTER, LOOK_AGAIN_AT_MOST, NO_ATTEMPT_LEFT, PUT_OFF_AT_MOST, WORKER_LOST,
    count_failures,
};
use cardwire_events::operations::StepKind;
use cardwire_events::{
    Attempt, Backlog, DeadFilter, DeadLetter, DeadSelection, Due, Envelope, EventLog, Failure as Failed,
    MAX_SHAPE_CHARS, Owed, Queue, QueueSettings, Result, Verdict, error_shape,
};
use jiff::Timestamp;
use rusqlite::Connection;

use super::error::Failure;
use super::operators::add_work;
use super::prune;
use super::steps::{note, open_attempt};
use super::store::SqliteStore;
use super::values::{
    blob, event_id, first, get, get_count, get_envelope, get_queue, get_time, later, micros, rows, run, signed, time,
    us,
};
use super::{dead_letters, failures};
use crate::text::storable;

/// At most this many entries that are not events are kept; the oldest are deleted first.
const REJECTED_KEPT: i64 = 1_000;
/// This many characters of each such entry are stored.
const REJECTED_CHARS: usize = 4_096;
/// The same for an error.
const ERROR_CHARS: usize = 2_000;
/// The longest backoff.
const BACKOFF_AT_MOST: Duration = Duration::from_secs(24 * 3_600);

const DUE: &str = "\
SELECT event_id, published_at, sweeps FROM deliveries WHERE queue = ?1 AND dead_at IS NULL AND due_at <= ?2
ORDER BY due_at, event_id LIMIT ?3";

const PUT_OFF: &str = "UPDATE deliveries SET due_at = ?3 WHERE queue = ?1 AND event_id = ?2";

const LEASE: &str = "\
UPDATE deliveries SET due_at = ?3, published_at = ?4, sweeps = sweeps + ?5 WHERE queue = ?1 AND event_id = ?2";

const GIVE_BACK: &str = "\
UPDATE deliveries SET published_at = NULL, due_at = ?3 WHERE queue = ?1 AND event_id = ?2 AND dead_at IS NULL";

const EVENT: &str = "SELECT id, type, envelope, occurred_at FROM events WHERE id = ?1";

const TAKE: &str = "DELETE FROM deliveries WHERE queue = ?1 AND event_id = ?2";

const OWED: &str =
    "SELECT tries, error, dead_at IS NOT NULL AS is_dead FROM deliveries WHERE queue = ?1 AND event_id = ?2";

const BEGIN_ATTEMPT: &str = "\
UPDATE deliveries SET tries = ?3, error = ?4, dead_at = ?5, error_group = ?6, failed_at = CASE WHEN ?7 THEN ?8 ELSE failed_at END
WHERE queue = ?1 AND event_id = ?2";

const UNDO_ATTEMPT: &str = "UPDATE deliveries SET tries = tries - 1 WHERE queue = ?1 AND event_id = ?2";

/// An event that stays where it is keeps its times.
const FAIL: &str = "\
UPDATE deliveries SET tries = ?3, error = ?4, dead_at = ?5, published_at = CASE WHEN ?6 THEN published_at END,
    due_at = coalesce(?7, due_at), error_group = ?8, failed_at = ?9
WHERE queue = ?1 AND event_id = ?2";

const BACKLOG: &str = "\
SELECT queue, count(*) FILTER (WHERE dead_at IS NULL) AS owed,
       count(*) FILTER (WHERE dead_at IS NULL AND published_at IS NULL) AS unpublished,
       count(*) FILTER (WHERE dead_at IS NOT NULL) AS dead,
       min(occurred_at) FILTER (WHERE dead_at IS NULL) AS oldest
FROM deliveries GROUP BY queue";

#[async_trait]
impl EventLog for SqliteStore {
    async fn lease(&self, queue: Queue, limit: usize, waiting_since: Option<Timestamp>) -> Result<Due> {
        Ok(self.write(move |connection, now| lease(connection, now, queue, limit, waiting_since)).await?)
    }

    async fn give_back(&self, queue: Queue, ids: &[EventId]) -> Result<()> {
        let ids = ids.to_vec();
        let give_back = move |connection: &Connection, now| {
            let due_at = later(now, GIVEN_BACK_FOR);
            for id in ids {
                run(connection, GIVE_BACK, &[&queue.name(), &blob(id.ulid()), &due_at])?;
            }
            Ok(())
        };
        Ok(self.write(give_back).await?)
    }

    async fn look_up(&self, ids: &[EventId]) -> Result<Vec<Envelope>> {
        let ids = ids.to_vec();
        Ok(self.read(move |connection, _| stored(connection, &ids)).await?)
    }

    async fn settle(&self, queue: Queue, ids: &[EventId]) -> Result<u64> {
        if ids.is_empty() {
            return Ok(0);
        }
        let ids = ids.to_vec();
        Ok(self.write(move |connection, _| take(connection, queue, &ids)).await?.len() as u64)
    }

    async fn begin_attempt(&self, queue: Queue, id: EventId, settings: &QueueSettings) -> Result<Attempt> {
        let attempts = settings.attempts;
        let begun = self.write(move |connection, now| begin_attempt(connection, now, queue, id, attempts)).await?;
        count_failures(queue, usize::from(begun.lost), usize::from(begun.dies));
        Ok(begun.attempt)
    }

    async fn undo_attempt(&self, queue: Queue, id: EventId) -> Result<()> {
        Ok(self.write(move |connection, _| undo_attempt(connection, queue, id)).await?)
    }

    async fn fail(&self, queue: Queue, failures: &[Failed], settings: &QueueSettings) -> Result<Vec<EventId>> {
        if failures.is_empty() {
            return Ok(Vec::new());
        }
        let (failures, settings) = (failures.to_vec(), *settings);
        let (failed, died) =
            self.write(move |connection, now| fail(connection, now, queue, &failures, settings)).await?;
        count_failures(queue, failed, died.len());
        Ok(died)
    }

    async fn reject_entry(&self, queue: Queue, raw: &str, reason: &str) -> Result<()> {
        let (raw, reason) = (storable(raw, REJECTED_CHARS), storable(reason, ERROR_CHARS));
        let reject = move |connection: &Connection, now| {
            let sql = "INSERT INTO rejected_entries (queue, raw, reason, at) VALUES (?1, ?2, ?3, ?4)";
            run(connection, sql, &[&queue.name(), &raw, &reason, &us(now)])?;
            let sql = "DELETE FROM rejected_entries WHERE id <= (SELECT max(id) FROM rejected_entries) - ?1";
            run(connection, sql, &[&REJECTED_KEPT])?;
            Ok(())
        };
        Ok(self.write(reject).await?)
    }

    async fn dead_letters(&self, queue: Queue, after: Option<EventId>, limit: usize) -> Result<Vec<DeadLetter>> {
        let list = move |connection: &Connection, _| {
            dead_letters::list(connection, queue, &DeadFilter::default(), after, limit)
        };
        Ok(self.read(list).await?)
    }

    async fn redrive(&self, queue: Queue, which: &DeadSelection) -> Result<u64> {
        let redriven = match which.clone() {
            DeadSelection::Group(shape) => {
                self.in_portions(failures::each(queue, shape, dead_letters::redrive)).await?
            }
            which => self.in_portions(dead_letters::each(queue, which, dead_letters::redrive)).await?,
        };
        if redriven > 0 {
            self.handover.ring(queue);
        }
        Ok(redriven)
    }

    async fn discard(&self, queue: Queue, which: &DeadSelection) -> Result<u64> {
        Ok(match which.clone() {
            DeadSelection::Group(shape) => {
                self.in_portions(failures::each(queue, shape, dead_letters::discard)).await?
            }
            which => self.in_portions(dead_letters::each(queue, which, dead_letters::discard)).await?,
        })
    }

    async fn backlog(&self) -> Result<Vec<Backlog>> {
        Ok(self.read(|connection, _| backlog(connection)).await?)
    }

    async fn traceparents(&self, ids: &[EventId]) -> Result<Vec<String>> {
        let ids = ids.to_vec();
        let envelopes = self.read(move |connection, _| stored(connection, &ids)).await?;
        let found: BTreeSet<String> = envelopes.into_iter().filter_map(|envelope| envelope.traceparent).collect();
        Ok(found.into_iter().collect())
    }

    /// Besides the events, the stored answers, rejected entries and steps that have expired.
    async fn prune(&self, keep: Duration) -> Result<u64> {
        Ok(prune::prune(self, keep).await?)
    }
}

/// Takes events off a queue's ledger. Returns those that were still owed.
pub(super) fn take(connection: &Connection, queue: Queue, ids: &[EventId]) -> Result<Vec<EventId>, Failure> {
    let mut taken = Vec::with_capacity(ids.len());
    for id in ids {
        if run(connection, TAKE, &[&queue.name(), &blob(id.ulid())])? > 0 {
            taken.push(*id);
        }
    }
    Ok(taken)
}

/// The events with these ids as the log has them, in the order of their ids. Those that this build does not understand
/// are left out, and so stay owed. Effects are made only from these: events that came through a queue may have been
/// altered there.
pub(super) fn recorded(connection: &Connection, ids: &[EventId]) -> Result<Vec<RecordedEvent>, Failure> {
    let mut recorded = Vec::with_capacity(ids.len());
    for id in ids.iter().collect::<BTreeSet<_>>() {
        let read = |row: &rusqlite::Row<'_>| Ok((get_envelope(row)?, get_time(row, "occurred_at")?));
        let Some((envelope, occurred_at)) = first(connection, EVENT, &[&blob(id.ulid())], read)? else { continue };
        match event_of(&envelope.kind, envelope.data) {
            Ok(event) => recorded.push(RecordedEvent { id: *id, occurred_at, event }),
            Err(error) => tracing::warn!(%error, "an event that nobody here understands has no effect"),
        }
    }
    Ok(recorded)
}

fn stored(connection: &Connection, ids: &[EventId]) -> Result<Vec<Envelope>, Failure> {
    let found = ids.iter().map(|id| first(connection, EVENT, &[&blob(id.ulid())], get_envelope));
    found.filter_map(Result::transpose).collect()
}

/// Deliveries published since `waiting_since` are postponed until they have had as long as what waits now.
fn lease(
    connection: &Connection,
    now: Timestamp,
    queue: Queue,
    limit: usize,
    waiting_since: Option<Timestamp>,
) -> Result<Due, Failure> {
    let found = rows(connection, DUE, &[&queue.name(), &us(now), &signed(limit)], |row| {
        let published_at: Option<i64> = get(row, "published_at")?;
        Ok((event_id(get(row, "event_id")?), published_at, get::<u32>(row, "sweeps")?))
    })?;
    let mut due = Due { found: found.len(), ..Due::default() };
    for (id, published_at, sweeps) in found {
        let stored_id = blob(id.ulid());
        if let Some(rest) = on_its_way(published_at, waiting_since) {
            run(connection, PUT_OFF, &[&queue.name(), &stored_id, &us(now).saturating_add(rest)])?;
            due.put_off += 1;
            continue;
        }
        let again = published_at.is_some();
        let wait = LOOK_AGAIN_AFTER.saturating_mul(1 << sweeps.min(16)).min(LOOK_AGAIN_AT_MOST);
        run(connection, LEASE, &[&queue.name(), &stored_id, &later(now, wait), &us(now), &again])?;
        if let Some(envelope) = first(connection, EVENT, &[&stored_id], get_envelope)? {
            due.again += usize::from(again);
            due.events.push(Owed { queue, envelope });
        }
    }
    due.events.sort_by_key(|owed| (owed.envelope.time, owed.envelope.id));
    Ok(due)
}

/// How long to postpone it, if the oldest waiting entry shows that it must still be in the queue or in work.
fn on_its_way(published_at: Option<i64>, waiting_since: Option<Timestamp>) -> Option<i64> {
    let rest = published_at?.saturating_add(micros(AT_WORK)).saturating_sub(us(waiting_since?));
    (rest > 0).then(|| rest.saturating_add(1_000_000).min(micros(PUT_OFF_AT_MOST)))
}

/// An event that is still owed to a queue.
struct Held {
    tries: u32,
    error: Option<String>,
    is_dead: bool,
}

fn held(connection: &Connection, queue: Queue, id: EventId) -> Result<Option<Held>, Failure> {
    first(connection, OWED, &[&queue.name(), &blob(id.ulid())], |row| {
        Ok(Held { tries: get(row, "tries")?, error: get(row, "error")?, is_dead: get(row, "is_dead")? })
    })
}

struct Begun {
    attempt: Attempt,
    /// The previous attempt was lost.
    lost: bool,
    dies: bool,
}

fn begin_attempt(
    connection: &Connection,
    now: Timestamp,
    queue: Queue,
    id: EventId,
    attempts: u32,
) -> Result<Begun, Failure> {
    let none = |attempt| Begun { attempt, lost: false, dies: false };
    let Some(Held { mut tries, mut error, is_dead }) = held(connection, queue, id)? else {
        return Ok(none(Attempt::Gone));
    };
    if is_dead {
        return Ok(none(Attempt::Dead));
    }
    let lost = open_attempt(connection, queue, id)?.is_some();
    if lost {
        note(connection, now, queue, id, StepKind::Failed, WORKER_LOST)?;
        add_work(connection, queue, 0, 1)?;
        error = Some(WORKER_LOST.to_owned());
    }
    let dies = tries >= attempts;
    if dies {
        note(connection, now, queue, id, StepKind::Died, "")?;
        error.get_or_insert_with(|| NO_ATTEMPT_LEFT.to_owned());
    } else {
        note(connection, now, queue, id, StepKind::RunAfterLoss, "")?;
        tries += 1;
    }
    let dead_at = dies.then(|| us(now));
    let shape = error.as_deref().map(error_shape);
    let values: [&dyn rusqlite::ToSql; 8] =
        [&queue.name(), &blob(id.ulid()), &tries, &error, &dead_at, &shape, &(lost || dies), &us(now)];
    run(connection, BEGIN_ATTEMPT, &values)?;
    Ok(Begun { attempt: if dies { Attempt::Dead } else { Attempt::Run }, lost, dies })
}

/// The step is removed with the attempt.
fn undo_attempt(connection: &Connection, queue: Queue, id: EventId) -> Result<(), Failure> {
    let lives = held(connection, queue, id)?.is_some_and(|held| !held.is_dead && held.tries > 0);
    if lives && let Some(step) = open_attempt(connection, queue, id)? {
        run(connection, "DELETE FROM delivery_steps WHERE id = ?1", &[&step])?;
        run(connection, UNDO_ATTEMPT, &[&queue.name(), &blob(id.ulid())])?;
    }
    Ok(())
}

/// How many failed, and which of them died.
fn fail(
    connection: &Connection,
    now: Timestamp,
    queue: Queue,
    failures: &[Failed],
    settings: QueueSettings,
) -> Result<(usize, Vec<EventId>), Failure> {
    let mut failed = 0;
    let mut died = Vec::new();
    for Failed { event_id: id, error, verdict } in failures {
        let Some(held) = held(connection, queue, *id)?.filter(|held| !held.is_dead) else { continue };
        let is_counted = open_attempt(connection, queue, *id)?.is_some();
        let tries = held.tries + u32::from(!is_counted);
        let dies = match verdict {
            Verdict::Held => false,
            Verdict::Retry => tries >= settings.attempts,
            Verdict::Reject => true,
        };
        let stays = dies || *verdict == Verdict::Held;
        let error = storable(error, ERROR_CHARS);
        let dead_at = dies.then(|| us(now));
        let back = (!stays).then(|| later(now, settings.backoff(tries, rand::random()).min(BACKOFF_AT_MOST)));
        let shape = storable(&error_shape(&error), MAX_SHAPE_CHARS);
        let values: [&dyn rusqlite::ToSql; 9] =
            [&queue.name(), &blob(id.ulid()), &tries, &error, &dead_at, &stays, &back, &shape, &us(now)];
        run(connection, FAIL, &values)?;
        note(connection, now, queue, *id, StepKind::Failed, &error)?;
        failed += 1;
        if dies {
            note(connection, now, queue, *id, StepKind::Died, "")?;
            died.push(*id);
        }
    }
    if failed > 0 {
        add_work(connection, queue, 0, failed as u64)?;
    }
    died.sort_unstable();
    Ok((failed, died))
}

fn backlog(connection: &Connection) -> Result<Vec<Backlog>, Failure> {
    let found = rows(connection, BACKLOG, &[], |row| {
        Ok(Backlog {
            queue: get_queue(row)?,
            owed: get_count(row, "owed")?,
            unpublished: get_count(row, "unpublished")?,
            dead: get_count(row, "dead")?,
            oldest: get::<Option<i64>>(row, "oldest")?.map(time).transpose()?,
        })
    })?;
    let of = |queue| found.iter().copied().find(|backlog| backlog.queue == queue);
    let empty = |queue| Backlog { queue, owed: 0, unpublished: 0, dead: 0, oldest: None };
    Ok(Queue::ALL.into_iter().map(|queue| of(queue).unwrap_or(empty(queue))).collect())
}
