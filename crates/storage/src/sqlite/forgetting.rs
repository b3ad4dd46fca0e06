//! Deletes what is left of somebody whose account is being deleted, one portion per job.

use std::collections::BTreeSet;

use cardwire_domain::UserId;
use cardwire_domain::leaving::Stage;
use cardwire_events::Queue;
use jiff::Timestamp;
use rusqlite::{Connection, ToSql};

use super::departed::{delete_activities, delete_curators, indexed};
use super::error::Failure;
use super::leaving::{LOOK, cut_ties};
use super::records::forget_person;
use super::search::{purge_texts, reindex};
use super::values::{first, get, rows, run, signed, us};
use crate::departed::{NOBODY, named};

const STAGE: &str = "SELECT stage, behind, audit_id FROM leaving WHERE user_id = ?1";

/// Behind an event; from the first one on if there is none.
const NEXT_EVENTS: &str = "\
SELECT id, instr(envelope, ?2) > 0 AS theirs FROM events WHERE id > ?1 ORDER BY id LIMIT ?3";

const FORGET_EVENT: [&str; 2] = ["DELETE FROM events WHERE id = ?1", "DELETE FROM deliveries WHERE event_id = ?1"];

const FORGET_STEPS: &str = "DELETE FROM delivery_steps WHERE queue = ?2 AND event_id = ?1";

const MOVE_ON: &str = "UPDATE leaving SET stage = ?2, behind = ?3 WHERE user_id = ?1";

const NEXT_CARDS: &str = "SELECT id FROM cards WHERE owner_id = ?1 AND library_link IS NULL LIMIT ?2";

const FORGET_CARD: [&str; 2] = ["DELETE FROM notes WHERE card_id = ?1", "DELETE FROM cards WHERE id = ?1"];

/// Kinds of rows of which there may be many.
const MANY: [&str; 2] = [
    "DELETE FROM import_rows WHERE (import_id, number) IN ( \
         SELECT r.import_id, r.number FROM imports i CROSS JOIN import_rows r ON r.import_id = i.id WHERE i.owner_id = ?1 LIMIT ?2)",
    "DELETE FROM idempotency_keys WHERE (user_id, key) IN (SELECT user_id, key FROM idempotency_keys WHERE user_id = ?1 LIMIT ?2)",
];

/// Kinds of which there are few. `?1` is the person.
const FEW: [&str; 8] = [
    "DELETE FROM imports WHERE owner_id = ?1",
    "DELETE FROM rejected_entries WHERE instr(raw, ?1) > 0 OR instr(reason, ?1) > 0",
    "DELETE FROM search_words WHERE owner_id = ?1",
    "UPDATE pages SET turn = NULL, asked_by = NULL, domain = NULL, by_person = NULL, by_domain = NULL \
     WHERE asked_by = ?1 AND turn IS NOT NULL",
    "DELETE FROM invites WHERE created_by = ?1 OR used_by = ?1",
    "DELETE FROM profiles WHERE user_id = ?1",
    "DELETE FROM atproto_connections WHERE user_id = ?1",
    "DELETE FROM users WHERE id = ?1",
];

/// What stays without the person's name. `?2` stands for nobody.
const UNNAMED: [&str; 4] = [
    "UPDATE queue_pauses SET person = ?2 WHERE person = ?1",
    "UPDATE search_rebuilds SET requested_by = ?2 WHERE requested_by = ?1",
    "UPDATE replays SET requested_by = ?2 WHERE requested_by = ?1",
    "UPDATE replays SET person = ?2 WHERE person = ?1",
];

const COMPLETE: &str = "UPDATE audit_log SET affected = 1, completed_at = ?2 WHERE id = ?1 AND completed_at IS NULL";

/// If another process has finished it already, there is nothing to do.
pub(super) fn forget(connection: &Connection, now: Timestamp, person: &UserId, limit: usize) -> Result<(), Failure> {
    let held = first(connection, STAGE, &[&person.as_str()], |row| {
        let behind: Option<[u8; 16]> = get(row, "behind")?;
        Ok((get::<String>(row, "stage")?, behind, get::<i64>(row, "audit_id")?))
    })?;
    let Some((stage, behind, audit_id)) = held else { return Ok(()) };
    if stage == Stage::Forgetting.name() {
        return forget_events(connection, person, behind.unwrap_or_default());
    }
    clear(connection, now, person, limit, behind.is_some(), audit_id)
}

fn move_on(connection: &Connection, person: &UserId, to: Stage, behind: Option<[u8; 16]>) -> Result<(), Failure> {
    run(connection, MOVE_ON, &[&person.as_str(), &to.name(), &behind])?;
    Ok(())
}

fn forget_events(connection: &Connection, person: &UserId, behind: [u8; 16]) -> Result<(), Failure> {
    let looked = rows(connection, NEXT_EVENTS, &[&behind, &named(person), &signed(LOOK)], |row| {
        Ok((get::<[u8; 16]>(row, "id")?, get::<bool>(row, "theirs")?))
    })?;
    for (id, _) in looked.iter().filter(|(_, theirs)| *theirs) {
        for sql in FORGET_EVENT {
            run(connection, sql, &[id])?;
        }
        for queue in Queue::ALL {
            run(connection, FORGET_STEPS, &[id, &queue.name()])?;
        }
    }
    match looked.last().filter(|_| looked.len() == LOOK) {
        Some((last, _)) => move_on(connection, person, Stage::Forgetting, Some(*last)),
        None => move_on(connection, person, Stage::Clearing, None),
    }
}

/// `purges`: deleted entries are being purged from the indexes of notes and titles.
fn clear(
    connection: &Connection,
    now: Timestamp,
    person: &UserId,
    limit: usize,
    purges: bool,
    audit_id: i64,
) -> Result<(), Failure> {
    let people = BTreeSet::from([person.clone()]);
    // What was counted, shown or indexed after the queues had processed the deletion.
    let mut cards = indexed(connection, &people)?;
    cards.truncate(limit);
    if !cards.is_empty() {
        return reindex(connection, now, &cards);
    }
    if forget_cards(connection, person, limit)? {
        return Ok(());
    }
    for sql in MANY {
        if run(connection, sql, &[&person.as_str(), &signed(limit)])? > 0 {
            return Ok(());
        }
    }
    if delete_activities(connection, person)? || keeps_cards(connection, person)? {
        return Ok(());
    }
    if purge_texts(connection, !purges)? {
        return move_on(connection, person, Stage::Clearing, Some([0; 16]));
    }
    delete_curators(connection, &people)?;
    forget_person(connection, person)?;
    cut_ties(connection, person)?;
    let id: &dyn ToSql = &person.as_str();
    for sql in UNNAMED {
        run(connection, sql, &[id, &NOBODY])?;
    }
    for sql in FEW {
        run(connection, sql, &[id])?;
    }
    run(connection, COMPLETE, &[&audit_id, &us(now)])?;
    run(connection, "DELETE FROM leaving WHERE user_id = ?1", &[id])?;
    Ok(())
}

fn forget_cards(connection: &Connection, person: &UserId, limit: usize) -> Result<bool, Failure> {
    let next = rows(connection, NEXT_CARDS, &[&person.as_str(), &signed(limit)], |row| get::<[u8; 16]>(row, "id"))?;
    for id in &next {
        for sql in FORGET_CARD {
            run(connection, sql, &[id])?;
        }
    }
    Ok(!next.is_empty())
}

/// Only an older build can have saved one meanwhile. It is removed like the others.
fn keeps_cards(connection: &Connection, person: &UserId) -> Result<bool, Failure> {
    let sql = "SELECT 1 FROM cards WHERE owner_id = ?1 LIMIT 1";
    Ok(first(connection, sql, &[&person.as_str()], |_| Ok(()))?.is_some())
}
