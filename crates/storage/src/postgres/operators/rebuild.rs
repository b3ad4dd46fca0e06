//! Rebuilds of the search index.

use async_trait::async_trait;
use cardwire_domain::UserId;
use cardwire_events::Result;
use cardwire_events::operations::{NewEntry, REBUILD_LEASE, Rebuild, RebuildId, Rebuilds, RunLease};
use sqlx::postgres::PgRow;
use sqlx::types::Uuid;

use super::audit;
use crate::departed::NOBODY;
use crate::postgres::error::Failure;
use crate::postgres::leaving::nobody_leaves;
use crate::postgres::store::PostgresStore;
use crate::postgres::values::{card_id, get, get_count, get_time, user_id, uuid};

macro_rules! columns {
    () => {
        "id, requested_by, requested_at, started_at, finished_at, error, after_card, done, total"
    };
}

/// By nobody, `$2`, if the person's account is deleted meanwhile.
const REQUEST: &str = concat!(
    "INSERT INTO search_rebuilds (requested_by) SELECT CASE WHEN ",
    nobody_leaves!("ARRAY[$1]"),
    " THEN $1 ELSE $2 END ON CONFLICT DO NOTHING RETURNING ",
    columns!()
);

const OPEN: &str = concat!("SELECT ", columns!(), " FROM search_rebuilds WHERE finished_at IS NULL");

const LATEST: &str = concat!("SELECT ", columns!(), " FROM search_rebuilds ORDER BY id DESC LIMIT 1");

const CLAIM: &str = concat!(
    "UPDATE search_rebuilds SET lease = $1, lease_until = now() + make_interval(secs => $2), \
            started_at = coalesce(started_at, now()) \
     WHERE finished_at IS NULL AND (lease_until IS NULL OR lease_until <= now()) RETURNING ",
    columns!()
);

const ADVANCE: &str = "\
UPDATE search_rebuilds SET after_card = $3, done = $4, total = $5, lease_until = now() + make_interval(secs => $6), error = $7
WHERE id = $1 AND lease = $2 AND finished_at IS NULL";

const FINISH: &str = "\
UPDATE search_rebuilds SET finished_at = now(), error = coalesce($3, error), lease_until = NULL
WHERE id = $1 AND lease = $2 AND finished_at IS NULL";

#[async_trait]
impl Rebuilds for PostgresStore {
    async fn request(&self, by: &UserId) -> Result<(Rebuild, bool)> {
        Ok(self.request_rebuild(by).await?)
    }

    async fn latest(&self) -> Result<Option<Rebuild>> {
        let rows = self.session().await?.fetch_all(sqlx::query(LATEST)).await?;
        Ok(rows.first().map(read).transpose()?)
    }

    async fn claim(&self, lease: RunLease) -> Result<Option<Rebuild>> {
        let query = sqlx::query(CLAIM).bind(uuid(lease.0)).bind(REBUILD_LEASE.as_secs_f64());
        let rows = self.session().await?.fetch_all(query).await?;
        Ok(rows.first().map(read).transpose()?)
    }

    async fn advance(&self, lease: RunLease, rebuild: &Rebuild) -> Result<bool> {
        let query = sqlx::query(ADVANCE)
            .bind(rebuild.id.0)
            .bind(uuid(lease.0))
            .bind(rebuild.after.map(|card| uuid(card.ulid())))
            .bind(rebuild.done.cast_signed())
            .bind(rebuild.total.map(u64::cast_signed))
            .bind(REBUILD_LEASE.as_secs_f64())
            .bind(rebuild.error.as_deref());
        Ok(self.session().await?.execute(query).await? == 1)
    }

    async fn finish(&self, lease: RunLease, id: RebuildId, error: Option<&str>) -> Result<bool> {
        let query = sqlx::query(FINISH).bind(id.0).bind(uuid(lease.0)).bind(error);
        Ok(self.session().await?.execute(query).await? == 1)
    }
}

impl PostgresStore {
    async fn request_rebuild(&self, by: &UserId) -> Result<(Rebuild, bool), Failure> {
        let mut session = self.session().await?;
        session.begin().await?;
        let inserted = session.fetch_all(sqlx::query(REQUEST).bind(by.as_str()).bind(NOBODY)).await?;
        let new = !inserted.is_empty();
        let rows = if new { inserted } else { session.fetch_all(sqlx::query(OPEN)).await? };
        // None: the conflicting one has just finished.
        let rebuild = read(rows.first().ok_or(Failure::Changed)?)?;
        audit::insert(&mut session, &by.clone().into(), &NewEntry::rebuild_search(), u64::from(new), true).await?;
        session.commit().await?;
        Ok((rebuild, new))
    }
}

fn read(row: &PgRow) -> Result<Rebuild, Failure> {
    let time = |column: &str| {
        let time: Option<jiff_sqlx::Timestamp> = get(row, column)?;
        Ok::<_, Failure>(time.map(jiff_sqlx::Timestamp::to_jiff))
    };
    let after: Option<Uuid> = get(row, "after_card")?;
    let total: Option<i64> = get(row, "total")?;
    Ok(Rebuild {
        id: RebuildId(get(row, "id")?),
        requested_by: user_id(get(row, "requested_by")?)?,
        requested_at: get_time(row, "requested_at")?,
        started_at: time("started_at")?,
        finished_at: time("finished_at")?,
        error: get(row, "error")?,
        after: after.map(card_id),
        done: get_count(row, "done")?,
        total: total.map(|_| get_count(row, "total")).transpose()?,
    })
}
