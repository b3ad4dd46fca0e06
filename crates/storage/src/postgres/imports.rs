//! Imports: rows leased with their import by `next_at`, and their results. While an import is still getting its rows,
//! it has no `next_at`.

use std::time::Duration;

use async_trait::async_trait;
use cardwire_domain::imports::{
    FileRow, ImportRepository, ImportRow, ImportView, LeasedRows, NewImport, ReportRow, RowOutcome, SILENT_AT_MOST,
    UndoView, Wanted,
};
use cardwire_domain::page::no_cursor;
use cardwire_domain::{Error, ImportId, Page, PageRequest, Position, Result, UserId};
use serde_json::{Map, Value};
use sqlx::postgres::PgRow;
use sqlx::types::Uuid;
use ulid::Ulid;

use super::error::Failure;
use super::leaving::nobody_leaves;
use super::store::PostgresStore;
use super::values::{card_id, collection_id, get, get_time, get_visibility, signed, time, ulid, user_id, uuid};

/// This many characters of a reason or remark are stored.
const REASON_CHARS: usize = 300;

/// Starting an import deletes some that finished long ago, and some that will never get all their rows, no matter
/// whose.
const CLEAR: &str = "\
DELETE FROM imports WHERE id IN (
    SELECT id FROM imports
    WHERE finished_at < now() - interval '30 days' AND (undo_at IS NULL OR undone_at IS NOT NULL)
       OR finished_at IS NULL AND next_at IS NULL AND received_at < now() - make_interval(secs => $2)
    ORDER BY owner_id <> $1, begun_at LIMIT 2 FOR UPDATE SKIP LOCKED
)";

const OPEN: &str = concat!(
    "INSERT INTO imports (id, owner_id, file_name, collection_id, is_check, total, next_at) SELECT $1, $2, $3, $4, $5, 0, NULL \
     WHERE expect_nobody_leaves(NOT ",
    nobody_leaves!("ARRAY[$2]"),
    ") ON CONFLICT (owner_id) WHERE finished_at IS NULL DO NOTHING"
);

const ADD_ROWS: &str = "\
WITH open AS (
    UPDATE imports SET received_at = now() WHERE id = $1 AND finished_at IS NULL AND next_at IS NULL RETURNING id
)
INSERT INTO import_rows (import_id, number, url, title, note, added_at, collections, visibilities, private, remark, same_as, outcome,
                         reason)
SELECT $1, f.* FROM unnest($2::integer[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::jsonb[], $8::jsonb[],
                             $9::bool[], $10::text[], $11::integer[], $12::text[], $13::text[])
    AS f (number, url, title, note, added_at, collections, visibilities, private, remark, same_as, outcome, reason)
WHERE EXISTS (SELECT FROM open)";

const START: &str = "\
UPDATE imports i SET total = r.total, refused = r.refused, remarked = r.remarked,
    next_at = CASE WHEN r.refused < r.total THEN now() END, finished_at = CASE WHEN r.refused >= r.total THEN now() END
FROM (SELECT count(*)::integer AS total, count(*) FILTER (WHERE outcome = 'refused')::integer AS refused,
             count(remark)::integer AS remarked FROM import_rows WHERE import_id = $1) r
WHERE i.id = $1 AND i.finished_at IS NULL AND i.next_at IS NULL";

const ABANDON: &str = "DELETE FROM imports WHERE id = $1 AND finished_at IS NULL AND next_at IS NULL";

/// What the check refused, an import would refuse too.
const CARRY_OUT: &str = concat!(
    "\
WITH carried_out AS (
    UPDATE imports SET is_check = false, saved = 0, known = 0, begun_at = now(), finished_at = NULL, next_at = now()
    WHERE id = $1 AND owner_id = $2 AND is_check AND finished_at IS NOT NULL AND refused < total
      AND NOT EXISTS (SELECT FROM imports o WHERE o.owner_id = $2 AND o.finished_at IS NULL)
      AND expect_nobody_leaves(NOT ",
    nobody_leaves!("ARRAY[$2]"),
    ")
    RETURNING id
), opened AS (
    UPDATE import_rows r SET outcome = NULL, card_id = NULL FROM carried_out c
    WHERE r.import_id = c.id AND r.outcome IN ('saved', 'known')
)
SELECT 1 FROM carried_out"
);

const ASK_TO_UNDO: &str = "\
UPDATE imports SET undo_at = coalesce(undo_at, now())
WHERE id = $1 AND owner_id = $2 AND NOT is_check AND finished_at IS NOT NULL AND saved > 0";

macro_rules! select_imports {
    ($rest:literal) => {
        concat!(
            "SELECT id, file_name, is_check, total, saved, known, refused, remarked, begun_at, finished_at, undo_at, \
                    undone_at, undone, kept FROM imports WHERE owner_id = $1 ",
            $rest
        )
    };
}

const REPORT: &str = "\
SELECT r.number, r.url, r.outcome, r.card_id, r.reason, r.remark, r.undone
FROM import_rows r JOIN imports i ON i.id = r.import_id
WHERE i.id = $1 AND i.owner_id = $2 AND r.number > $3
  AND (NOT $4 OR r.outcome = 'refused') AND (NOT $5 OR r.remark IS NOT NULL)
ORDER BY r.number LIMIT $6";

const LEASE: &str = "\
UPDATE imports SET lease = $1, next_at = now() + make_interval(secs => $2)
WHERE id = (SELECT id FROM imports WHERE next_at <= now() ORDER BY next_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id, owner_id, collection_id, is_check, begun_at";

const LEASED_ROWS: &str = "\
SELECT number, url, title, note, added_at, collections, visibilities, private, remark, same_as,
    CASE WHEN fingerprint IS NOT NULL THEN card_id END AS saved FROM import_rows
WHERE import_id = $1 AND outcome IS NULL ORDER BY number LIMIT $2";

/// Each row once; a stored row stays. Once it is saved, its title and note belong to the card, and are deleted with it.
const FINISH_ROWS: &str = "\
WITH done AS (
    UPDATE import_rows r SET outcome = o.outcome, card_id = o.card_id, reason = o.reason,
        title = CASE WHEN $6 THEN r.title END, note = CASE WHEN $6 THEN r.note END
    FROM unnest($2::integer[], $3::text[], $4::uuid[], $5::text[]) AS o (number, outcome, card_id, reason)
    WHERE r.import_id = $1 AND r.number = o.number AND r.outcome IS NULL
    RETURNING o.outcome
), open AS (
    SELECT total - saved - known - refused AS rows FROM imports WHERE id = $1
), counted AS (
    SELECT count(*) FILTER (WHERE outcome = 'saved')::integer AS saved, count(*) FILTER (WHERE outcome = 'known')::integer AS known,
           count(*) FILTER (WHERE outcome = 'refused')::integer AS refused FROM done
)
UPDATE imports i SET saved = i.saved + c.saved, known = i.known + c.known, refused = i.refused + c.refused, lease = NULL,
    next_at = CASE WHEN c.saved + c.known + c.refused < o.rows THEN now() END,
    finished_at = CASE WHEN c.saved + c.known + c.refused >= o.rows THEN now() END
FROM counted c, open o WHERE i.id = $1";

#[async_trait]
impl ImportRepository for PostgresStore {
    async fn open_import(&self, import: &NewImport) -> Result<()> {
        let mut session = self.batch_session().await?;
        let clear = sqlx::query(CLEAR).bind(import.owner.as_str()).bind(SILENT_AT_MOST.as_secs_f64());
        session.execute(clear).await?;
        let open = sqlx::query(OPEN)
            .bind(uuid(import.id.ulid()))
            .bind(import.owner.as_str())
            .bind(&import.file_name)
            .bind(import.collection.map(|id| uuid(id.ulid())))
            .bind(import.is_check);
        match session.execute(open).await? {
            0 => Err(Error::Conflict("Another import of yours is still running.".into())),
            _ => Ok(()),
        }
    }

    async fn add_rows(&self, import: ImportId, first: u32, rows: &[FileRow]) -> Result<()> {
        let columns = Columns::of(first, rows)?;
        let added = sqlx::query(ADD_ROWS)
            .bind(uuid(import.ulid()))
            .bind(columns.numbers)
            .bind(columns.urls)
            .bind(columns.titles)
            .bind(columns.notes)
            .bind(columns.dates)
            .bind(columns.collections)
            .bind(columns.visibilities)
            .bind(columns.private)
            .bind(columns.remarks)
            .bind(columns.same_as)
            .bind(columns.outcomes)
            .bind(columns.reasons);
        match self.batch_session().await?.execute(added).await? {
            0 if !rows.is_empty() => Err(Error::not_found("import", import)),
            _ => Ok(()),
        }
    }

    async fn start_import(&self, import: ImportId) -> Result<()> {
        let start = sqlx::query(START).bind(uuid(import.ulid()));
        match self.batch_session().await?.execute(start).await? {
            0 => Err(Error::not_found("import", import)),
            _ => Ok(()),
        }
    }

    async fn abandon_import(&self, import: ImportId) -> Result<()> {
        self.batch_session().await?.execute(sqlx::query(ABANDON).bind(uuid(import.ulid()))).await?;
        Ok(())
    }

    async fn carry_out(&self, owner: &UserId, id: ImportId) -> Result<()> {
        let query = sqlx::query(CARRY_OUT).bind(uuid(id.ulid())).bind(owner.as_str());
        if !self.batch_session().await?.fetch_all(query).await?.is_empty() {
            return Ok(());
        }
        self.import(owner, id).await?;
        Err(Error::Conflict("There is nothing to import, or another import of yours is still running.".into()))
    }

    async fn ask_to_undo(&self, owner: &UserId, id: ImportId) -> Result<()> {
        let query = sqlx::query(ASK_TO_UNDO).bind(uuid(id.ulid())).bind(owner.as_str());
        if self.session().await?.execute(query).await? > 0 {
            return Ok(());
        }
        self.import(owner, id).await?;
        Err(Error::Conflict("This import is still running, or it saved nothing.".into()))
    }

    async fn import(&self, owner: &UserId, id: ImportId) -> Result<ImportView> {
        let query = sqlx::query(select_imports!("AND id = $2")).bind(owner.as_str()).bind(uuid(id.ulid()));
        let rows = self.session().await?.fetch_all(query).await?;
        Ok(read_import(rows.first().ok_or_else(|| Error::not_found("import", id))?)?)
    }

    async fn imports_of(&self, owner: &UserId, limit: usize) -> Result<Vec<ImportView>> {
        let query = sqlx::query(select_imports!("ORDER BY begun_at DESC, id DESC LIMIT $2"))
            .bind(owner.as_str())
            .bind(signed(limit));
        let rows = self.session().await?.fetch_all(query).await?;
        Ok(rows.iter().map(read_import).collect::<Result<_, Failure>>()?)
    }

    async fn import_report(
        &self,
        owner: &UserId,
        id: ImportId,
        wanted: Wanted,
        page: &PageRequest,
    ) -> Result<Page<ReportRow>> {
        let after =
            page.after.as_ref().map_or(Ok(0), |position| i32::try_from(position.key).map_err(|_| no_cursor()))?;
        let query = sqlx::query(REPORT)
            .bind(uuid(id.ulid()))
            .bind(owner.as_str())
            .bind(after)
            .bind(wanted == Wanted::Refused)
            .bind(wanted == Wanted::Remarked)
            .bind(signed(page.limit.get() + 1));
        let rows = self.session().await?.fetch_all(query).await?;
        let rows = rows.iter().map(read_row).collect::<Result<Vec<_>, Failure>>()?;
        Ok(Page::cut(rows, page.limit, |row| Position { key: row.number.into(), id: String::new() }))
    }

    async fn lease_rows(&self, limit: usize, lease: Duration) -> Result<Option<LeasedRows>> {
        let token = Ulid::generate();
        let mut session = self.batch_session().await?;
        let query = sqlx::query(LEASE).bind(uuid(token)).bind(lease.as_secs_f64());
        let leased = session.fetch_all(query).await?;
        let Some(row) = leased.first() else { return Ok(None) };
        let id: Uuid = get(row, "id")?;
        let found = session.fetch_all(sqlx::query(LEASED_ROWS).bind(id).bind(signed(limit))).await?;
        let (mut rows, mut saved) = (Vec::new(), Vec::new());
        for row in &found {
            match get::<Option<Uuid>>(row, "saved")? {
                Some(card) => saved.push((count(row, "number")?, card_id(card))),
                None => rows.push(read_leased(row)?),
            }
        }
        Ok(Some(LeasedRows {
            import: ImportId::from_ulid(ulid(id)),
            owner: user_id(get(row, "owner_id")?)?,
            collection: get::<Option<Uuid>>(row, "collection_id")?.map(collection_id),
            is_check: get(row, "is_check")?,
            begun_at: get_time(row, "begun_at")?,
            lease: token,
            rows,
            saved,
        }))
    }

    async fn finish_rows(&self, leased: &LeasedRows, outcomes: &[(u32, RowOutcome)]) -> Result<bool> {
        let mut session = self.batch_session().await?;
        session.begin().await?;
        let id = uuid(leased.import.ulid());
        let held = sqlx::query("SELECT FROM imports WHERE id = $1 AND lease = $2 FOR UPDATE");
        if session.fetch_all(held.bind(id).bind(uuid(leased.lease))).await?.is_empty() {
            return Ok(false);
        }
        let mut numbers = Vec::new();
        let (mut names, mut cards, mut reasons) = (Vec::new(), Vec::new(), Vec::new());
        for (number, outcome) in outcomes {
            numbers.push(i32::try_from(*number).map_err(|_| Error::Corrupt(format!("row {number} of an import")))?);
            names.push(outcome.name());
            cards.push(outcome.card().map(|card| uuid(card.ulid())));
            reasons.push(outcome.reason().map(cut));
        }
        let query =
            sqlx::query(FINISH_ROWS).bind(id).bind(numbers).bind(names).bind(cards).bind(reasons).bind(leased.is_check);
        session.execute(query).await?;
        session.commit().await?;
        Ok(true)
    }
}

/// Rows, column by column.
#[derive(Default)]
struct Columns<'r> {
    numbers: Vec<i32>,
    urls: Vec<&'r str>,
    titles: Vec<Option<&'r str>>,
    notes: Vec<Option<&'r str>>,
    dates: Vec<Option<jiff_sqlx::Timestamp>>,
    collections: Vec<Value>,
    visibilities: Vec<Value>,
    private: Vec<bool>,
    remarks: Vec<Option<String>>,
    same_as: Vec<Option<i32>>,
    outcomes: Vec<Option<&'static str>>,
    reasons: Vec<Option<String>>,
}

impl<'r> Columns<'r> {
    fn of(first: u32, rows: &'r [FileRow]) -> Result<Self> {
        let mut columns = Self::default();
        for (number, row) in (first..).zip(rows) {
            columns.numbers.push(signed_number(number)?);
            match row {
                FileRow::Link(row) => columns.add(row)?,
                FileRow::Refused { url, why } => columns.refuse(url, why),
            }
        }
        Ok(columns)
    }

    fn add(&mut self, row: &'r ImportRow) -> Result<()> {
        self.urls.push(&row.url);
        self.titles.push(row.title.as_deref());
        self.notes.push(row.note.as_deref());
        self.dates.push(row.added_at.map(time));
        self.collections.push(row.collections.iter().map(String::as_str).collect());
        let visibilities = row.visibilities.iter().map(|(name, visibility)| (name.as_str(), visibility.name()));
        self.visibilities.push(visibilities.collect());
        self.private.push(row.visibility.is_private());
        self.remarks.push(row.remark.as_deref().map(cut));
        self.same_as.push(row.same_as.map(signed_number).transpose()?);
        self.outcomes.push(None);
        self.reasons.push(None);
        Ok(())
    }

    fn refuse(&mut self, url: &'r str, why: &str) {
        self.urls.push(url);
        self.titles.push(None);
        self.notes.push(None);
        self.dates.push(None);
        self.collections.push(Value::Array(Vec::new()));
        self.visibilities.push(Value::Object(Map::new()));
        self.private.push(true);
        self.remarks.push(None);
        self.same_as.push(None);
        self.outcomes.push(Some("refused"));
        self.reasons.push(Some(cut(why)));
    }
}

/// A reason or remark as stored.
fn cut(text: &str) -> String {
    text.chars().filter(|c| *c != '\0').take(REASON_CHARS).collect()
}

fn signed_number(number: u32) -> Result<i32> {
    i32::try_from(number).map_err(|_| Error::invalid("file", "This file has too many rows."))
}

fn count(row: &PgRow, column: &str) -> Result<u32, Failure> {
    let count: i32 = get(row, column)?;
    u32::try_from(count).map_err(|_| Failure::Nonsense(format!("{column} is {count}")))
}

fn read_import(row: &PgRow) -> Result<ImportView, Failure> {
    let time = |column| Ok::<_, Failure>(get::<Option<jiff_sqlx::Timestamp>>(row, column)?.map(|at| at.to_jiff()));
    let undo = UndoView {
        is_finished: time("undone_at")?.is_some(),
        removed: count(row, "undone")?,
        kept: count(row, "kept")?,
    };
    Ok(ImportView {
        id: ImportId::from_ulid(ulid(get(row, "id")?)),
        file_name: get(row, "file_name")?,
        is_check: get(row, "is_check")?,
        total: count(row, "total")?,
        saved: count(row, "saved")?,
        known: count(row, "known")?,
        refused: count(row, "refused")?,
        remarked: count(row, "remarked")?,
        begun_at: get_time(row, "begun_at")?,
        finished_at: time("finished_at")?,
        undo: time("undo_at")?.map(|_| undo),
    })
}

fn read_row(row: &PgRow) -> Result<ReportRow, Failure> {
    let card = get::<Option<Uuid>>(row, "card_id")?.map(card_id);
    let outcome = match get::<Option<&str>>(row, "outcome")? {
        None => None,
        Some(name) => {
            let outcome = RowOutcome::from_stored(name, card, get(row, "reason")?);
            Some(outcome.ok_or_else(|| Failure::Nonsense(format!("{name:?} is stored as what became of a row")))?)
        }
    };
    Ok(ReportRow {
        number: count(row, "number")?,
        url: get(row, "url")?,
        outcome,
        remark: get(row, "remark")?,
        is_undone: get(row, "undone")?,
    })
}

fn read_leased(row: &PgRow) -> Result<(u32, ImportRow), Failure> {
    let (collections, visibilities): (Value, Value) = (get(row, "collections")?, get(row, "visibilities")?);
    let same_as: Option<i32> = get(row, "same_as")?;
    let row_of_file = ImportRow {
        url: get(row, "url")?,
        title: get(row, "title")?,
        note: get(row, "note")?,
        added_at: get::<Option<jiff_sqlx::Timestamp>>(row, "added_at")?.map(|at| at.to_jiff()),
        collections: serde_json::from_value(collections).map_err(|error| Failure::Nonsense(error.to_string()))?,
        visibilities: serde_json::from_value(visibilities).map_err(|error| Failure::Nonsense(error.to_string()))?,
        visibility: get_visibility(row)?,
        remark: get(row, "remark")?,
        same_as: same_as.and_then(|number| u32::try_from(number).ok()),
    };
    Ok((count(row, "number")?, row_of_file))
}
