//! Rebuilds of the search index.

use async_trait::async_trait;
use cardwire_domain::UserId;
use cardwire_events::Result;
use cardwire_events::operations::{NewEntry, REBUILD_LEASE, Rebuild, RebuildId, Rebuilds, RunLease};
use jiff::Timestamp;
use rusqlite::{Connection, Row};

use super::{audit, named};
use crate::sqlite::error::Failure;
use crate::sqlite::store::SqliteStore;
use crate::sqlite::values::{blob, card_id, first, get, get_count, get_time, later, run, time, us, user_id};

macro_rules! columns {
    () => {
        "id, requested_by, requested_at, started_at, finished_at, error, after_card, done, total"
    };
}

const REQUEST: &str =
    concat!("INSERT INTO search_rebuilds (requested_by, requested_at) VALUES (?1, ?2) RETURNING ", columns!());

const OPEN: &str = concat!("SELECT ", columns!(), " FROM search_rebuilds WHERE finished_at IS NULL");

const LATEST: &str = concat!("SELECT ", columns!(), " FROM search_rebuilds ORDER BY id DESC LIMIT 1");

const CLAIM: &str = concat!(
    "UPDATE search_rebuilds SET lease = ?1, lease_until = ?2, started_at = coalesce(started_at, ?3) \
     WHERE finished_at IS NULL AND (lease_until IS NULL OR lease_until <= ?3) RETURNING ",
    columns!()
);

const ADVANCE: &str = "\
UPDATE search_rebuilds SET after_card = ?3, done = ?4, total = ?5, lease_until = ?6, error = ?7
WHERE id = ?1 AND lease = ?2 AND finished_at IS NULL";

const FINISH: &str = "\
UPDATE search_rebuilds SET finished_at = ?3, error = coalesce(?4, error), lease_until = NULL
WHERE id = ?1 AND lease = ?2 AND finished_at IS NULL";

#[async_trait]
impl Rebuilds for SqliteStore {
    async fn request(&self, by: &UserId) -> Result<(Rebuild, bool)> {
        let by = by.clone();
        Ok(self.write(move |connection, now| request(connection, now, &by)).await?)
    }

    async fn latest(&self) -> Result<Option<Rebuild>> {
        Ok(self.read(|connection, _| first(connection, LATEST, &[], read)).await?)
    }

    async fn claim(&self, lease: RunLease) -> Result<Option<Rebuild>> {
        let claim = move |connection: &Connection, now| {
            first(connection, CLAIM, &[&blob(lease.0), &later(now, REBUILD_LEASE), &us(now)], read)
        };
        Ok(self.write(claim).await?)
    }

    async fn advance(&self, lease: RunLease, rebuild: &Rebuild) -> Result<bool> {
        let rebuild = rebuild.clone();
        Ok(self.write(move |connection, now| advance(connection, now, lease, &rebuild)).await?)
    }

    async fn finish(&self, lease: RunLease, id: RebuildId, error: Option<&str>) -> Result<bool> {
        let error = error.map(str::to_owned);
        let finish = move |connection: &Connection, now| {
            Ok(run(connection, FINISH, &[&id.0, &blob(lease.0), &us(now), &error])? == 1)
        };
        Ok(self.write(finish).await?)
    }
}

fn request(connection: &Connection, now: Timestamp, by: &UserId) -> Result<(Rebuild, bool), Failure> {
    let (rebuild, new) = match first(connection, OPEN, &[], read)? {
        Some(rebuild) => (rebuild, false),
        None => {
            let inserted = first(connection, REQUEST, &[&named(connection, by)?, &us(now)], read)?;
            (inserted.ok_or_else(|| Failure::Nonsense("an inserted rebuild is not there".into()))?, true)
        }
    };
    audit::insert(connection, now, &by.clone().into(), &NewEntry::rebuild_search(), u64::from(new), true)?;
    Ok((rebuild, new))
}

fn advance(connection: &Connection, now: Timestamp, lease: RunLease, to: &Rebuild) -> Result<bool, Failure> {
    let after = to.after.map(|card| blob(card.ulid()));
    let total = to.total.map(u64::cast_signed);
    let values: [&dyn rusqlite::ToSql; 7] =
        [&to.id.0, &blob(lease.0), &after, &to.done.cast_signed(), &total, &later(now, REBUILD_LEASE), &to.error];
    Ok(run(connection, ADVANCE, &values)? == 1)
}

fn read(row: &Row<'_>) -> Result<Rebuild, Failure> {
    let passed = |column: &str| get::<Option<i64>>(row, column)?.map(time).transpose();
    let total: Option<i64> = get(row, "total")?;
    Ok(Rebuild {
        id: RebuildId(get(row, "id")?),
        requested_by: user_id(&get::<String>(row, "requested_by")?)?,
        requested_at: get_time(row, "requested_at")?,
        started_at: passed("started_at")?,
        finished_at: passed("finished_at")?,
        error: get(row, "error")?,
        after: get::<Option<[u8; 16]>>(row, "after_card")?.map(card_id),
        done: get_count(row, "done")?,
        total: total.map(|_| get_count(row, "total")).transpose()?,
    })
}
