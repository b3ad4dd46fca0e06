//! Turns: who publishes for whom, and the results.

use std::time::Duration;

use cardwire_domain::records::{Attempt, Done, Ending, Outcome, RecordKind, Turn};
use jiff::Timestamp;
use rusqlite::Connection;
use ulid::Ulid;

use super::people::{disconnect, spent};
use crate::sqlite::error::Failure;
use crate::sqlite::values::{blob, first, get, later, run, us, user_id};

const DUE: &str = "\
SELECT p.person_id, p.did, p.is_new, p.failures, p.hour_at, p.hour_points, p.day_at, p.day_points,
       NOT EXISTS (SELECT 1 FROM users u WHERE u.id = p.person_id AND u.suspended_at IS NOT NULL) AS may_add
FROM record_people p
WHERE p.due_at IS NOT NULL AND p.did IS NOT NULL AND p.due_at <= ?1 AND p.state <> 'ended'
  AND (p.leased_until IS NULL OR p.leased_until <= ?1) AND (p.paused_until IS NULL OR p.paused_until <= ?1)
ORDER BY p.turned_at, p.person_id LIMIT 1";

const BEGIN: &str = "\
UPDATE record_people SET lease = ?2, leased_until = ?4, turned_at = ?3, due_at = ?4 WHERE person_id = ?1";

const NOT_NEW: &str = "UPDATE record_people SET is_new = 0 WHERE person_id = ?1 AND lease = ?2";

const OWE_EVERYTHING: &str = "\
INSERT INTO record_owed (person_id, kind, subject_id, stamp, not_before)
SELECT ?1, q.kind, q.id, random(), 0 FROM (
    SELECT 0 AS kind, id FROM cards WHERE owner_id = ?1 AND library_link IS NOT NULL AND NOT private AND NOT hidden
    UNION SELECT 1, id FROM collections WHERE author_id = ?1 AND NOT private AND deleted_at IS NULL
    UNION SELECT 2, l.id FROM cards c CROSS JOIN links l ON l.card_id = c.id CROSS JOIN collections k ON k.id = l.collection_id
        WHERE c.owner_id = ?1 AND c.library_link IS NOT NULL AND NOT c.private AND NOT c.hidden
          AND NOT k.private AND k.deleted_at IS NULL
    UNION SELECT 3, link_id FROM record_removals WHERE owner_id = ?1
    UNION SELECT kind, subject_id FROM records WHERE person_id = ?1
) q WHERE true ON CONFLICT DO NOTHING";

const OWE_SHARED: &str = "\
INSERT INTO record_owed (person_id, kind, subject_id, stamp, not_before)
SELECT p.person_id, 1, k.id, random(), 0
FROM collaborators b CROSS JOIN collections k ON k.id = b.collection_id CROSS JOIN record_people p ON p.person_id = k.author_id
WHERE b.user_id = ?1 AND NOT k.private AND k.deleted_at IS NULL AND p.did IS NOT NULL
ON CONFLICT (person_id, kind, subject_id) DO UPDATE SET stamp = excluded.stamp, not_before = 0";

const HOLD: &str = "\
UPDATE record_people SET leased_until = ?3, due_at = CASE WHEN due_at < turned_at THEN due_at ELSE ?3 END,
    hour_at = ?4, hour_points = ?5, day_at = ?6, day_points = ?7
WHERE person_id = ?1 AND lease = ?2 AND did = ?8";

const ATTEMPT: &str = "\
INSERT INTO records (person_id, kind, subject_id, did, nsid, rkey, card_id, collection_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
ON CONFLICT (person_id, kind, subject_id) DO UPDATE SET in_doubt = 1";

const OURS: &str = "SELECT 1 FROM record_people WHERE person_id = ?1 AND lease = ?2";

const IS_NEW: &str = "SELECT 1 FROM records WHERE person_id = ?1 AND kind = ?2 AND subject_id = ?3 AND cid IS NULL";

/// The stays in a collection, or of a card, no matter who has their records.
const OWE_LINKS: [&str; 2] = [
    "INSERT INTO record_owed (person_id, kind, subject_id, stamp, not_before) \
     SELECT p.person_id, 2, l.id, random(), 0 \
     FROM links l CROSS JOIN cards c ON c.id = l.card_id CROSS JOIN record_people p ON p.person_id = c.owner_id \
     WHERE l.card_id = ?1 AND p.did IS NOT NULL \
     ON CONFLICT (person_id, kind, subject_id) DO UPDATE SET stamp = excluded.stamp, not_before = 0",
    "INSERT INTO record_owed (person_id, kind, subject_id, stamp, not_before) \
     SELECT p.person_id, 2, l.id, random(), 0 \
     FROM links l CROSS JOIN cards c ON c.id = l.card_id CROSS JOIN record_people p ON p.person_id = c.owner_id \
     WHERE l.collection_id = ?1 AND p.did IS NOT NULL \
     UNION SELECT p.person_id, 2, r.subject_id, random(), 0 \
     FROM records r CROSS JOIN record_people p ON p.person_id = r.person_id \
     WHERE r.collection_id = ?1 AND r.kind = 2 AND p.did IS NOT NULL \
     ON CONFLICT (person_id, kind, subject_id) DO UPDATE SET stamp = excluded.stamp, not_before = 0",
];

const PUBLISHED: &str = "\
UPDATE records SET cid = ?4, digest = ?5, in_doubt = 0, published_at = ?6 WHERE person_id = ?1 AND kind = ?2 AND subject_id = ?3";

const DELETED: &str = "DELETE FROM records WHERE person_id = ?1 AND kind = ?2 AND subject_id = ?3";

const REMOVAL_GONE: &str = "\
DELETE FROM record_removals WHERE owner_id = ?1 AND link_id = ?2
AND NOT EXISTS (SELECT 1 FROM collections k WHERE k.id = record_removals.collection_id AND k.deleted_at IS NULL)";

const REFUSED: [&str; 2] = [
    "DELETE FROM records WHERE person_id = ?1 AND kind = ?2 AND subject_id = ?3 AND cid IS NULL",
    "UPDATE records SET in_doubt = 0 WHERE person_id = ?1 AND kind = ?2 AND subject_id = ?3",
];

const NOT_OWED: &str = "DELETE FROM record_owed WHERE person_id = ?1 AND kind = ?2 AND subject_id = ?3 AND stamp = ?4";

const LATER: &str = "\
UPDATE record_owed SET not_before = ?5 WHERE person_id = ?1 AND kind = ?2 AND subject_id = ?3 AND stamp = ?4";

/// Work that became owed during the turn is due at once. `?2`: the state; `?3`: its reason; `?4`: whether it failed;
/// `?5`: until when it pauses; `?6`: how long the rest waits; `?7`: the time.
const END: &str = "\
UPDATE record_people SET lease = NULL, leased_until = NULL, state = ?2, reason = ?3,
    failures = CASE WHEN ?4 THEN failures + 1 ELSE 0 END, failing_since = CASE WHEN ?4 THEN coalesce(failing_since, ?7) END,
    paused_until = ?5,
    due_at = CASE WHEN due_at < turned_at OR is_new THEN 0 ELSE
        (SELECT max(min(o.not_before), ?6) FROM record_owed o WHERE o.person_id = ?1 HAVING count(*) > 0) END
WHERE person_id = ?1";

pub(super) fn is_due(connection: &Connection, now: Timestamp) -> Result<bool, Failure> {
    Ok(first(connection, DUE, &[&us(now)], |_| Ok(()))?.is_some())
}

pub(super) fn begin(connection: &Connection, now: Timestamp, lease: Duration) -> Result<Option<Turn>, Failure> {
    let token = Ulid::generate();
    let turn = first(connection, DUE, &[&us(now)], |row| {
        Ok(Turn {
            person: user_id(&get::<String>(row, "person_id")?)?,
            did: get(row, "did")?,
            lease: token,
            now,
            is_new: get(row, "is_new")?,
            may_add: get(row, "may_add")?,
            spent: spent(row)?,
            failures: get(row, "failures")?,
        })
    })?;
    if let Some(turn) = &turn {
        run(connection, BEGIN, &[&turn.person.as_str(), &blob(token), &us(now), &later(now, lease)])?;
    }
    Ok(turn)
}

pub(super) fn owe_everything(connection: &Connection, turn: &Turn) -> Result<(), Failure> {
    if run(connection, NOT_NEW, &[&turn.person.as_str(), &blob(turn.lease)])? == 1 {
        run(connection, OWE_SHARED, &[&turn.person.as_str()])?;
        run(connection, OWE_EVERYTHING, &[&turn.person.as_str()])?;
    }
    Ok(())
}

pub(super) fn attempt(
    connection: &Connection,
    now: Timestamp,
    turn: &Turn,
    attempts: &[Attempt],
    points: u32,
    lease: Duration,
) -> Result<bool, Failure> {
    let (person, spent) = (turn.person.as_str(), turn.spent.and(points, turn.now));
    let (hour_at, day_at) = (spent.hour_at.map(us), spent.day_at.map(us));
    let held = run(
        connection,
        HOLD,
        &[&person, &blob(turn.lease), &later(now, lease), &hour_at, &spent.hour, &day_at, &spent.day, &turn.did],
    )?;
    if held == 0 {
        return Ok(false);
    }
    for Attempt { subject, nsid, rkey, link } in attempts {
        let (card, collection) = (link.map(|(card, _)| blob(card.ulid())), link.map(|(_, to)| blob(to.ulid())));
        let (kind, id) = (subject.kind.number(), blob(subject.id));
        run(connection, ATTEMPT, &[&person, &kind, &id, &turn.did, nsid, rkey, &card, &collection])?;
    }
    Ok(true)
}

pub(super) fn end(
    connection: &Connection,
    now: Timestamp,
    turn: &Turn,
    done: &[Done],
    ending: &Ending,
) -> Result<bool, Failure> {
    let person = turn.person.as_str();
    if first(connection, OURS, &[&person, &blob(turn.lease)], |_| Ok(()))?.is_none() {
        return Ok(false);
    }
    for done in done {
        keep(connection, now, person, done)?;
    }
    let refused = done.iter().find_map(|done| match &done.outcome {
        Outcome::Refused(reason) => Some(reason.as_str()),
        _ => None,
    });
    let (state, reason, failed, pause, wait) = match ending {
        Ending::NotConnected => {
            disconnect(connection, &turn.person)?;
            return Ok(true);
        }
        Ending::Further => ("ok", refused, false, None, 0),
        Ending::OutOfBudget(wait) => ("limited", refused, false, None, later(now, *wait)),
        Ending::Paused { pause, reason, is_asked: true } => {
            ("limited", Some(reason.as_str()), false, Some(later(now, *pause)), 0)
        }
        Ending::Paused { pause, reason, is_asked: false } => {
            ("failing", Some(reason.as_str()), true, Some(later(now, *pause)), 0)
        }
        Ending::Ended(reason) => ("ended", Some(reason.as_str()), true, None, 0),
    };
    run(connection, END, &[&person, &state, &reason, &failed, &pause, &wait, &us(now)])?;
    Ok(true)
}

fn keep(connection: &Connection, now: Timestamp, person: &str, done: &Done) -> Result<(), Failure> {
    let Done { subject, stamp, outcome } = done;
    let (kind, id) = (subject.kind.number(), blob(subject.id));
    if let Outcome::Later(wait) = outcome {
        run(connection, LATER, &[&person, &kind, &id, stamp, &later(now, *wait)])?;
        return Ok(());
    }
    // Before the stays that name it are owed, so that a stay of this very turn is checked again.
    run(connection, NOT_OWED, &[&person, &kind, &id, stamp])?;
    let is_new = first(connection, IS_NEW, &[&person, &kind, &id], |_| Ok(()))?.is_some();
    match outcome {
        Outcome::Published { cid, digest } => {
            run(connection, PUBLISHED, &[&person, &kind, &id, cid, digest, &us(now)])?;
        }
        Outcome::Deleted => {
            run(connection, DELETED, &[&person, &kind, &id])?;
            if subject.kind == RecordKind::Removal {
                run(connection, REMOVAL_GONE, &[&person, &id])?;
            }
        }
        Outcome::Refused(_) => {
            for sql in REFUSED {
                run(connection, sql, &[&person, &kind, &id])?;
            }
        }
        Outcome::Unchanged | Outcome::Later(_) => {}
    }
    let appears = is_new && matches!(outcome, Outcome::Published { .. });
    if appears || *outcome == Outcome::Deleted {
        match subject.kind {
            RecordKind::Card => run(connection, OWE_LINKS[0], &[&id])?,
            RecordKind::Collection => run(connection, OWE_LINKS[1], &[&id])?,
            RecordKind::Link | RecordKind::Removal => 0,
        };
    }
    Ok(())
}
