//! Accounts that are being deleted: the next step for each, and its progress.

use cardwire_domain::leaving::Stage;
use cardwire_domain::records::DELETE_WITHIN;
use cardwire_domain::store::Left;
use cardwire_domain::{CardId, EventId, UserId};
use jiff::Timestamp;
use rusqlite::{Connection, Row};
use sha2::{Digest, Sha256};
use ulid::Ulid;

use super::error::Failure;
use super::values::{blob, card_id, collection_id, earlier, event_id, first, get, rows, run, signed, user_id};
use crate::departed::named;

/// This much of what is owed, or in the log, is searched at once.
pub(super) const LOOK: usize = 2_000;
/// This many leaving people are looked at to find one that nobody else is handling.
const AT_ONCE: i64 = 100;

/// Any of them, so that one that waits does not hold up the others.
const LEAVERS: &str = "SELECT user_id FROM leaving ORDER BY random() LIMIT ?1";

const HELD: &str = "SELECT stage, behind FROM leaving WHERE user_id = ?1";

const KEPT: &str = "\
SELECT id FROM cards WHERE owner_id = ?1 AND library_link IS NOT NULL ORDER BY library_at DESC, id DESC LIMIT ?2";

const WRITTEN: &str = "\
SELECT id FROM collections WHERE author_id = ?1 AND deleted_at IS NULL ORDER BY created_at DESC, id DESC LIMIT ?2";

/// Collections that still hold cards: the person's own, and deleted ones of other people with cards of theirs.
const IS_EMPTYING: &str = "\
SELECT EXISTS (SELECT 1 FROM collections WHERE author_id = ?1)
    OR EXISTS (SELECT 1 FROM cards c CROSS JOIN links l ON l.card_id = c.id WHERE c.owner_id = ?1) AS emptying";

const OWED: &str = "\
SELECT d.event_id, d.dead_at IS NOT NULL AS is_dead, coalesce(instr(e.envelope, ?2) > 0, 0) AS theirs
FROM deliveries d LEFT JOIN events e ON e.id = d.event_id WHERE d.event_id > ?1 ORDER BY d.event_id LIMIT ?3";

/// Records that still have to be deleted elsewhere, as long as that is possible and worth waiting for.
const IS_PUBLISHED: &str = "\
SELECT EXISTS (
    SELECT 1 FROM record_people p JOIN leaving l ON l.user_id = p.person_id AND l.requested_at > ?2
    WHERE p.person_id = ?1 AND p.did IS NOT NULL AND p.state <> 'ended'
      AND EXISTS (SELECT 1 FROM records r WHERE r.person_id = p.person_id)
) AS is_published";

const LEAVE: &str = "UPDATE leaving SET stage = ?3, behind = ?4 WHERE user_id = ?1 AND stage = ?2";

/// Their versions increase, so a command that has already read a collection's people cannot write them back.
const CUT_TIES: [&str; 4] = [
    "UPDATE collections SET version = version + 1 WHERE id IN ( \
         SELECT collection_id FROM collaborators WHERE user_id = ?1 UNION SELECT collection_id FROM invitations WHERE user_id = ?1)",
    "DELETE FROM collaborators WHERE user_id = ?1",
    "DELETE FROM invitations WHERE user_id = ?1",
    "DELETE FROM blocks WHERE user_id = ?1 OR blocked_id = ?1",
];

const IS_LEAVING: &str = "SELECT deleted_at IS NOT NULL AS is_leaving FROM users WHERE id = ?1";

const HAS_LEFT: &str = "SELECT 1 FROM audit_log WHERE action = 'user.delete' AND target = ?1 LIMIT 1";

/// Some who are leaving.
pub(super) fn leavers(connection: &Connection) -> Result<Vec<UserId>, Failure> {
    rows(connection, LEAVERS, &[&AT_ONCE], |row| user_id(&get::<String>(row, "user_id")?))
}

/// The turn for handling one person.
pub(super) fn turn_at(person: &UserId) -> Ulid {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&Sha256::digest(person.as_str())[..16]);
    Ulid(u128::from_be_bytes(bytes))
}

/// The progress, and the cards in the person's library or else what is left. `None`: they are gone.
pub(super) fn look(
    connection: &Connection,
    now: Timestamp,
    person: &UserId,
    limit: usize,
) -> Result<Option<(Stage, Vec<CardId>, Left)>, Failure> {
    let held = first(connection, HELD, &[&person.as_str()], |row| {
        let name: String = get(row, "stage")?;
        let stage = Stage::ALL.into_iter().find(|stage| stage.name() == name);
        let stage = stage.ok_or_else(|| Failure::Nonsense(format!("{name:?} is stored as a stage")))?;
        Ok((stage, get::<Option<[u8; 16]>>(row, "behind")?))
    })?;
    let Some((stage, behind)) = held else { return Ok(None) };
    let cards = rows(connection, KEPT, &[&person.as_str(), &signed(limit)], |row| Ok(card_id(get(row, "id")?)))?;
    let left = if cards.is_empty() { left(connection, now, person, stage, behind, limit)? } else { Left::Nothing };
    Ok(Some((stage, cards, left)))
}

fn left(
    connection: &Connection,
    now: Timestamp,
    person: &UserId,
    stage: Stage,
    behind: Option<[u8; 16]>,
    limit: usize,
) -> Result<Left, Failure> {
    let id = |row: &Row<'_>| Ok(collection_id(get(row, "id")?));
    let written = rows(connection, WRITTEN, &[&person.as_str(), &signed(limit)], id)?;
    if !written.is_empty() {
        return Ok(Left::Collections(written));
    }
    match stage {
        Stage::Parting => {
            let is_emptying = first(connection, IS_EMPTYING, &[&person.as_str()], |row| get(row, "emptying"))?;
            Ok(if is_emptying.unwrap_or(false) { Left::Emptying } else { Left::Nothing })
        }
        Stage::Settling => match owed(connection, person, behind)? {
            Left::Nothing if is_published(connection, now, person)? => Ok(Left::Emptying),
            left => Ok(left),
        },
        Stage::Told => owed(connection, person, behind),
        Stage::Forgetting | Stage::Clearing => Ok(Left::Nothing),
    }
}

fn is_published(connection: &Connection, now: Timestamp, person: &UserId) -> Result<bool, Failure> {
    let since = earlier(now, DELETE_WITHIN);
    let is_published = first(connection, IS_PUBLISHED, &[&person.as_str(), &since], |row| get(row, "is_published"))?;
    Ok(is_published.unwrap_or(false))
}

/// The person's first owed event after a given one; a live one rather than a dead one.
fn owed(connection: &Connection, person: &UserId, behind: Option<[u8; 16]>) -> Result<Left, Failure> {
    let behind = behind.unwrap_or_default();
    let looked = rows(connection, OWED, &[&behind, &named(person), &signed(LOOK)], |row| {
        Ok((event_id(get(row, "event_id")?), get::<bool>(row, "is_dead")?, get::<bool>(row, "theirs")?))
    })?;
    let theirs = looked.iter().filter(|(.., theirs)| *theirs);
    if let Some((event, is_dead, _)) = theirs.min_by_key(|(event, is_dead, _)| (*is_dead, *event)) {
        return Ok(Left::Owed { event: *event, is_dead: *is_dead });
    }
    let is_more = looked.len() == LOOK;
    Ok(looked.last().filter(|_| is_more).map_or(Left::Nothing, |(last, ..)| Left::Unknown { behind: *last }))
}

pub(super) fn leave(
    connection: &Connection,
    person: &UserId,
    before: Stage,
    after: Stage,
    behind: Option<EventId>,
) -> Result<(), Failure> {
    let behind = behind.map(|event| blob(event.ulid()));
    let changed = run(connection, LEAVE, &[&person.as_str(), &before.name(), &after.name(), &behind])?;
    if changed == 1 { Ok(()) } else { Err(Failure::Changed) }
}

pub(super) fn cut_ties(connection: &Connection, person: &UserId) -> Result<(), Failure> {
    CUT_TIES.iter().try_for_each(|sql| run(connection, sql, &[&person.as_str()]).map(drop))
}

/// Whether this person's account is being deleted, or has been. False for people who never had one (mock
/// authentication).
pub(super) fn leaves(connection: &Connection, person: &UserId) -> Result<bool, Failure> {
    if let Some(is_leaving) = first(connection, IS_LEAVING, &[&person.as_str()], |row| get(row, "is_leaving"))? {
        return Ok(is_leaving);
    }
    // It is never pruned, and only searched for people without an account.
    Ok(first(connection, HAS_LEFT, &[&person.as_str()], |_| Ok(()))?.is_some())
}
