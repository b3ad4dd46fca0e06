//! The audit log.

use cardwire_domain::UserId;
use cardwire_events::operations::{AuditEntry, AuditId, DoneBy, NewEntry};
use jiff::Timestamp;
use rusqlite::{Connection, Row};

use crate::sqlite::error::Failure;
use crate::sqlite::portions::Portion;
use crate::sqlite::store::SqliteStore;
use crate::sqlite::values::{first, get, get_count, get_time, rows, run, signed, time, us};

const INSERT: &str = "\
INSERT INTO audit_log (at, person, action, queue, target, parameters, affected, completed_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, CASE WHEN ?8 THEN ?1 END) RETURNING id";

const ADD: &str = "\
UPDATE audit_log SET affected = affected + ?2, completed_at = ?3 WHERE id = ?1 AND completed_at IS NULL";

const LIST: &str = "\
SELECT id, at, person, action, queue, target, parameters, affected, completed_at FROM audit_log
WHERE id < coalesce(?1, 9223372036854775807) ORDER BY id DESC LIMIT ?2";

impl SqliteStore {
    /// Like [`SqliteStore::in_portions`], and each portion also updates the count in the audit entry.
    pub(super) async fn audited<C, F>(&self, by: &UserId, entry: NewEntry, change: F) -> Result<u64, Failure>
    where
        C: Send + 'static,
        F: Fn(&Connection, Timestamp, Option<C>) -> Result<Portion<C>, Failure> + Send + Sync + 'static,
    {
        let by = DoneBy::from(by.clone());
        let portion = move |connection: &Connection, now, after: Option<(AuditId, C)>| {
            let (written, after) = after.unzip();
            let Portion { changed, next } = change(connection, now, after)?;
            let id = match written {
                None => insert(connection, now, &by, &entry, changed, next.is_none())?,
                Some(id) => {
                    add(connection, now, id, changed, next.is_none())?;
                    id
                }
            };
            Ok(Portion { changed, next: next.map(|next| (id, next)) })
        };
        self.in_portions(portion).await
    }
}

pub(super) fn insert(
    connection: &Connection,
    now: Timestamp,
    by: &DoneBy,
    entry: &NewEntry,
    affected: u64,
    completed: bool,
) -> Result<AuditId, Failure> {
    let NewEntry { action, queue, target, parameters } = entry;
    let queue = queue.map(|queue| queue.name());
    let values: [&dyn rusqlite::ToSql; 8] =
        [&us(now), &by.stored(), action, &queue, target, &parameters.to_string(), &affected.cast_signed(), &completed];
    let id = first(connection, INSERT, &values, |row| Ok(AuditId(get(row, "id")?)))?;
    id.ok_or_else(|| Failure::Nonsense("an inserted entry has no id".into()))
}

pub(super) fn add(
    connection: &Connection,
    now: Timestamp,
    id: AuditId,
    affected: u64,
    completed: bool,
) -> Result<(), Failure> {
    run(connection, ADD, &[&id.0, &affected.cast_signed(), &completed.then(|| us(now))])?;
    Ok(())
}

pub(super) fn list(connection: &Connection, before: Option<AuditId>, limit: usize) -> Result<Vec<AuditEntry>, Failure> {
    rows(connection, LIST, &[&before.map(|id| id.0), &signed(limit)], read)
}

fn read(row: &Row<'_>) -> Result<AuditEntry, Failure> {
    let by: String = get(row, "person")?;
    let queue: Option<String> = get(row, "queue")?;
    let parameters: String = get(row, "parameters")?;
    Ok(AuditEntry {
        id: AuditId(get(row, "id")?),
        at: get_time(row, "at")?,
        by: DoneBy::from_stored(&by).map_err(|_| Failure::Nonsense(format!("{by:?} is stored as who acted")))?,
        action: get(row, "action")?,
        queue: queue.map(|queue| queue.parse()).transpose().map_err(Failure::Nonsense)?,
        target: get(row, "target")?,
        parameters: serde_json::from_str(&parameters)
            .map_err(|error| Failure::Nonsense(format!("an entry's parameters are no JSON: {error}")))?,
        affected: get_count(row, "affected")?,
        completed_at: get::<Option<i64>>(row, "completed_at")?.map(time).transpose()?,
    })
}
