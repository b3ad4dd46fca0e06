//! The audit log.

use cardwire_domain::UserId;
use cardwire_events::operations::{AuditEntry, AuditId, DoneBy, NewEntry};
use sqlx::Postgres;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;

use crate::postgres::error::Failure;
use crate::postgres::pool::Session;
use crate::postgres::portions::PORTION;
use crate::postgres::store::PostgresStore;
use crate::postgres::values::{get, get_count, get_time, signed};

const INSERT: &str = "\
INSERT INTO audit_log (person, action, queue, target, parameters, affected, completed_at)
VALUES ($1, $2, $3, $4, $5, $6, CASE WHEN $7 THEN now() END) RETURNING id";

const ADD: &str = "\
UPDATE audit_log SET affected = affected + $2, completed_at = CASE WHEN $3 THEN now() END
WHERE id = $1 AND completed_at IS NULL";

const LIST: &str = "\
SELECT id, at, person, action, queue, target, parameters, affected, completed_at FROM audit_log
WHERE $1::bigint IS NULL OR id < $1 ORDER BY id DESC LIMIT $2";

impl PostgresStore {
    /// Repeats a change of up to [`PORTION`] rows until there are no more. Each portion is a transaction that also
    /// updates the count in the audit entry.
    pub(super) async fn audited<'q>(
        &self,
        by: &UserId,
        entry: &NewEntry,
        change: impl Fn() -> Query<'q, Postgres, PgArguments>,
    ) -> Result<u64, Failure> {
        let by = DoneBy::from(by.clone());
        let mut session = self.batch_session().await?;
        let mut written = None;
        let mut affected = 0;
        loop {
            session.start_again();
            session.begin().await?;
            let portion = session.execute(change()).await?;
            affected += portion;
            let last = portion < PORTION as u64;
            match written {
                None => written = Some(insert(&mut session, &by, entry, portion, last).await?),
                Some(id) => add(&mut session, id, portion, last).await?,
            }
            session.commit().await?;
            if last {
                return Ok(affected);
            }
        }
    }

    pub(in super::super) async fn server_time(&self) -> Result<jiff_sqlx::Timestamp, Failure> {
        let rows = self.session().await?.fetch_all(sqlx::query("SELECT now() AS now")).await?;
        let row = rows.first().ok_or_else(|| Failure::Nonsense("there is no now".into()))?;
        get(row, "now")
    }
}

pub(super) async fn insert(
    session: &mut Session,
    by: &DoneBy,
    entry: &NewEntry,
    affected: u64,
    completed: bool,
) -> Result<AuditId, Failure> {
    let query = sqlx::query(INSERT)
        .bind(by.stored())
        .bind(entry.action)
        .bind(entry.queue.map(|queue| queue.name()))
        .bind(&entry.target)
        .bind(&entry.parameters)
        .bind(affected.cast_signed())
        .bind(completed);
    let rows = session.fetch_all(query).await?;
    let row = rows.first().ok_or_else(|| Failure::Nonsense("an inserted entry has no id".into()))?;
    Ok(AuditId(get(row, "id")?))
}

pub(super) async fn add(session: &mut Session, id: AuditId, affected: u64, completed: bool) -> Result<(), Failure> {
    let query = sqlx::query(ADD).bind(id.0).bind(affected.cast_signed()).bind(completed);
    session.execute(query).await?;
    Ok(())
}

pub(super) async fn list(
    session: &mut Session,
    before: Option<AuditId>,
    limit: usize,
) -> Result<Vec<AuditEntry>, Failure> {
    let query = sqlx::query(LIST).bind(before.map(|id| id.0)).bind(signed(limit));
    session.fetch_all(query).await?.iter().map(read).collect()
}

fn read(row: &PgRow) -> Result<AuditEntry, Failure> {
    let by: &str = get(row, "person")?;
    let queue: Option<&str> = get(row, "queue")?;
    let completed_at: Option<jiff_sqlx::Timestamp> = get(row, "completed_at")?;
    Ok(AuditEntry {
        id: AuditId(get(row, "id")?),
        at: get_time(row, "at")?,
        by: DoneBy::from_stored(by).map_err(|_| Failure::Nonsense(format!("{by:?} is stored as who acted")))?,
        action: get(row, "action")?,
        queue: queue.map(str::parse).transpose().map_err(Failure::Nonsense)?,
        target: get(row, "target")?,
        parameters: get(row, "parameters")?,
        affected: get_count(row, "affected")?,
        completed_at: completed_at.map(jiff_sqlx::Timestamp::to_jiff),
    })
}
