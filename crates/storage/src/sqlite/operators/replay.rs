//! Replays: sending events to a queue again.

use async_trait::async_trait;
use cardwire_domain::{EventId, UserId};
use cardwire_events::operations::{
    MAX_COUNTED, Owing, REBUILD_LEASE, Replay, ReplayId, ReplayOf, Replays, RunLease, kinds_to,
};
use cardwire_events::{Queue, Result};
use jiff::Timestamp;
use rusqlite::{Connection, Row, ToSql};

use super::{audit, named};
use crate::sqlite::error::Failure;
use crate::sqlite::store::SqliteStore;
use crate::sqlite::values::{
    blob, card_id, day, day_number, event_id, first, get, get_count, get_queue, get_time, later, rows, run, signed,
    time, us, user_id,
};

macro_rules! columns {
    () => {
        "id, queue, from_at, until_at, type, card_id, person, requested_by, requested_at, started_at, finished_at, \
         cancelled, error, after_day, done, total "
    };
}

/// Events `e` of the types `?1` and, where they are not NULL, of the type `?5`, about the card `?6`, by the person `?7`, accepted from `?3` to
/// `?4`. Of the types `?2` only news. None of people who are leaving: the deletion of their account has told the queues, or will.
macro_rules! meant {
    () => {
        "(e.occurred_at >= ?3 AND e.occurred_at < ?4 AND e.type IN (SELECT value FROM json_each(?1)) \
          AND (coalesce(e.told, 0) OR e.type NOT IN (SELECT value FROM json_each(?2))) \
          AND (?5 IS NULL OR e.type = ?5) \
          AND (?6 IS NULL OR json_extract(e.envelope, '$.data.cardId') = ?6) \
          AND (?7 IS NULL OR json_extract(e.envelope, '$.data.actorId') = ?7) \
          AND NOT EXISTS (SELECT 1 FROM leaving l WHERE l.user_id = json_extract(e.envelope, '$.data.actorId'))) "
    };
}

const COUNT: &str =
    concat!("SELECT count(*) AS events FROM (SELECT 1 FROM events e WHERE ", meant!(), "LIMIT ?8) counted");

const NEXT: &str =
    concat!("SELECT e.id, ", meant!(), "AS meant FROM events e WHERE e.id > coalesce(?8, x'') ORDER BY e.id LIMIT ?9");

const OWE: &str = "\
INSERT INTO deliveries (event_id, queue, occurred_at, due_at) VALUES (?1, ?2, ?3, ?3) ON CONFLICT DO NOTHING";

const REQUEST: &str = concat!(
    "INSERT INTO replays (requested_by, requested_at, queue, from_at, until_at, type, card_id, person, total) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) RETURNING ",
    columns!()
);

const OPEN: &str = concat!("SELECT ", columns!(), "FROM replays WHERE queue = ?1 AND finished_at IS NULL");

const LIST: &str = concat!("SELECT ", columns!(), "FROM replays ORDER BY id DESC LIMIT ?1");

const CANCEL: &str = concat!(
    "UPDATE replays SET finished_at = ?2, cancelled = 1, lease_until = NULL WHERE id = ?1 AND finished_at IS NULL RETURNING ",
    columns!()
);

/// Among those that nobody runs, the one whose turn was longest ago, so that one that waits for its queue does not hold
/// up the others.
const CLAIM: &str = concat!(
    "UPDATE replays SET lease = ?1, lease_until = ?2, started_at = coalesce(started_at, ?3) \
     WHERE id = (SELECT id FROM replays WHERE finished_at IS NULL AND (lease_until IS NULL OR lease_until <= ?3) \
                 ORDER BY lease_until NULLS FIRST, id LIMIT 1) RETURNING ",
    columns!()
);

const HELD: &str =
    concat!("SELECT ", columns!(), ", after_event FROM replays WHERE id = ?1 AND lease = ?2 AND finished_at IS NULL");

const MOVE_ON: &str = "\
UPDATE replays SET after_event = coalesce(?2, after_event), done = done + ?3, lease_until = ?4 WHERE id = ?1";

const ADVANCE: &str = "\
UPDATE replays SET after_day = ?3, done = ?4, lease_until = ?5, error = ?6
WHERE id = ?1 AND lease = ?2 AND finished_at IS NULL";

const FINISH: &str = "\
UPDATE replays SET finished_at = ?3, error = coalesce(?4, error), lease_until = NULL
WHERE id = ?1 AND lease = ?2 AND finished_at IS NULL";

#[async_trait]
impl Replays for SqliteStore {
    async fn count(&self, of: &ReplayOf) -> Result<u64> {
        let of = of.clone();
        Ok(self.read(move |connection, _| count(connection, &of)).await?)
    }

    async fn request_replay(&self, by: &UserId, of: &ReplayOf, total: u64) -> Result<(Replay, bool)> {
        let (by, of) = (by.clone(), of.clone());
        Ok(self.write(move |connection, now| request(connection, now, &by, &of, total)).await?)
    }

    async fn replays(&self, limit: usize) -> Result<Vec<Replay>> {
        // Skip the queues of newer builds.
        let known = |row: &Row<'_>| get_queue(row).is_ok().then(|| read(row)).transpose();
        let list = move |connection: &Connection, _| rows(connection, LIST, &[&signed(limit)], known);
        Ok(self.read(list).await?.into_iter().flatten().collect())
    }

    async fn cancel_replay(&self, by: &UserId, id: ReplayId) -> Result<bool> {
        let by = by.clone();
        Ok(self.write(move |connection, now| cancel(connection, now, &by, id)).await?)
    }

    async fn claim_replay(&self, lease: RunLease) -> Result<Option<Replay>> {
        let claim = move |connection: &Connection, now| {
            // Replays for a queue of a newer build wait for a process of that build.
            let known = |row: &Row<'_>| get_queue(row).is_ok().then(|| read(row)).transpose();
            first(connection, CLAIM, &[&blob(lease.0), &later(now, REBUILD_LEASE), &us(now)], known)
        };
        Ok(self.write(claim).await?.flatten())
    }

    async fn owe_again(&self, lease: RunLease, id: ReplayId, limit: usize) -> Result<Owing> {
        let owed = self.write(move |connection, now| owe(connection, now, lease, id, limit)).await?;
        owed.0.into_iter().for_each(|queue| self.handover.ring(queue));
        Ok(owed.1)
    }

    async fn advance_replay(&self, lease: RunLease, replay: &Replay) -> Result<bool> {
        let replay = replay.clone();
        let advance = move |connection: &Connection, now| {
            let (day, done) = (replay.after_day.map(day_number), replay.done.cast_signed());
            let values: [&dyn ToSql; 6] =
                [&replay.id.0, &blob(lease.0), &day, &done, &later(now, REBUILD_LEASE), &replay.error];
            Ok(run(connection, ADVANCE, &values)? == 1)
        };
        Ok(self.write(advance).await?)
    }

    async fn finish_replay(&self, lease: RunLease, id: ReplayId, error: Option<&str>) -> Result<bool> {
        let error = error.map(str::to_owned);
        let finish = move |connection: &Connection, now| {
            Ok(run(connection, FINISH, &[&id.0, &blob(lease.0), &us(now), &error])? == 1)
        };
        Ok(self.write(finish).await?)
    }
}

/// The parameters of [`meant!`].
struct Meant {
    kinds: String,
    news: String,
    from: i64,
    until: i64,
    kind: Option<String>,
    card: Option<String>,
    person: Option<String>,
}

impl Meant {
    fn of(of: &ReplayOf) -> Result<Self, Failure> {
        let (kinds, news) = kinds_to(of.queue);
        let json = |kinds: Vec<&str>| {
            serde_json::to_string(&kinds).map_err(|error| Failure::Nonsense(format!("names as JSON: {error}")))
        };
        Ok(Self {
            kinds: json(kinds)?,
            news: json(news)?,
            from: us(of.from),
            until: us(of.until),
            kind: of.kind.clone(),
            card: of.card_id.map(|id| id.to_string()),
            person: of.person.as_ref().map(ToString::to_string),
        })
    }

    fn values(&self) -> [&dyn ToSql; 7] {
        [&self.kinds, &self.news, &self.from, &self.until, &self.kind, &self.card, &self.person]
    }
}

fn count(connection: &Connection, of: &ReplayOf) -> Result<u64, Failure> {
    let meant = Meant::of(of)?;
    let limit = MAX_COUNTED.cast_signed();
    let mut values = meant.values().to_vec();
    values.push(&limit);
    Ok(first(connection, COUNT, &values, |row| get_count(row, "events"))?.unwrap_or_default())
}

fn request(
    connection: &Connection,
    now: Timestamp,
    by: &UserId,
    of: &ReplayOf,
    total: u64,
) -> Result<(Replay, bool), Failure> {
    let (replay, new) = match first(connection, OPEN, &[&of.queue.name()], read)? {
        Some(replay) => (replay, false),
        None => {
            let values: [&dyn ToSql; 9] = [
                &named(connection, by)?,
                &us(now),
                &of.queue.name(),
                &us(of.from),
                &us(of.until),
                &of.kind,
                &of.card_id.map(|id| blob(id.ulid())),
                &of.person.as_ref().map(UserId::as_str),
                &total.cast_signed(),
            ];
            let inserted = first(connection, REQUEST, &values, read)?;
            (inserted.ok_or_else(|| Failure::Nonsense("an inserted replay is not there".into()))?, true)
        }
    };
    audit::insert(connection, now, &by.clone().into(), &of.entry(), u64::from(new), true)?;
    Ok((replay, new))
}

fn cancel(connection: &Connection, now: Timestamp, by: &UserId, id: ReplayId) -> Result<bool, Failure> {
    let Some(replay) = first(connection, CANCEL, &[&id.0, &us(now)], read)? else { return Ok(false) };
    audit::insert(connection, now, &by.clone().into(), &replay.cancel_entry(), 1, true)?;
    Ok(true)
}

/// With the queue, if something may be owed to it now.
fn owe(
    connection: &Connection,
    now: Timestamp,
    lease: RunLease,
    id: ReplayId,
    limit: usize,
) -> Result<(Option<Queue>, Owing), Failure> {
    let held = first(connection, HELD, &[&id.0, &blob(lease.0)], |row| {
        Ok((read(row)?.of, get::<Option<[u8; 16]>>(row, "after_event")?))
    })?;
    let Some((of, after)) = held else { return Ok((None, Owing::Lost)) };
    let (meant, most) = (Meant::of(&of)?, signed(limit));
    let mut values = meant.values().to_vec();
    values.extend([&after as &dyn ToSql, &most]);
    let looked: Vec<(EventId, bool)> =
        rows(connection, NEXT, &values, |row| Ok((event_id(get(row, "id")?), get(row, "meant")?)))?;
    let mut count: i64 = 0;
    for (event, _) in looked.iter().filter(|(_, is_meant)| *is_meant) {
        run(connection, OWE, &[&blob(event.ulid()), &of.queue.name(), &us(now)])?;
        count += 1;
    }
    let last = looked.last().map(|(last, _)| blob(last.ulid()));
    run(connection, MOVE_ON, &[&id.0, &last, &count, &later(now, REBUILD_LEASE)])?;
    let owing = if looked.len() < limit { Owing::All } else { Owing::More };
    Ok(((count > 0).then_some(of.queue), owing))
}

/// Whether a replay is running; its events must not be deleted meanwhile.
pub(in super::super) fn is_replaying(connection: &Connection) -> Result<bool, Failure> {
    let sql = "SELECT 1 FROM replays WHERE finished_at IS NULL LIMIT 1";
    Ok(first(connection, sql, &[], |_| Ok(()))?.is_some())
}

fn read(row: &Row<'_>) -> Result<Replay, Failure> {
    let passed = |column: &str| get::<Option<i64>>(row, column)?.map(time).transpose();
    Ok(Replay {
        id: ReplayId(get(row, "id")?),
        of: ReplayOf {
            queue: get_queue(row)?,
            from: get_time(row, "from_at")?,
            until: get_time(row, "until_at")?,
            kind: get(row, "type")?,
            card_id: get::<Option<[u8; 16]>>(row, "card_id")?.map(card_id),
            person: get::<Option<String>>(row, "person")?.as_deref().map(user_id).transpose()?,
        },
        requested_by: user_id(&get::<String>(row, "requested_by")?)?,
        requested_at: get_time(row, "requested_at")?,
        started_at: passed("started_at")?,
        finished_at: passed("finished_at")?,
        is_cancelled: get(row, "cancelled")?,
        error: get(row, "error")?,
        done: get_count(row, "done")?,
        total: get_count(row, "total")?,
        after_day: get::<Option<i64>>(row, "after_day")?.map(day).transpose()?,
    })
}
