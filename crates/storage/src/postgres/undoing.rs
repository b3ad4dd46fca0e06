//! Imports being undone: the next step for each, and its progress.

use cardwire_domain::imports::Fingerprint;
use cardwire_domain::{CollectionId, ImportId};
use sqlx::types::Uuid;

use super::error::Failure;
use super::pool::Session;
use super::values::{collection_id, get, signed, uuid};

/// Any of them, so that one that cannot be undone does not hold up the others.
const HOLD: &str = "\
SELECT i.id, i.owner_id, i.undo_behind FROM imports i WHERE i.undo_at IS NOT NULL AND i.undone_at IS NULL
AND NOT EXISTS (SELECT FROM leaving WHERE user_id = i.owner_id) ORDER BY random() LIMIT 1 FOR UPDATE OF i SKIP LOCKED";

const MADE: &str = "\
SELECT number, card_id, fingerprint FROM import_rows
WHERE import_id = $1 AND number > $2 AND outcome = 'saved' AND card_id IS NOT NULL AND fingerprint IS NOT NULL
ORDER BY number LIMIT $3";

/// Version 1: nobody changed them.
const EMPTY: &str = "\
SELECT c.id FROM collections c WHERE c.import_id = $1 AND c.author_id = $2 AND c.deleted_at IS NULL AND c.version = 1
AND NOT EXISTS (SELECT FROM links WHERE collection_id = c.id) ORDER BY c.id LIMIT $3";

const LEFT_AS: &str = "\
UPDATE import_rows r SET fingerprint = l.fingerprint, card_id = l.card_id
FROM unnest($2::integer[], $3::uuid[], $4::bigint[]) AS l (number, card_id, fingerprint)
WHERE r.import_id = $1 AND r.number = l.number";

/// Rows that saved the card before this one: the first row of the link, or others with the same link.
const GONE: [&str; 2] = [
    "UPDATE import_rows SET fingerprint = NULL WHERE import_id = $1 AND number = $2 AND number <> $3",
    "UPDATE import_rows SET fingerprint = NULL WHERE import_id = $1 AND same_as = $2 AND fingerprint IS NOT NULL AND number <> $3",
];

/// The same two.
const LEFT_BY_LATER_ROW: [&str; 2] = [
    "UPDATE import_rows r SET fingerprint = l.after
     FROM unnest($2::integer[], $3::bigint[], $4::bigint[]) AS l (first, before, after)
     WHERE r.import_id = $1 AND r.number = l.first AND r.fingerprint = l.before",
    "UPDATE import_rows r SET fingerprint = l.after
     FROM unnest($2::integer[], $3::bigint[], $4::bigint[]) AS l (first, before, after)
     WHERE r.import_id = $1 AND r.same_as = l.first AND r.fingerprint IS NOT NULL AND r.fingerprint = l.before",
];

const MOVE_ON: &str = "\
UPDATE imports SET undo_behind = $3, undone = undone + $4, kept = kept + $5
WHERE id = $1 AND undo_behind = $2 AND undo_at IS NOT NULL AND undone_at IS NULL";

/// A change of an import, or of what it created.
pub(super) enum Undoing {
    LeftAs { import: ImportId, number: u32, card: Uuid, fingerprint: Fingerprint, same_as: Option<u32> },
    LeftByLaterRow { import: ImportId, first: u32, before: Fingerprint, after: Fingerprint },
    Rows { import: ImportId, before: u32, after: u32, removed: Vec<u32>, kept: u32 },
    DeleteEmpty(CollectionId),
    Finish(ImportId),
}

/// An import being undone, locked by the session's transaction.
pub(super) struct Held {
    pub(super) id: Uuid,
    pub(super) owner: String,
    pub(super) behind: i32,
}

/// A row that created a card.
pub(super) struct Made {
    pub(super) number: i32,
    pub(super) card: Uuid,
    pub(super) left_as: Option<i64>,
}

pub(super) async fn hold(session: &mut Session) -> Result<Option<Held>, Failure> {
    session.begin().await?;
    let rows = session.fetch_all(sqlx::query(HOLD)).await?;
    let held = |row| Ok(Held { id: get(row, "id")?, owner: get(row, "owner_id")?, behind: get(row, "undo_behind")? });
    rows.first().map(held).transpose()
}

/// The next rows that created a card.
pub(super) async fn made(session: &mut Session, held: &Held, limit: usize) -> Result<Vec<Made>, Failure> {
    let query = sqlx::query(MADE).bind(held.id).bind(held.behind).bind(signed(limit));
    let rows = session.fetch_all(query).await?;
    let made =
        |row| Ok(Made { number: get(row, "number")?, card: get(row, "card_id")?, left_as: get(row, "fingerprint")? });
    rows.iter().map(made).collect()
}

/// Empty collections that it created.
pub(super) async fn empty(session: &mut Session, held: &Held, limit: usize) -> Result<Vec<CollectionId>, Failure> {
    let query = sqlx::query(EMPTY).bind(held.id).bind(&held.owner).bind(signed(limit));
    let rows = session.fetch_all(query).await?;
    rows.iter().map(|row| Ok(collection_id(get(row, "id")?))).collect()
}

/// In the session's transaction.
pub(super) async fn undo(session: &mut Session, steps: Vec<Undoing>) -> Result<(), Failure> {
    let mut left = LeftRows::default();
    for step in steps {
        match step {
            Undoing::LeftAs { import, number, card, fingerprint, same_as } => {
                left.import = Some(import);
                let number = signed_number(number)?;
                left.numbers.push(number);
                left.cards.push(card);
                left.fingerprints.push(fingerprint.as_stored());
                if let Some(first) = same_as {
                    let (import, first) = (uuid(import.ulid()), signed_number(first)?);
                    for gone in GONE {
                        session.execute(sqlx::query(gone).bind(import).bind(first).bind(number)).await?;
                    }
                }
            }
            Undoing::LeftByLaterRow { import, first, before, after } => {
                left.import = Some(import);
                left.firsts.push(signed_number(first)?);
                left.befores.push(before.as_stored());
                left.afters.push(after.as_stored());
            }
            Undoing::Rows { import, before, after, removed, kept } => {
                let import = uuid(import.ulid());
                let removed = removed.into_iter().map(signed_number).collect::<Result<Vec<i32>, Failure>>()?;
                let move_on = sqlx::query(MOVE_ON)
                    .bind(import)
                    .bind(signed_number(before)?)
                    .bind(signed_number(after)?)
                    .bind(i32::try_from(removed.len()).unwrap_or(i32::MAX))
                    .bind(signed_number(kept)?);
                if session.execute(move_on).await? != 1 {
                    return Err(Failure::Changed);
                }
                let mark = "UPDATE import_rows SET undone = true WHERE import_id = $1 AND number = ANY($2)";
                session.execute(sqlx::query(mark).bind(import).bind(removed)).await?;
            }
            Undoing::DeleteEmpty(id) => {
                // Adding a card locks the collection until the commit, so the next statement sees the card.
                let hold = "SELECT 1 FROM collections WHERE id = $1 FOR UPDATE";
                session.execute(sqlx::query(hold).bind(uuid(id.ulid()))).await?;
                let delete = "UPDATE collections SET deleted_at = now(), version = version + 1 WHERE id = $1 \
                              AND deleted_at IS NULL AND version = 1 AND NOT EXISTS (SELECT FROM links WHERE collection_id = $1)";
                session.execute(sqlx::query(delete).bind(uuid(id.ulid()))).await?;
            }
            Undoing::Finish(import) => {
                let finish = "UPDATE imports SET undone_at = now() WHERE id = $1 AND undone_at IS NULL";
                session.execute(sqlx::query(finish).bind(uuid(import.ulid()))).await?;
            }
        }
    }
    left.write(session).await
}

/// What an import's rows created, column by column.
#[derive(Default)]
struct LeftRows {
    import: Option<ImportId>,
    numbers: Vec<i32>,
    cards: Vec<Uuid>,
    fingerprints: Vec<i64>,
    firsts: Vec<i32>,
    befores: Vec<i64>,
    afters: Vec<i64>,
}

impl LeftRows {
    async fn write(self, session: &mut Session) -> Result<(), Failure> {
        let Some(import) = self.import.map(|import| uuid(import.ulid())) else { return Ok(()) };
        if !self.numbers.is_empty() {
            let query = sqlx::query(LEFT_AS).bind(import).bind(self.numbers).bind(self.cards).bind(self.fingerprints);
            session.execute(query).await?;
        }
        if !self.firsts.is_empty() {
            for sql in LEFT_BY_LATER_ROW {
                let query = sqlx::query(sql).bind(import).bind(&self.firsts).bind(&self.befores).bind(&self.afters);
                session.execute(query).await?;
            }
        }
        Ok(())
    }
}

fn signed_number(number: u32) -> Result<i32, Failure> {
    i32::try_from(number).map_err(|_| Failure::Nonsense(format!("row {number} of an import")))
}
