//! Imports: rows leased with their import by `next_at`, and what became of them.

use std::time::Duration;

use async_trait::async_trait;
use cardwire_domain::imports::{ImportRepository, ImportRow, ImportView, LeasedRows, NewImport, ReportRow, RowOutcome};
use cardwire_domain::{Error, ImportId, Page, PageRequest, Position, Result, UserId};
use sqlx::postgres::PgRow;
use sqlx::types::Uuid;
use ulid::Ulid;

use super::error::Failure;
use super::leaving::nobody_leaves;
use super::store::PostgresStore;
use super::values::{card_id, collection_id, get, get_time, get_visibility, no_cursor, signed, ulid, user_id, uuid};

/// Rows written by one statement, so that none takes long.
const PORTION: usize = 5_000;
/// Of a reason, this many characters are kept.
const REASON_CHARS: usize = 300;

/// Whoever begins one clears away what is long finished, whoever's it was.
const CLEAR: &str = "\
DELETE FROM imports WHERE id IN (
    SELECT id FROM imports WHERE finished_at < now() - interval '30 days' ORDER BY begun_at LIMIT 5 FOR UPDATE SKIP LOCKED
)";

const BEGIN: &str = concat!(
    "INSERT INTO imports (id, owner_id, file_name, collection_id, total) SELECT $1, $2, $3, $4, $5 \
     WHERE expect_nobody_leaves(NOT ",
    nobody_leaves!("ARRAY[$2]"),
    ") ON CONFLICT (owner_id) WHERE finished_at IS NULL DO NOTHING"
);

const ADD_ROWS: &str = "\
INSERT INTO import_rows (import_id, number, url, note, private)
SELECT $1, number, url, note, private
FROM unnest($2::integer[], $3::text[], $4::text[], $5::bool[]) AS row (number, url, note, private)";

macro_rules! select_imports {
    ($rest:literal) => {
        concat!(
            "SELECT id, file_name, total, saved, known, refused, begun_at, finished_at FROM imports WHERE owner_id = $1 ",
            $rest
        )
    };
}

const REPORT: &str = "\
SELECT r.number, r.url, r.outcome, r.card_id, r.reason FROM import_rows r JOIN imports i ON i.id = r.import_id
WHERE i.id = $1 AND i.owner_id = $2 AND r.number > $3 AND (NOT $4 OR r.outcome = 'refused')
ORDER BY r.number LIMIT $5";

const LEASE: &str = "\
UPDATE imports SET lease = $1, next_at = now() + make_interval(secs => $2)
WHERE id = (SELECT id FROM imports WHERE next_at <= now() ORDER BY next_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id, owner_id, collection_id";

const LEASED_ROWS: &str = "\
SELECT number, url, note, private FROM import_rows WHERE import_id = $1 AND outcome IS NULL ORDER BY number LIMIT $2";

/// Each row once: what was kept stays. Its note is the card's from now on, and goes with the card.
const FINISH_ROWS: &str = "\
WITH done AS (
    UPDATE import_rows r SET outcome = o.outcome, card_id = o.card_id, reason = o.reason, note = NULL
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
    async fn begin_import(&self, import: &NewImport) -> Result<()> {
        let id = uuid(import.id.ulid());
        let mut session = self.batch_session().await?;
        session.execute(sqlx::query(CLEAR)).await?;
        session.begin().await?;
        let begin = sqlx::query(BEGIN)
            .bind(id)
            .bind(import.owner.as_str())
            .bind(&import.file_name)
            .bind(import.collection.map(|id| uuid(id.ulid())))
            .bind(number(import.rows.len())?);
        if session.execute(begin).await? == 0 {
            return Err(Error::Conflict("another import of yours is still running".into()));
        }
        for (portion, rows) in import.rows.chunks(PORTION).enumerate() {
            let numbers = (1..=rows.len()).map(|n| number(portion * PORTION + n)).collect::<Result<Vec<i32>>>()?;
            let (urls, notes): (Vec<&str>, Vec<Option<&str>>) =
                rows.iter().map(|row| (row.url.as_str(), row.note.as_deref())).unzip();
            let private: Vec<bool> = rows.iter().map(|row| row.visibility.is_private()).collect();
            let add = sqlx::query(ADD_ROWS).bind(id).bind(numbers).bind(urls).bind(notes).bind(private);
            session.execute(add).await?;
        }
        session.commit().await?;
        Ok(())
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
        refused: bool,
        page: &PageRequest,
    ) -> Result<Page<ReportRow>> {
        let after =
            page.after.as_ref().map_or(Ok(0), |position| i32::try_from(position.key).map_err(|_| no_cursor()))?;
        let query = sqlx::query(REPORT)
            .bind(uuid(id.ulid()))
            .bind(owner.as_str())
            .bind(after)
            .bind(refused)
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
        let rows = session.fetch_all(sqlx::query(LEASED_ROWS).bind(id).bind(signed(limit))).await?;
        Ok(Some(LeasedRows {
            import: ImportId::from_ulid(ulid(id)),
            owner: user_id(get(row, "owner_id")?)?,
            collection: get::<Option<Uuid>>(row, "collection_id")?.map(collection_id),
            lease: token,
            rows: rows.iter().map(read_leased).collect::<Result<_, Failure>>()?,
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
            let (card, reason) = match outcome {
                RowOutcome::Saved(card) | RowOutcome::Known(card) => (Some(uuid(card.ulid())), None),
                RowOutcome::Refused(why) => {
                    (None, Some(why.chars().filter(|c| *c != '\0').take(REASON_CHARS).collect::<String>()))
                }
            };
            cards.push(card);
            reasons.push(reason);
        }
        let query = sqlx::query(FINISH_ROWS).bind(id).bind(numbers).bind(names).bind(cards).bind(reasons);
        session.execute(query).await?;
        session.commit().await?;
        Ok(true)
    }
}

fn number(n: usize) -> Result<i32> {
    i32::try_from(n).map_err(|_| Error::invalid("file", "has too many rows"))
}

fn count(row: &PgRow, column: &str) -> Result<u32, Failure> {
    let count: i32 = get(row, column)?;
    u32::try_from(count).map_err(|_| Failure::Nonsense(format!("{column} is {count}")))
}

fn read_import(row: &PgRow) -> Result<ImportView, Failure> {
    let finished_at: Option<jiff_sqlx::Timestamp> = get(row, "finished_at")?;
    Ok(ImportView {
        id: ImportId::from_ulid(ulid(get(row, "id")?)),
        file_name: get(row, "file_name")?,
        total: count(row, "total")?,
        saved: count(row, "saved")?,
        known: count(row, "known")?,
        refused: count(row, "refused")?,
        begun_at: get_time(row, "begun_at")?,
        finished_at: finished_at.map(jiff_sqlx::Timestamp::to_jiff),
    })
}

fn read_row(row: &PgRow) -> Result<ReportRow, Failure> {
    let card = |row| -> Result<_, Failure> {
        let card: Option<Uuid> = get(row, "card_id")?;
        card.map(card_id).ok_or_else(|| Failure::Nonsense("a saved row of an import has no card".into()))
    };
    let outcome = match get::<Option<&str>>(row, "outcome")? {
        None => None,
        Some("saved") => Some(RowOutcome::Saved(card(row)?)),
        Some("known") => Some(RowOutcome::Known(card(row)?)),
        Some(_) => Some(RowOutcome::Refused(get::<Option<String>>(row, "reason")?.unwrap_or_default())),
    };
    Ok(ReportRow { number: count(row, "number")?, url: get(row, "url")?, outcome })
}

fn read_leased(row: &PgRow) -> Result<(u32, ImportRow), Failure> {
    let row_of_file = ImportRow { url: get(row, "url")?, note: get(row, "note")?, visibility: get_visibility(row)? };
    Ok((count(row, "number")?, row_of_file))
}
