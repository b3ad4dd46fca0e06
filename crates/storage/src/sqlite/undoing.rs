//! Imports being undone: the next step for each, and its progress.

use cardwire_domain::imports::Fingerprint;
use cardwire_domain::{CardId, CollectionId, ImportId};
use rusqlite::{Connection, Row};
use serde_json::Value;

use super::error::Failure;
use super::values::{blob, card_id, collection_id, first, get, rows, run, signed, ulid};

/// This many imports being undone are looked at to find one that nobody else is handling.
const AT_ONCE: i64 = 100;

/// Any of them, so that one that cannot be undone does not hold up the others.
const UNDONE: &str = "\
SELECT id FROM imports i WHERE i.undo_at IS NOT NULL AND i.undone_at IS NULL
AND NOT EXISTS (SELECT 1 FROM leaving WHERE user_id = i.owner_id) ORDER BY random() LIMIT ?1";

const BEHIND: &str = "SELECT undo_behind FROM imports WHERE id = ?1 AND undo_at IS NOT NULL AND undone_at IS NULL";

const MADE: &str = "\
SELECT number, card_id, fingerprint FROM import_rows
WHERE import_id = ?1 AND number > ?2 AND outcome = 'saved' AND card_id IS NOT NULL AND fingerprint IS NOT NULL
ORDER BY number LIMIT ?3";

/// Version 1: nobody changed them.
const EMPTY: &str = "\
SELECT c.id FROM collections c JOIN imports i ON i.id = c.import_id AND i.owner_id = c.author_id
WHERE c.import_id = ?1 AND c.deleted_at IS NULL AND c.version = 1 AND NOT EXISTS (SELECT 1 FROM links WHERE collection_id = c.id)
ORDER BY c.id LIMIT ?2";

const MOVE_ON: &str = "\
UPDATE imports SET undo_behind = ?3, undone = undone + ?4, kept = kept + ?5
WHERE id = ?1 AND undo_behind = ?2 AND undo_at IS NOT NULL AND undone_at IS NULL";

/// Rows that saved the card before this one: the first row of the link, or others with the same link.
const GONE: [&str; 2] = [
    "UPDATE import_rows SET fingerprint = NULL WHERE import_id = ?1 AND number = ?2 AND number <> ?3",
    "UPDATE import_rows SET fingerprint = NULL WHERE import_id = ?1 AND same_as = ?2 AND fingerprint IS NOT NULL AND number <> ?3",
];

/// The same two.
const LEFT_BY_LATER_ROW: [&str; 2] = [
    "UPDATE import_rows SET fingerprint = ?4 WHERE import_id = ?1 AND number = ?2 AND fingerprint = ?3",
    "UPDATE import_rows SET fingerprint = ?4 WHERE import_id = ?1 AND same_as = ?2 AND fingerprint IS NOT NULL AND fingerprint = ?3",
];

/// A row that created a card.
pub(super) struct Made {
    pub(super) number: u32,
    pub(super) card: CardId,
    pub(super) left_as: Option<Fingerprint>,
}

/// What comes next for one.
pub(super) struct Next {
    pub(super) behind: u32,
    pub(super) made: Vec<Made>,
    /// Empty collections that it created; only if no row is left.
    pub(super) empty: Vec<CollectionId>,
}

/// Some that are undone.
pub(super) fn undone(connection: &Connection) -> Result<Vec<ImportId>, Failure> {
    rows(connection, UNDONE, &[&AT_ONCE], |row| Ok(ImportId::from_ulid(ulid(get(row, "id")?))))
}

/// `None`: it is undone by now.
pub(super) fn next(connection: &Connection, import: ImportId, limit: usize) -> Result<Option<Next>, Failure> {
    let id = blob(import.ulid());
    let behind = first(connection, BEHIND, &[&id], |row| get::<u32>(row, "undo_behind"))?;
    let Some(behind) = behind else { return Ok(None) };
    let made = rows(connection, MADE, &[&id, &behind, &signed(limit)], read_made)?;
    let read_id = |row: &Row<'_>| Ok(collection_id(get(row, "id")?));
    let empty = if made.is_empty() { rows(connection, EMPTY, &[&id, &signed(limit)], read_id)? } else { Vec::new() };
    Ok(Some(Next { behind, made, empty }))
}

fn read_made(row: &Row<'_>) -> Result<Made, Failure> {
    Ok(Made {
        number: get(row, "number")?,
        card: card_id(get(row, "card_id")?),
        left_as: get::<Option<i64>>(row, "fingerprint")?.map(Fingerprint::from_stored),
    })
}

pub(super) fn left_as(
    connection: &Connection,
    import: ImportId,
    (number, same_as): (u32, Option<u32>),
    card: CardId,
    fingerprint: Fingerprint,
) -> Result<(), Failure> {
    let id = blob(import.ulid());
    if let Some(first) = same_as {
        for gone in GONE {
            run(connection, gone, &[&id, &first, &number])?;
        }
    }
    let sql = "UPDATE import_rows SET fingerprint = ?3, card_id = ?4 WHERE import_id = ?1 AND number = ?2";
    run(connection, sql, &[&id, &number, &fingerprint.as_stored(), &blob(card.ulid())]).map(drop)
}

pub(super) fn left_anew(
    connection: &Connection,
    import: ImportId,
    first: u32,
    (before, after): (Fingerprint, Fingerprint),
) -> Result<(), Failure> {
    for sql in LEFT_BY_LATER_ROW {
        run(connection, sql, &[&blob(import.ulid()), &first, &before.as_stored(), &after.as_stored()])?;
    }
    Ok(())
}

pub(super) fn undo_rows(
    connection: &Connection,
    import: ImportId,
    (before, after): (u32, u32),
    removed: &[u32],
    kept: u32,
) -> Result<(), Failure> {
    let (id, count) = (blob(import.ulid()), signed(removed.len()));
    if run(connection, MOVE_ON, &[&id, &before, &after, &count, &kept])? != 1 {
        return Err(Failure::Changed);
    }
    let removed = removed.iter().copied().collect::<Value>().to_string();
    let mark = "UPDATE import_rows SET undone = 1 WHERE import_id = ?1 AND number IN (SELECT value FROM json_each(?2))";
    run(connection, mark, &[&id, &removed]).map(drop)
}

pub(super) fn delete_empty(connection: &Connection, now: i64, id: CollectionId) -> Result<(), Failure> {
    let sql = "UPDATE collections SET deleted_at = ?2, version = version + 1 WHERE id = ?1 AND deleted_at IS NULL \
               AND version = 1 AND NOT EXISTS (SELECT 1 FROM links WHERE collection_id = ?1)";
    run(connection, sql, &[&blob(id.ulid()), &now]).map(drop)
}

pub(super) fn finish(connection: &Connection, now: i64, import: ImportId) -> Result<(), Failure> {
    let sql = "UPDATE imports SET undone_at = ?2 WHERE id = ?1 AND undone_at IS NULL";
    run(connection, sql, &[&blob(import.ulid()), &now]).map(drop)
}
