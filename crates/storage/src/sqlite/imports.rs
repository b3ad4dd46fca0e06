//! Imports: rows leased with their import by `next_at`, and their results. While an import is still getting its rows,
//! it has no `next_at`.

use std::time::Duration;

use async_trait::async_trait;
use cardwire_domain::accounts::is_leaving;
use cardwire_domain::imports::{
    FileRow, ImportRepository, ImportRow, ImportView, LeasedRows, NewImport, ReportRow, RowOutcome, SILENT_AT_MOST,
    UndoView, Wanted,
};
use cardwire_domain::page::no_cursor;
use cardwire_domain::{CardId, Error, ImportId, Page, PageRequest, Position, Result, UserId};
use jiff::Timestamp;
use rusqlite::{Connection, Row, ToSql};
use serde_json::{Map, Value};
use ulid::Ulid;

use super::error::Failure;
use super::leaving::leaves;
use super::store::SqliteStore;
use super::values::{
    blob, card_id, collection_id, earlier, first, get, get_time, get_visibility, later, rows, run, signed, time, ulid,
    us, user_id,
};
use crate::text::storable;

/// This many characters of a reason or remark are stored.
const REASON_CHARS: usize = 300;
/// How long a finished import is kept.
const KEPT: Duration = Duration::from_secs(30 * 86_400);

/// Starting an import deletes some that finished long ago, and some that will never get all their rows, no matter
/// whose.
const CLEAR: [&str; 2] = [
    "DELETE FROM imports WHERE id IN ( \
         SELECT id FROM imports WHERE finished_at < ?1 AND (undo_at IS NULL OR undone_at IS NOT NULL) ORDER BY finished_at LIMIT 2)",
    "DELETE FROM imports WHERE finished_at IS NULL AND next_at IS NULL AND received_at < ?1",
];

const OPEN: &str = "\
INSERT INTO imports (id, owner_id, file_name, collection_id, is_check, total, begun_at, received_at, next_at)
VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, ?6, NULL)
ON CONFLICT (owner_id) WHERE finished_at IS NULL DO NOTHING";

const IS_OPEN: &str = "UPDATE imports SET received_at = ?2 WHERE id = ?1 AND finished_at IS NULL AND next_at IS NULL";

const ADD_ROW: &str = "\
INSERT INTO import_rows (import_id, number, url, title, note, added_at, collections, private, remark, same_as, visibilities)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";

const ADD_REFUSED: &str = "\
INSERT INTO import_rows (import_id, number, url, private, outcome, reason) VALUES (?1, ?2, ?3, 1, 'refused', ?4)";

const START: &str = "\
UPDATE imports SET total = r.total, refused = r.refused, remarked = r.remarked,
    next_at = iif(r.refused < r.total, ?2, NULL), finished_at = iif(r.refused < r.total, NULL, ?2)
FROM (SELECT count(*) AS total, count(*) FILTER (WHERE outcome = 'refused') AS refused, count(remark) AS remarked
      FROM import_rows WHERE import_id = ?1) r
WHERE id = ?1 AND finished_at IS NULL AND next_at IS NULL";

/// What the check refused, an import would refuse too.
const CARRY_OUT: &str = "\
UPDATE imports SET is_check = 0, saved = 0, known = 0, begun_at = ?3, finished_at = NULL, next_at = ?3
WHERE id = ?1 AND owner_id = ?2 AND is_check AND finished_at IS NOT NULL AND refused < total
  AND NOT EXISTS (SELECT 1 FROM imports o WHERE o.owner_id = ?2 AND o.finished_at IS NULL)";

const OPEN_ROWS: &str = "\
UPDATE import_rows SET outcome = NULL, card_id = NULL WHERE import_id = ?1 AND outcome IN ('saved', 'known')";

const ASK_TO_UNDO: &str = "\
UPDATE imports SET undo_at = coalesce(undo_at, ?3)
WHERE id = ?1 AND owner_id = ?2 AND NOT is_check AND finished_at IS NOT NULL AND saved > 0";

macro_rules! select_imports {
    ($rest:literal) => {
        concat!(
            "SELECT id, file_name, is_check, total, saved, known, refused, remarked, begun_at, finished_at, undo_at, \
                    undone_at, undone, kept FROM imports WHERE owner_id = ?1 ",
            $rest
        )
    };
}

/// Without a hint, SQLite scans all rows for some of these.
macro_rules! report {
    ($index:literal, $condition:literal) => {
        concat!(
            "SELECT r.number, r.url, r.outcome, r.card_id, r.reason, r.remark, r.undone \
             FROM imports i JOIN import_rows r ",
            $index,
            " ON r.import_id = i.id WHERE i.id = ?1 AND i.owner_id = ?2 AND r.number > ?3 ",
            $condition,
            " ORDER BY r.number LIMIT ?4"
        )
    };
}

const LEASABLE: &str = "\
SELECT id, owner_id, collection_id, is_check, begun_at FROM imports WHERE next_at <= ?1 ORDER BY next_at, id LIMIT 1";

const LEASE: &str = "UPDATE imports SET lease = ?2, next_at = ?3 WHERE id = ?1";

/// For these, too.
const LEASED_ROWS: &str = "\
SELECT number, url, title, note, added_at, collections, visibilities, private, remark, same_as,
    iif(fingerprint IS NULL, NULL, card_id) AS saved
FROM import_rows INDEXED BY import_rows_open WHERE import_id = ?1 AND outcome IS NULL ORDER BY number LIMIT ?2";

/// Once; a stored row stays. Once it is saved, its title and note belong to the card, and are deleted with it.
const FINISH_ROW: &str = "\
UPDATE import_rows SET outcome = ?3, card_id = ?4, reason = ?5, title = iif(?6, title, NULL), note = iif(?6, note, NULL)
WHERE import_id = ?1 AND number = ?2 AND outcome IS NULL";

const COUNT: &str = "\
UPDATE imports SET saved = saved + ?2, known = known + ?3, refused = refused + ?4, lease = NULL,
    next_at = iif(saved + known + refused + ?2 + ?3 + ?4 < total, ?5, NULL),
    finished_at = iif(saved + known + refused + ?2 + ?3 + ?4 < total, NULL, ?5)
WHERE id = ?1";

#[async_trait]
impl ImportRepository for SqliteStore {
    async fn open_import(&self, import: &NewImport) -> Result<()> {
        let NewImport { id, owner, file_name, collection, is_check } = import.clone();
        let open = move |connection: &Connection, now| {
            if leaves(connection, &owner)? {
                return Err(Failure::Refused(is_leaving()));
            }
            for (clear, age) in CLEAR.into_iter().zip([KEPT, SILENT_AT_MOST]) {
                run(connection, clear, &[&earlier(now, age)])?;
            }
            let (id, collection) = (blob(id.ulid()), collection.map(|id| blob(id.ulid())));
            match run(connection, OPEN, &[&id, &owner.as_str(), &file_name, &collection, &is_check, &us(now)])? {
                0 => Err(Failure::Refused(Error::Conflict("Another import of yours is still running.".into()))),
                _ => Ok(()),
            }
        };
        Ok(self.write(open).await?)
    }

    async fn add_rows(&self, import: ImportId, first: u32, rows: &[FileRow]) -> Result<()> {
        let rows = rows.to_vec();
        let add = move |connection: &Connection, now| {
            let id = blob(import.ulid());
            is_open(connection, now, import)?;
            for (number, row) in (first..).zip(&rows) {
                match row {
                    FileRow::Link(row) => add_row(connection, &id, number, row)?,
                    FileRow::Refused { url, why } => {
                        run(connection, ADD_REFUSED, &[&id, &number, url, &storable(why, REASON_CHARS)])?;
                    }
                }
            }
            Ok(())
        };
        Ok(self.write(add).await?)
    }

    async fn start_import(&self, import: ImportId) -> Result<()> {
        let start = move |connection: &Connection, now| {
            is_open(connection, now, import)?;
            run(connection, START, &[&blob(import.ulid()), &us(now)]).map(drop)
        };
        Ok(self.write(start).await?)
    }

    async fn abandon_import(&self, import: ImportId) -> Result<()> {
        let abandon = move |connection: &Connection, _| {
            let sql = "DELETE FROM imports WHERE id = ?1 AND finished_at IS NULL AND next_at IS NULL";
            run(connection, sql, &[&blob(import.ulid())]).map(drop)
        };
        Ok(self.write(abandon).await?)
    }

    async fn carry_out(&self, owner: &UserId, id: ImportId) -> Result<()> {
        let (person, key) = (owner.clone(), blob(id.ulid()));
        let carry_out = move |connection: &Connection, now| {
            if leaves(connection, &person)? {
                return Err(Failure::Refused(is_leaving()));
            }
            let begun = run(connection, CARRY_OUT, &[&key, &person.as_str(), &us(now)])? > 0;
            if begun {
                run(connection, OPEN_ROWS, &[&key])?;
            }
            Ok(begun)
        };
        if self.write(carry_out).await? {
            return Ok(());
        }
        self.import(owner, id).await?;
        Err(Error::Conflict("There is nothing to import, or another import of yours is still running.".into()))
    }

    async fn ask_to_undo(&self, owner: &UserId, id: ImportId) -> Result<()> {
        let (person, key) = (owner.clone(), blob(id.ulid()));
        let ask = move |connection: &Connection, now| {
            Ok(run(connection, ASK_TO_UNDO, &[&key, &person.as_str(), &us(now)])? > 0)
        };
        if self.write(ask).await? {
            return Ok(());
        }
        self.import(owner, id).await?;
        Err(Error::Conflict("This import is still running, or it saved nothing.".into()))
    }

    async fn import(&self, owner: &UserId, id: ImportId) -> Result<ImportView> {
        let (owner, key) = (owner.clone(), blob(id.ulid()));
        let find = move |connection: &Connection, _| {
            first(connection, select_imports!("AND id = ?2"), &[&owner.as_str(), &key], read_import)
        };
        self.read(find).await?.ok_or_else(|| Error::not_found("import", id))
    }

    async fn imports_of(&self, owner: &UserId, limit: usize) -> Result<Vec<ImportView>> {
        let owner = owner.clone();
        let list = move |connection: &Connection, _| {
            let sql = select_imports!("ORDER BY begun_at DESC, id DESC LIMIT ?2");
            rows(connection, sql, &[&owner.as_str(), &signed(limit)], read_import)
        };
        Ok(self.read(list).await?)
    }

    async fn import_report(
        &self,
        owner: &UserId,
        id: ImportId,
        wanted: Wanted,
        page: &PageRequest,
    ) -> Result<Page<ReportRow>> {
        let after =
            page.after.as_ref().map_or(Ok(0), |position| u32::try_from(position.key).map_err(|_| no_cursor()))?;
        let (owner, id, most) = (owner.clone(), blob(id.ulid()), signed(page.limit.get() + 1));
        let list = move |connection: &Connection, _| {
            let sql = match wanted {
                Wanted::All => report!("", ""),
                Wanted::Refused => report!("INDEXED BY import_rows_refused", "AND r.outcome = 'refused'"),
                Wanted::Remarked => report!("INDEXED BY import_rows_remarked", "AND r.remark IS NOT NULL"),
            };
            rows(connection, sql, &[&id, &owner.as_str(), &after, &most], read_row)
        };
        let rows = self.read(list).await?;
        Ok(Page::cut(rows, page.limit, |row| Position { key: row.number.into(), id: String::new() }))
    }

    async fn lease_rows(&self, limit: usize, lease: Duration) -> Result<Option<LeasedRows>> {
        let token = Ulid::generate();
        let take = move |connection: &Connection, now| {
            let Some(mut leased) = first(connection, LEASABLE, &[&us(now)], |row| read_leased(row, token))? else {
                return Ok(None);
            };
            let id = blob(leased.import.ulid());
            run(connection, LEASE, &[&id, &blob(token), &later(now, lease)])?;
            let found = rows(connection, LEASED_ROWS, &[&id, &signed(limit)], read_leased_row)?;
            for row in found {
                match row {
                    Waiting::Saved(number, card) => leased.saved.push((number, card)),
                    Waiting::Row(number, row) => leased.rows.push((number, row)),
                }
            }
            Ok(Some(leased))
        };
        Ok(self.write(take).await?)
    }

    async fn finish_rows(&self, leased: &LeasedRows, outcomes: &[(u32, RowOutcome)]) -> Result<bool> {
        let (id, lease, outcomes) = (blob(leased.import.ulid()), blob(leased.lease), outcomes.to_vec());
        let keeps_texts = leased.is_check;
        let finish = move |connection: &Connection, now| {
            let held = "SELECT 1 FROM imports WHERE id = ?1 AND lease = ?2";
            if first(connection, held, &[&id, &lease], |_| Ok(()))?.is_none() {
                return Ok(false);
            }
            let (mut saved, mut known, mut refused) = (0, 0, 0);
            for (number, outcome) in &outcomes {
                let counted = match outcome {
                    RowOutcome::Saved(_) | RowOutcome::New => &mut saved,
                    RowOutcome::Known(_) | RowOutcome::Again => &mut known,
                    RowOutcome::Refused(_) => &mut refused,
                };
                let card = outcome.card().map(|card| blob(card.ulid()));
                let reason = outcome.reason().map(|why| storable(why, REASON_CHARS));
                *counted += run(connection, FINISH_ROW, &[&id, number, &outcome.name(), &card, &reason, &keeps_texts])?;
            }
            run(connection, COUNT, &[&id, &signed(saved), &signed(known), &signed(refused), &us(now)])?;
            Ok(true)
        };
        Ok(self.write(finish).await?)
    }
}

/// It is getting its rows.
fn is_open(connection: &Connection, now: Timestamp, import: ImportId) -> Result<(), Failure> {
    match run(connection, IS_OPEN, &[&blob(import.ulid()), &us(now)])? {
        0 => Err(Failure::Refused(Error::not_found("import", import))),
        _ => Ok(()),
    }
}

fn add_row(connection: &Connection, import: &[u8; 16], number: u32, row: &ImportRow) -> Result<(), Failure> {
    let collections = serde_json::to_string(&row.collections).map_err(|error| Failure::Nonsense(error.to_string()))?;
    let visibilities: Map<String, Value> =
        row.visibilities.iter().map(|(name, visibility)| (name.clone(), visibility.name().into())).collect();
    let visibilities = Value::Object(visibilities).to_string();
    let (added_at, private) = (row.added_at.map(us), row.visibility.is_private());
    let remark = row.remark.as_deref().map(|remark| storable(remark, REASON_CHARS));
    let values: [&dyn ToSql; 11] = [
        import,
        &number,
        &row.url,
        &row.title,
        &row.note,
        &added_at,
        &collections,
        &private,
        &remark,
        &row.same_as,
        &visibilities,
    ];
    run(connection, ADD_ROW, &values).map(drop)
}

fn read_import(row: &Row<'_>) -> Result<ImportView, Failure> {
    let finished_at: Option<i64> = get(row, "finished_at")?;
    let undo = UndoView {
        is_finished: get::<Option<i64>>(row, "undone_at")?.is_some(),
        removed: get(row, "undone")?,
        kept: get(row, "kept")?,
    };
    Ok(ImportView {
        id: ImportId::from_ulid(ulid(get(row, "id")?)),
        file_name: get(row, "file_name")?,
        is_check: get(row, "is_check")?,
        total: get(row, "total")?,
        saved: get(row, "saved")?,
        known: get(row, "known")?,
        refused: get(row, "refused")?,
        remarked: get(row, "remarked")?,
        begun_at: get_time(row, "begun_at")?,
        finished_at: finished_at.map(time).transpose()?,
        undo: get::<Option<i64>>(row, "undo_at")?.map(|_| undo),
    })
}

fn read_row(row: &Row<'_>) -> Result<ReportRow, Failure> {
    let card = get::<Option<[u8; 16]>>(row, "card_id")?.map(card_id);
    let outcome = match get::<Option<String>>(row, "outcome")? {
        None => None,
        Some(name) => {
            let outcome = RowOutcome::from_stored(&name, card, get(row, "reason")?);
            Some(outcome.ok_or_else(|| Failure::Nonsense(format!("{name:?} is stored as what became of a row")))?)
        }
    };
    Ok(ReportRow {
        number: get(row, "number")?,
        url: get(row, "url")?,
        outcome,
        remark: get(row, "remark")?,
        is_undone: get(row, "undone")?,
    })
}

/// Without its rows.
fn read_leased(row: &Row<'_>, lease: Ulid) -> Result<LeasedRows, Failure> {
    Ok(LeasedRows {
        import: ImportId::from_ulid(ulid(get(row, "id")?)),
        owner: user_id(&get::<String>(row, "owner_id")?)?,
        collection: get::<Option<[u8; 16]>>(row, "collection_id")?.map(collection_id),
        is_check: get(row, "is_check")?,
        begun_at: get_time(row, "begun_at")?,
        lease,
        rows: Vec::new(),
        saved: Vec::new(),
    })
}

/// A row that has no outcome yet.
enum Waiting {
    /// It saved this card already.
    Saved(u32, CardId),
    Row(u32, ImportRow),
}

fn read_leased_row(row: &Row<'_>) -> Result<Waiting, Failure> {
    let number = get(row, "number")?;
    if let Some(card) = get::<Option<[u8; 16]>>(row, "saved")? {
        return Ok(Waiting::Saved(number, card_id(card)));
    }
    let (collections, visibilities): (String, String) = (get(row, "collections")?, get(row, "visibilities")?);
    let row_of_file = ImportRow {
        url: get(row, "url")?,
        title: get(row, "title")?,
        note: get(row, "note")?,
        added_at: get::<Option<i64>>(row, "added_at")?.map(time).transpose()?,
        collections: serde_json::from_str(&collections).map_err(|error| Failure::Nonsense(error.to_string()))?,
        visibilities: serde_json::from_str(&visibilities).map_err(|error| Failure::Nonsense(error.to_string()))?,
        visibility: get_visibility(row)?,
        remark: get(row, "remark")?,
        same_as: get(row, "same_as")?,
    };
    Ok(Waiting::Row(number, row_of_file))
}
