//! Deleting what has expired.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::Connection;

use super::error::Failure;
use super::operators::replay::is_replaying;
use super::portions::{PORTION, Portion};
use super::store::SqliteStore;
use super::values::{earlier, get, rows, run, signed};
use crate::answers::KEEP_ANSWERS;

/// Events before `?1`, after the last one that was looked at.
const EVENTS: Old = Old {
    next:
        "\
SELECT e.rowid AS number, e.occurred_at AS at, EXISTS (SELECT 1 FROM deliveries d WHERE d.event_id = e.id) AS is_owed
FROM events e WHERE e.occurred_at < ?1 AND (e.occurred_at, e.rowid) > (?2, ?3) ORDER BY e.occurred_at, e.rowid LIMIT ?4",
    drop: "DELETE FROM events WHERE rowid = ?1",
};

/// The same for steps before `?1`.
const STEPS: Old = Old {
    next: "\
SELECT s.id AS number, s.at, EXISTS (
           SELECT 1 FROM deliveries d WHERE d.queue = s.queue AND d.event_id = s.event_id) AS is_owed
FROM delivery_steps s WHERE s.at < ?1 AND (s.at, s.id) > (?2, ?3) ORDER BY s.at, s.id LIMIT ?4",
    drop: "DELETE FROM delivery_steps WHERE id = ?1",
};

const ANSWERS: &str = "\
DELETE FROM idempotency_keys WHERE (user_id, key) IN (
    SELECT user_id, key FROM idempotency_keys WHERE created_at <= ?1 LIMIT ?2)";

const MOVE_HORIZON: &str = "\
INSERT INTO event_log_horizon (only_row, pruned_until)
SELECT 1, ?1 WHERE EXISTS (SELECT 1 FROM events WHERE occurred_at < ?1)
ON CONFLICT (only_row) DO UPDATE SET pruned_until = excluded.pruned_until WHERE pruned_until < excluded.pruned_until";

/// Rows that are deleted when they are old, unless their event is still owed.
#[derive(Clone, Copy)]
struct Old {
    next: &'static str,
    drop: &'static str,
}

/// Returns how many events were dropped.
pub(super) async fn prune(store: &SqliteStore, keep: Duration) -> Result<u64, Failure> {
    if store.read(|connection, _| is_replaying(connection)).await? {
        return Ok(0);
    }
    // Before the first event is gone, so that an incomplete day is never taken for a complete one.
    let before = store.write(move |connection, now| move_horizon(connection, now, keep)).await?;
    let pruned = store.in_portions(move |connection, _, after| drop_old(connection, EVENTS, before, after)).await?;
    store.in_portions(|connection, now, _| drop_answers(connection, now)).await?;
    let rejected = "DELETE FROM rejected_entries WHERE at < ?1";
    store.write(move |connection, _| run(connection, rejected, &[&before])).await?;
    store.in_portions(move |connection, _, after| drop_old(connection, STEPS, before, after)).await?;
    Ok(pruned)
}

/// Returns the time before which rows are old.
fn move_horizon(connection: &Connection, now: Timestamp, keep: Duration) -> Result<i64, Failure> {
    let before = earlier(now, keep);
    run(connection, MOVE_HORIZON, &[&before])?;
    Ok(before)
}

/// Continues after a time and a row, so that owed events are not looked at over and over.
fn drop_old(
    connection: &Connection,
    old: Old,
    before: i64,
    after: Option<(i64, i64)>,
) -> Result<Portion<(i64, i64)>, Failure> {
    let (at, number) = after.unwrap_or((i64::MIN, i64::MIN));
    let found = rows(connection, old.next, &[&before, &at, &number, &signed(PORTION)], |row| {
        Ok((get::<i64>(row, "at")?, get::<i64>(row, "number")?, get::<bool>(row, "is_owed")?))
    })?;
    let mut changed = 0;
    for (_, number, is_owed) in &found {
        if !is_owed {
            run(connection, old.drop, &[number])?;
            changed += 1;
        }
    }
    let is_full = found.len() == PORTION;
    Ok(Portion { changed, next: found.last().filter(|_| is_full).map(|(at, number, _)| (*at, *number)) })
}

fn drop_answers(connection: &Connection, now: Timestamp) -> Result<Portion<()>, Failure> {
    let dropped = run(connection, ANSWERS, &[&earlier(now, KEEP_ANSWERS), &signed(PORTION)])?;
    Ok(Portion { changed: dropped as u64, next: (dropped == PORTION).then_some(()) })
}
