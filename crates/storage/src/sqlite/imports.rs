//! Imports: rows leased with their import by `next_at`, and what became of them.

use std::time::Duration;

use async_trait::async_trait;
use cardwire_domain::accounts::is_leaving;
use cardwire_domain::imports::{ImportRepository, ImportRow, ImportView, LeasedRows, NewImport, ReportRow, RowOutcome};
use cardwire_domain::{Error, ImportId, Page, PageRequest, Position, Result, UserId};
use rusqlite::{Connection, Row};
use ulid::Ulid;

use super::error::Failure;
use super::leaving::leaves;
use super::store::SqliteStore;
use super::values::{
    blob, card_id, collection_id, cut, earlier, first, get, get_time, get_visibility, later, no_cursor, rows, run,
    signed, time, ulid, us, user_id,
};

/// Of a reason, this many characters are kept.
const REASON_CHARS: usize = 300;
/// How long a finished import is kept.
const KEPT: Duration = Duration::from_secs(30 * 86_400);

/// Whoever begins one clears away what is long finished, whoever's it was.
const CLEAR: &str = "\
DELETE FROM imports WHERE id IN (SELECT id FROM imports WHERE finished_at < ?1 ORDER BY finished_at LIMIT 2)";

const BEGIN: &str = "\
INSERT INTO imports (id, owner_id, file_name, collection_id, total, begun_at, next_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)
ON CONFLICT (owner_id) WHERE finished_at IS NULL DO NOTHING";

const ADD_ROW: &str = "INSERT INTO import_rows (import_id, number, url, note, private) VALUES (?1, ?2, ?3, ?4, ?5)";

macro_rules! select_imports {
    ($rest:literal) => {
        concat!(
            "SELECT id, file_name, total, saved, known, refused, begun_at, finished_at FROM imports WHERE owner_id = ?1 ",
            $rest
        )
    };
}

const REPORT: &str = "\
SELECT r.number, r.url, r.outcome, r.card_id, r.reason FROM imports i JOIN import_rows r ON r.import_id = i.id
WHERE i.id = ?1 AND i.owner_id = ?2 AND r.number > ?3 ORDER BY r.number LIMIT ?4";

/// Left to itself, SQLite looks through all rows for these.
const REPORT_REFUSED: &str = "\
SELECT r.number, r.url, r.outcome, r.card_id, r.reason
FROM imports i JOIN import_rows r INDEXED BY import_rows_refused ON r.import_id = i.id
WHERE i.id = ?1 AND i.owner_id = ?2 AND r.number > ?3 AND r.outcome = 'refused' ORDER BY r.number LIMIT ?4";

const LEASABLE: &str = "\
SELECT id, owner_id, collection_id FROM imports WHERE next_at <= ?1 ORDER BY next_at, id LIMIT 1";

const LEASE: &str = "UPDATE imports SET lease = ?2, next_at = ?3 WHERE id = ?1";

/// For these, too.
const LEASED_ROWS: &str = "\
SELECT number, url, note, private FROM import_rows INDEXED BY import_rows_open
WHERE import_id = ?1 AND outcome IS NULL ORDER BY number LIMIT ?2";

/// Once: what was kept stays. Its note is the card's from now on, and goes with the card.
const FINISH_ROW: &str = "\
UPDATE import_rows SET outcome = ?3, card_id = ?4, reason = ?5, note = NULL
WHERE import_id = ?1 AND number = ?2 AND outcome IS NULL";

const COUNT: &str = "\
UPDATE imports SET saved = saved + ?2, known = known + ?3, refused = refused + ?4, lease = NULL,
    next_at = iif(saved + known + refused + ?2 + ?3 + ?4 < total, ?5, NULL),
    finished_at = iif(saved + known + refused + ?2 + ?3 + ?4 < total, NULL, ?5)
WHERE id = ?1";

#[async_trait]
impl ImportRepository for SqliteStore {
    async fn begin_import(&self, import: &NewImport) -> Result<()> {
        let NewImport { id, owner, file_name, collection, rows } = import.clone();
        let total = u32::try_from(rows.len()).map_err(|_| Error::invalid("file", "has too many rows"))?;
        let begin = move |connection: &Connection, now| {
            if leaves(connection, &owner)? {
                return Err(Failure::Refused(is_leaving()));
            }
            run(connection, CLEAR, &[&earlier(now, KEPT)])?;
            let (id, collection) = (blob(id.ulid()), collection.map(|id| blob(id.ulid())));
            if run(connection, BEGIN, &[&id, &owner.as_str(), &file_name, &collection, &total, &us(now)])? == 0 {
                let rule = "another import of yours is still running";
                return Err(Failure::Refused(Error::Conflict(rule.into())));
            }
            for (number, row) in (1..=total).zip(&rows) {
                run(connection, ADD_ROW, &[&id, &number, &row.url, &row.note, &row.visibility.is_private()])?;
            }
            Ok(())
        };
        Ok(self.write(begin).await?)
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
        refused: bool,
        page: &PageRequest,
    ) -> Result<Page<ReportRow>> {
        let after =
            page.after.as_ref().map_or(Ok(0), |position| u32::try_from(position.key).map_err(|_| no_cursor()))?;
        let (owner, id, most) = (owner.clone(), blob(id.ulid()), signed(page.limit.get() + 1));
        let list = move |connection: &Connection, _| {
            let sql = if refused { REPORT_REFUSED } else { REPORT };
            rows(connection, sql, &[&id, &owner.as_str(), &after, &most], read_row)
        };
        let rows = self.read(list).await?;
        Ok(Page::cut(rows, page.limit, |row| Position { key: row.number.into(), id: String::new() }))
    }

    async fn lease_rows(&self, limit: usize, lease: Duration) -> Result<Option<LeasedRows>> {
        let token = Ulid::generate();
        let take = move |connection: &Connection, now| {
            let Some(leased) = first(connection, LEASABLE, &[&us(now)], |row| read_leased(row, token))? else {
                return Ok(None);
            };
            let id = blob(leased.import.ulid());
            run(connection, LEASE, &[&id, &blob(token), &later(now, lease)])?;
            let rows = rows(connection, LEASED_ROWS, &[&id, &signed(limit)], |row| {
                let (url, note, visibility) = (get(row, "url")?, get(row, "note")?, get_visibility(row)?);
                Ok((get(row, "number")?, ImportRow { url, note, visibility }))
            })?;
            Ok(Some(LeasedRows { rows, ..leased }))
        };
        Ok(self.write(take).await?)
    }

    async fn finish_rows(&self, leased: &LeasedRows, outcomes: &[(u32, RowOutcome)]) -> Result<bool> {
        let (id, lease, outcomes) = (blob(leased.import.ulid()), blob(leased.lease), outcomes.to_vec());
        let finish = move |connection: &Connection, now| {
            let held = "SELECT 1 FROM imports WHERE id = ?1 AND lease = ?2";
            if first(connection, held, &[&id, &lease], |_| Ok(()))?.is_none() {
                return Ok(false);
            }
            let (mut saved, mut known, mut refused) = (0, 0, 0);
            for (number, outcome) in &outcomes {
                let (counted, card, reason) = match outcome {
                    RowOutcome::Saved(card) => (&mut saved, Some(blob(card.ulid())), None),
                    RowOutcome::Known(card) => (&mut known, Some(blob(card.ulid())), None),
                    RowOutcome::Refused(why) => (&mut refused, None, Some(cut(why, REASON_CHARS))),
                };
                *counted += run(connection, FINISH_ROW, &[&id, number, &outcome.name(), &card, &reason])?;
            }
            run(connection, COUNT, &[&id, &signed(saved), &signed(known), &signed(refused), &us(now)])?;
            Ok(true)
        };
        Ok(self.write(finish).await?)
    }
}

fn read_import(row: &Row<'_>) -> Result<ImportView, Failure> {
    let finished_at: Option<i64> = get(row, "finished_at")?;
    Ok(ImportView {
        id: ImportId::from_ulid(ulid(get(row, "id")?)),
        file_name: get(row, "file_name")?,
        total: get(row, "total")?,
        saved: get(row, "saved")?,
        known: get(row, "known")?,
        refused: get(row, "refused")?,
        begun_at: get_time(row, "begun_at")?,
        finished_at: finished_at.map(time).transpose()?,
    })
}

fn read_row(row: &Row<'_>) -> Result<ReportRow, Failure> {
    let card = || -> Result<_, Failure> {
        let card: Option<[u8; 16]> = get(row, "card_id")?;
        card.map(card_id).ok_or_else(|| Failure::Nonsense("a saved row of an import has no card".into()))
    };
    let outcome = match get::<Option<String>>(row, "outcome")?.as_deref() {
        None => None,
        Some("saved") => Some(RowOutcome::Saved(card()?)),
        Some("known") => Some(RowOutcome::Known(card()?)),
        Some(_) => Some(RowOutcome::Refused(get::<Option<String>>(row, "reason")?.unwrap_or_default())),
    };
    Ok(ReportRow { number: get(row, "number")?, url: get(row, "url")?, outcome })
}

/// Without its rows.
fn read_leased(row: &Row<'_>, lease: Ulid) -> Result<LeasedRows, Failure> {
    Ok(LeasedRows {
        import: ImportId::from_ulid(ulid(get(row, "id")?)),
        owner: user_id(&get::<String>(row, "owner_id")?)?,
        collection: get::<Option<[u8; 16]>>(row, "collection_id")?.map(collection_id),
        lease,
        rows: Vec::new(),
    })
}
