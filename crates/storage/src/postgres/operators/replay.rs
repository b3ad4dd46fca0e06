//! Replays: sending events to a queue again.

use async_trait::async_trait;
use cardwire_domain::{CardId, UserId};
use cardwire_events::operations::{
    MAX_COUNTED, Owing, REBUILD_LEASE, Replay, ReplayId, ReplayOf, Replays, RunLease, kinds_to,
};
use cardwire_events::{Queue, Result};
use jiff_sqlx::ToSqlx;
use sqlx::Postgres;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::types::Uuid;

use super::audit;
use crate::departed::NOBODY;
use crate::postgres::error::Failure;
use crate::postgres::leaving::nobody_leaves;
use crate::postgres::pool::Session;
use crate::postgres::store::PostgresStore;
use crate::postgres::values::{card_id, get, get_count, get_queue, get_time, signed, time, user_id, uuid};

macro_rules! columns {
    () => {
        "id, queue, from_at, until_at, type, card_id, person, requested_by, requested_at, started_at, finished_at, \
         cancelled, error, after_day, done, total "
    };
}

/// Events `e` of the types `$1` and, where they are not NULL, of the type `$5`, about the card `$6`, by the person `$7`, accepted from `$3` to
/// `$4`. Of the types `$2` only news. None of people who are leaving: the deletion of their account has told the queues, or will.
macro_rules! meant {
    () => {
        "e.occurred_at >= $3 AND e.occurred_at < $4 AND e.type = ANY($1) AND (e.told OR NOT e.type = ANY($2)) \
         AND ($5::text IS NULL OR e.type = $5) \
         AND ($6::text IS NULL OR e.envelope->'data'->>'cardId' = $6) \
         AND ($7::text IS NULL OR e.envelope->'data'->>'actorId' = $7) \
         AND NOT EXISTS (SELECT FROM leaving l WHERE l.user_id = e.envelope->'data'->>'actorId' COLLATE \"C\") "
    };
}

const COUNT: &str =
    concat!("SELECT count(*) AS events FROM (SELECT FROM events e WHERE ", meant!(), "LIMIT $8) counted");

/// By nobody, `$2`, if the person's account is deleted meanwhile. The same of whom it is about.
const REQUEST: &str = concat!(
    "INSERT INTO replays (requested_by, queue, from_at, until_at, type, card_id, person, total) \
     SELECT CASE WHEN ",
    nobody_leaves!("ARRAY[$1]"),
    " THEN $1 ELSE $2 END, $3, $4, $5, $6, $7, $8, $9 ON CONFLICT DO NOTHING RETURNING ",
    columns!()
);

const OPEN: &str = concat!("SELECT ", columns!(), "FROM replays WHERE queue = $1 AND finished_at IS NULL");

const LIST: &str = concat!("SELECT ", columns!(), "FROM replays ORDER BY id DESC LIMIT $1");

const CANCEL: &str = concat!(
    "UPDATE replays SET finished_at = now(), cancelled = true, lease_until = NULL \
     WHERE id = $1 AND finished_at IS NULL RETURNING ",
    columns!()
);

/// Among those that nobody runs, the one whose turn was longest ago, so that one that waits for its queue does not hold
/// up the others.
const CLAIM: &str = concat!(
    "UPDATE replays SET lease = $1, lease_until = now() + make_interval(secs => $2), started_at = coalesce(started_at, now()) \
     WHERE id = (SELECT id FROM replays WHERE finished_at IS NULL AND (lease_until IS NULL OR lease_until <= now()) \
                 ORDER BY lease_until NULLS FIRST, id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING ",
    columns!()
);

const HELD: &str = concat!(
    "SELECT ",
    columns!(),
    ", after_event FROM replays WHERE id = $1 AND lease = $2 AND finished_at IS NULL FOR UPDATE"
);

/// Nobody's deletion can begin before the commit.
const HOLD_LEAVING: &str = "LOCK TABLE leaving IN SHARE MODE";

/// The next `$10` events of the log, behind `$9`.
const OWE: &str = concat!(
    "WITH looked AS MATERIALIZED (SELECT id FROM events WHERE id > $9 ORDER BY id LIMIT $10), \
     meant AS (SELECT e.id FROM events e WHERE e.id = ANY(ARRAY(SELECT id FROM looked)) AND ",
    meant!(),
    "), owed AS ( \
         INSERT INTO deliveries (queue, event_id, occurred_at, due_at) SELECT $8, id, now(), now() FROM meant ORDER BY id \
         ON CONFLICT DO NOTHING \
     ) \
     SELECT (SELECT count(*) FROM looked) AS looked, (SELECT count(*) FROM meant) AS meant, \
            (SELECT id FROM looked ORDER BY id DESC LIMIT 1) AS last"
);

const MOVE_ON: &str = "\
UPDATE replays SET after_event = coalesce($2, after_event), done = done + $3, lease_until = now() + make_interval(secs => $4)
WHERE id = $1";

const ADVANCE: &str = "\
UPDATE replays SET after_day = $3, done = $4, lease_until = now() + make_interval(secs => $5), error = $6
WHERE id = $1 AND lease = $2 AND finished_at IS NULL";

const FINISH: &str = "\
UPDATE replays SET finished_at = now(), error = coalesce($3, error), lease_until = NULL
WHERE id = $1 AND lease = $2 AND finished_at IS NULL";

const IS_REPLAYING: &str = "SELECT EXISTS (SELECT FROM replays WHERE finished_at IS NULL) AS replaying";

#[async_trait]
impl Replays for PostgresStore {
    async fn count(&self, of: &ReplayOf) -> Result<u64> {
        let query = meant(COUNT, of).bind(MAX_COUNTED.cast_signed());
        let rows = self.batch_session().await?.fetch_all(query).await?;
        Ok(rows.first().map_or(Ok(0), |row| get_count(row, "events"))?)
    }

    async fn request_replay(&self, by: &UserId, of: &ReplayOf, total: u64) -> Result<(Replay, bool)> {
        Ok(self.insert_replay(by, of, total).await?)
    }

    async fn replays(&self, limit: usize) -> Result<Vec<Replay>> {
        let rows = self.session().await?.fetch_all(sqlx::query(LIST).bind(signed(limit))).await?;
        // Skip the queues of newer builds.
        let known = rows.iter().filter(|row| get_queue(row).is_ok());
        Ok(known.map(read).collect::<Result<_, Failure>>()?)
    }

    async fn cancel_replay(&self, by: &UserId, id: ReplayId) -> Result<bool> {
        Ok(self.stop_replay(by, id).await?)
    }

    async fn claim_replay(&self, lease: RunLease) -> Result<Option<Replay>> {
        let query = sqlx::query(CLAIM).bind(uuid(lease.0)).bind(REBUILD_LEASE.as_secs_f64());
        let rows = self.session().await?.fetch_all(query).await?;
        // Replays for a queue of a newer build wait for a process of that build.
        Ok(rows.first().filter(|row| get_queue(row).is_ok()).map(read).transpose()?)
    }

    async fn owe_again(&self, lease: RunLease, id: ReplayId, limit: usize) -> Result<Owing> {
        let mut session = self.batch_session().await?;
        let (queue, owing) = owe(&mut session, lease, id, limit).await?;
        queue.into_iter().for_each(|queue| self.handover.ring(queue));
        Ok(owing)
    }

    async fn advance_replay(&self, lease: RunLease, replay: &Replay) -> Result<bool> {
        let query = sqlx::query(ADVANCE)
            .bind(replay.id.0)
            .bind(uuid(lease.0))
            .bind(replay.after_day.map(ToSqlx::to_sqlx))
            .bind(replay.done.cast_signed())
            .bind(REBUILD_LEASE.as_secs_f64())
            .bind(replay.error.as_deref());
        Ok(self.session().await?.execute(query).await? == 1)
    }

    async fn finish_replay(&self, lease: RunLease, id: ReplayId, error: Option<&str>) -> Result<bool> {
        let query = sqlx::query(FINISH).bind(id.0).bind(uuid(lease.0)).bind(error);
        Ok(self.session().await?.execute(query).await? == 1)
    }
}

impl PostgresStore {
    async fn insert_replay(&self, by: &UserId, of: &ReplayOf, total: u64) -> Result<(Replay, bool), Failure> {
        let mut session = self.session().await?;
        session.begin().await?;
        let query = sqlx::query(REQUEST)
            .bind(by.as_str())
            .bind(NOBODY)
            .bind(of.queue.name())
            .bind(time(of.from))
            .bind(time(of.until))
            .bind(of.kind.as_deref())
            .bind(of.card_id.map(|id| uuid(id.ulid())))
            .bind(of.person.as_ref().map(UserId::as_str))
            .bind(total.cast_signed());
        let inserted = session.fetch_all(query).await?;
        let new = !inserted.is_empty();
        let rows = match new {
            true => inserted,
            false => session.fetch_all(sqlx::query(OPEN).bind(of.queue.name())).await?,
        };
        // None: the conflicting one has just finished.
        let replay = read(rows.first().ok_or(Failure::Changed)?)?;
        audit::insert(&mut session, &by.clone().into(), &of.entry(), u64::from(new), true).await?;
        session.commit().await?;
        Ok((replay, new))
    }

    async fn stop_replay(&self, by: &UserId, id: ReplayId) -> Result<bool, Failure> {
        let mut session = self.session().await?;
        session.begin().await?;
        let rows = session.fetch_all(sqlx::query(CANCEL).bind(id.0)).await?;
        let Some(row) = rows.first() else { return Ok(false) };
        audit::insert(&mut session, &by.clone().into(), &read(row)?.cancel_entry(), 1, true).await?;
        session.commit().await?;
        Ok(true)
    }
}

/// With the queue, if something may be owed to it now.
async fn owe(
    session: &mut Session,
    lease: RunLease,
    id: ReplayId,
    limit: usize,
) -> Result<(Option<Queue>, Owing), Failure> {
    session.begin().await?;
    session.execute(sqlx::query(HOLD_LEAVING)).await?;
    let held = session.fetch_all(sqlx::query(HELD).bind(id.0).bind(uuid(lease.0))).await?;
    let Some(row) = held.first() else { return Ok((None, Owing::Lost)) };
    let of = read(row)?.of;
    let after: Option<Uuid> = get(row, "after_event")?;
    let query = meant(OWE, &of).bind(of.queue.name()).bind(after.unwrap_or(Uuid::nil())).bind(signed(limit));
    let rows = session.fetch_all(query).await?;
    let found = rows.first().ok_or_else(|| Failure::Nonsense("no answer to what was owed again".into()))?;
    let (looked, count) = (get_count(found, "looked")?, get_count(found, "meant")?);
    let last: Option<Uuid> = get(found, "last")?;
    let query = sqlx::query(MOVE_ON).bind(id.0).bind(last).bind(count.cast_signed()).bind(REBUILD_LEASE.as_secs_f64());
    session.execute(query).await?;
    session.commit().await?;
    let owing = if looked < limit as u64 { Owing::All } else { Owing::More };
    Ok(((count > 0).then_some(of.queue), owing))
}

/// Binds the parameters of [`meant!`].
fn meant<'q>(sql: &'static str, of: &ReplayOf) -> Query<'q, Postgres, PgArguments> {
    let (kinds, news) = kinds_to(of.queue);
    sqlx::query(sql)
        .bind(kinds)
        .bind(news)
        .bind(time(of.from))
        .bind(time(of.until))
        .bind(of.kind.clone())
        .bind(of.card_id.map(|id: CardId| id.to_string()))
        .bind(of.person.as_ref().map(ToString::to_string))
}

/// Whether a replay is running; its events must not be deleted meanwhile.
pub(in super::super) async fn is_replaying(session: &mut Session) -> Result<bool, Failure> {
    let rows = session.fetch_all(sqlx::query(IS_REPLAYING)).await?;
    rows.first().map_or(Ok(false), |row| get(row, "replaying"))
}

fn read(row: &PgRow) -> Result<Replay, Failure> {
    let passed = |column: &str| {
        let time: Option<jiff_sqlx::Timestamp> = get(row, column)?;
        Ok::<_, Failure>(time.map(jiff_sqlx::Timestamp::to_jiff))
    };
    let card: Option<Uuid> = get(row, "card_id")?;
    let person: Option<&str> = get(row, "person")?;
    let after_day: Option<jiff_sqlx::Date> = get(row, "after_day")?;
    Ok(Replay {
        id: ReplayId(get(row, "id")?),
        of: ReplayOf {
            queue: get_queue(row)?,
            from: get_time(row, "from_at")?,
            until: get_time(row, "until_at")?,
            kind: get(row, "type")?,
            card_id: card.map(card_id),
            person: person.map(user_id).transpose()?,
        },
        requested_by: user_id(get(row, "requested_by")?)?,
        requested_at: get_time(row, "requested_at")?,
        started_at: passed("started_at")?,
        finished_at: passed("finished_at")?,
        is_cancelled: get(row, "cancelled")?,
        error: get(row, "error")?,
        done: get_count(row, "done")?,
        total: get_count(row, "total")?,
        after_day: after_day.map(jiff_sqlx::Date::to_jiff),
    })
}
