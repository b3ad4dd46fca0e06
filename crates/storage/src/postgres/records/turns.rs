//! Turns: who publishes for whom, and the results.

use std::time::Duration;

use cardwire_domain::records::{Attempt, Done, Ending, Outcome, RecordKind, Turn};
use sqlx::types::Uuid;
use ulid::Ulid;

use super::people::{disconnect, spent};
use crate::postgres::error::Failure;
use crate::postgres::pool::Session;
use crate::postgres::values::{get, get_time, time, user_id, uuid};

const BEGIN: &str = "\
WITH next AS (
    SELECT person_id FROM record_people
    WHERE due_at IS NOT NULL AND did IS NOT NULL AND due_at <= now() AND state <> 'ended'
      AND (leased_until IS NULL OR leased_until <= now()) AND (paused_until IS NULL OR paused_until <= now())
    ORDER BY turned_at, person_id LIMIT 1 FOR UPDATE SKIP LOCKED
)
UPDATE record_people p
SET lease = $1, leased_until = now() + make_interval(secs => $2), turned_at = now(), due_at = now() + make_interval(secs => $2)
FROM next WHERE p.person_id = next.person_id
RETURNING p.person_id, p.did, p.is_new, p.failures, p.hour_at, p.hour_points, p.day_at, p.day_points, now() AS now,
          NOT EXISTS (SELECT FROM users u WHERE u.id = p.person_id AND u.suspended_at IS NOT NULL) AS may_add";

const NOT_NEW: &str = "UPDATE record_people SET is_new = false WHERE person_id = $1 AND lease = $2";

const OWE_EVERYTHING: &str = "\
INSERT INTO record_owed (person_id, kind, subject_id, stamp, not_before)
SELECT $1, q.kind, q.id, (random() * 9e15)::bigint, to_timestamp(0) FROM (
    SELECT 0::smallint AS kind, id FROM cards WHERE owner_id = $1 AND library_link IS NOT NULL AND NOT private AND NOT hidden
    UNION SELECT 1::smallint, id FROM collections WHERE author_id = $1 AND NOT private AND deleted_at IS NULL
    UNION SELECT 2::smallint, l.id FROM cards c JOIN links l ON l.card_id = c.id
        JOIN collections k ON k.id = l.collection_id AND NOT k.private AND k.deleted_at IS NULL
        WHERE c.owner_id = $1 AND c.library_link IS NOT NULL AND NOT c.private AND NOT c.hidden
    UNION SELECT 3::smallint, link_id FROM record_removals WHERE owner_id = $1
    UNION SELECT kind, subject_id FROM records WHERE person_id = $1
) q ON CONFLICT DO NOTHING";

/// It locks the authors, so it comes before locking this person.
const OWE_SHARED: &str = "\
SELECT owe_records(array_agg(k.author_id), array_agg(1::smallint), array_agg(k.id), to_timestamp(0))
FROM collaborators b JOIN collections k ON k.id = b.collection_id AND NOT k.private AND k.deleted_at IS NULL
WHERE b.user_id = $1";

const TAKEN: &str = "\
SELECT r.nsid, r.rkey FROM records r JOIN unnest($2::text[], $3::text[]) AS n(nsid, rkey) ON n.nsid = r.nsid AND n.rkey = r.rkey
WHERE r.person_id = $1";

const HOLD: &str = "\
UPDATE record_people SET leased_until = now() + make_interval(secs => $3), due_at = CASE WHEN due_at < turned_at THEN due_at
        ELSE now() + make_interval(secs => $3) END,
    hour_at = $4, hour_points = $5, day_at = $6, day_points = $7
WHERE person_id = $1 AND lease = $2 AND did = $8";

const ATTEMPT: &str = "\
INSERT INTO records (person_id, kind, subject_id, did, nsid, rkey, card_id, collection_id)
SELECT $1, n.kind, n.subject_id, $2, n.nsid, n.rkey, n.card_id, n.collection_id
FROM unnest($3::smallint[], $4::uuid[], $5::text[], $6::text[], $7::uuid[], $8::uuid[])
    AS n(kind, subject_id, nsid, rkey, card_id, collection_id)
ON CONFLICT (person_id, kind, subject_id) DO UPDATE SET in_doubt = true";

/// Cards and collections whose records are new.
const NEW: &str = "\
SELECT kind, subject_id FROM records WHERE person_id = $1 AND kind IN (0, 1) AND subject_id = ANY($2) AND cid IS NULL";

const OWE_LINKS: &str = "SELECT owe_links_of($1, $2, $3)";

const OURS: &str = "SELECT 1 FROM record_people WHERE person_id = $1 AND lease = $2 FOR UPDATE";

const PUBLISHED: &str = "\
UPDATE records r SET cid = n.cid, digest = n.digest, in_doubt = false, published_at = now()
FROM unnest($2::smallint[], $3::uuid[], $4::text[], $5::bytea[]) AS n(kind, subject_id, cid, digest)
WHERE r.person_id = $1 AND r.kind = n.kind AND r.subject_id = n.subject_id";

const DELETED: &str = "\
DELETE FROM records r USING unnest($2::smallint[], $3::uuid[]) AS n(kind, subject_id)
WHERE r.person_id = $1 AND r.kind = n.kind AND r.subject_id = n.subject_id";

const REMOVALS_GONE: &str = "\
DELETE FROM record_removals r WHERE r.owner_id = $1 AND r.link_id = ANY($2)
AND NOT EXISTS (SELECT FROM collections k WHERE k.id = r.collection_id AND k.deleted_at IS NULL)";

const REFUSED: [&str; 2] = [
    "DELETE FROM records r USING unnest($2::smallint[], $3::uuid[]) AS n(kind, subject_id) \
     WHERE r.person_id = $1 AND r.kind = n.kind AND r.subject_id = n.subject_id AND r.cid IS NULL",
    "UPDATE records r SET in_doubt = false FROM unnest($2::smallint[], $3::uuid[]) AS n(kind, subject_id) \
     WHERE r.person_id = $1 AND r.kind = n.kind AND r.subject_id = n.subject_id",
];

const NOT_OWED: &str = "\
DELETE FROM record_owed o USING unnest($2::smallint[], $3::uuid[], $4::bigint[]) AS n(kind, subject_id, stamp)
WHERE o.person_id = $1 AND o.kind = n.kind AND o.subject_id = n.subject_id AND o.stamp = n.stamp";

const LATER: &str = "\
UPDATE record_owed o SET not_before = now() + make_interval(secs => n.wait)
FROM unnest($2::smallint[], $3::uuid[], $4::bigint[], $5::float8[]) AS n(kind, subject_id, stamp, wait)
WHERE o.person_id = $1 AND o.kind = n.kind AND o.subject_id = n.subject_id AND o.stamp = n.stamp";

/// Work that became owed during the turn is due at once. `$2`: the state; `$3`: its reason; `$4`: whether it failed;
/// `$5`: the pause; `$6`: how long the rest waits.
const END: &str = "\
UPDATE record_people p SET lease = NULL, leased_until = NULL, state = $2, reason = $3,
    failures = CASE WHEN $4 THEN p.failures + 1 ELSE 0 END, failing_since = CASE WHEN $4 THEN coalesce(p.failing_since, now()) END,
    paused_until = now() + make_interval(secs => $5),
    due_at = CASE WHEN p.due_at < p.turned_at OR p.is_new THEN to_timestamp(0) ELSE
        (SELECT CASE WHEN $6 > 0 THEN greatest(min(o.not_before), now() + make_interval(secs => $6)) ELSE min(o.not_before) END
         FROM record_owed o WHERE o.person_id = $1 HAVING count(*) > 0) END
WHERE p.person_id = $1";

pub(super) async fn begin(session: &mut Session, lease: Duration) -> Result<Option<Turn>, Failure> {
    let token = Ulid::generate();
    let rows = session.fetch_all(sqlx::query(BEGIN).bind(uuid(token)).bind(lease.as_secs_f64())).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    Ok(Some(Turn {
        person: user_id(get(row, "person_id")?)?,
        did: get(row, "did")?,
        lease: token,
        now: get_time(row, "now")?,
        is_new: get(row, "is_new")?,
        may_add: get(row, "may_add")?,
        spent: spent(row)?,
        failures: u32::try_from(get::<i32>(row, "failures")?).unwrap_or_default(),
    }))
}

pub(super) async fn owe_everything(session: &mut Session, turn: &Turn) -> Result<(), Failure> {
    session.execute(sqlx::query(OWE_SHARED).bind(turn.person.as_str())).await?;
    session.begin().await?;
    let query = sqlx::query(NOT_NEW).bind(turn.person.as_str()).bind(uuid(turn.lease));
    if session.execute(query).await? == 1 {
        session.execute(sqlx::query(OWE_EVERYTHING).bind(turn.person.as_str())).await?;
    }
    session.commit().await
}

pub(super) async fn taken(
    session: &mut Session,
    turn: &Turn,
    keys: &[(String, String)],
) -> Result<Vec<(String, String)>, Failure> {
    let (nsids, rkeys): (Vec<String>, Vec<String>) = keys.iter().cloned().unzip();
    let rows = session.fetch_all(sqlx::query(TAKEN).bind(turn.person.as_str()).bind(nsids).bind(rkeys)).await?;
    rows.iter().map(|row| Ok((get(row, "nsid")?, get(row, "rkey")?))).collect()
}

pub(super) async fn attempt(
    session: &mut Session,
    turn: &Turn,
    attempts: &[Attempt],
    points: u32,
    lease: Duration,
) -> Result<bool, Failure> {
    let spent = turn.spent.and(points, turn.now);
    let signed = |points: u32| i32::try_from(points).unwrap_or(i32::MAX);
    session.begin().await?;
    let held = sqlx::query(HOLD)
        .bind(turn.person.as_str())
        .bind(uuid(turn.lease))
        .bind(lease.as_secs_f64())
        .bind(spent.hour_at.map(time))
        .bind(signed(spent.hour))
        .bind(spent.day_at.map(time))
        .bind(signed(spent.day))
        .bind(&turn.did);
    if session.execute(held).await? == 0 {
        return Ok(false);
    }
    let kinds: Vec<i16> = attempts.iter().map(|attempt| attempt.subject.kind.number()).collect();
    let subjects: Vec<Uuid> = attempts.iter().map(|attempt| uuid(attempt.subject.id)).collect();
    let nsids: Vec<&str> = attempts.iter().map(|attempt| attempt.nsid.as_str()).collect();
    let rkeys: Vec<&str> = attempts.iter().map(|attempt| attempt.rkey.as_str()).collect();
    let cards: Vec<Option<Uuid>> =
        attempts.iter().map(|attempt| attempt.link.map(|(card, _)| uuid(card.ulid()))).collect();
    let collections: Vec<Option<Uuid>> =
        attempts.iter().map(|attempt| attempt.link.map(|(_, collection)| uuid(collection.ulid()))).collect();
    let query = sqlx::query(ATTEMPT)
        .bind(turn.person.as_str())
        .bind(&turn.did)
        .bind(kinds)
        .bind(subjects)
        .bind(nsids)
        .bind(rkeys)
        .bind(cards)
        .bind(collections);
    session.execute(query).await?;
    session.commit().await?;
    Ok(true)
}

/// Kinds and ids, as columns.
fn columns<'a>(done: impl Iterator<Item = &'a Done>) -> (Vec<i16>, Vec<Uuid>) {
    done.map(|done| (done.subject.kind.number(), uuid(done.subject.id))).unzip()
}

pub(super) async fn end(session: &mut Session, turn: &Turn, done: &[Done], ending: &Ending) -> Result<bool, Failure> {
    let person = turn.person.as_str();
    session.begin().await?;
    let (cards, collections) = appeared_or_gone(session, person, done).await?;
    if !(cards.is_empty() && collections.is_empty()) {
        // It locks everybody concerned, including this person.
        session.execute(sqlx::query(OWE_LINKS).bind(person).bind(collections).bind(cards)).await?;
    }
    if session.fetch_all(sqlx::query(OURS).bind(person).bind(uuid(turn.lease))).await?.is_empty() {
        return Ok(false);
    }
    keep(session, person, done).await?;
    if *ending == Ending::NotConnected {
        disconnect(session, &turn.person).await?;
        session.commit().await?;
        return Ok(true);
    }
    let refused = done.iter().find_map(|done| match &done.outcome {
        Outcome::Refused(reason) => Some(reason.as_str()),
        _ => None,
    });
    let seconds = |wait: &Duration| wait.as_secs_f64();
    let (state, reason, failed, pause, wait) = match ending {
        Ending::Further => ("ok", refused, false, None, 0.0),
        Ending::OutOfBudget(wait) => ("limited", refused, false, None, seconds(wait)),
        Ending::Paused { pause, reason, is_asked: true } => {
            ("limited", Some(reason.as_str()), false, Some(seconds(pause)), 0.0)
        }
        Ending::Paused { pause, reason, is_asked: false } => {
            ("failing", Some(reason.as_str()), true, Some(seconds(pause)), 0.0)
        }
        Ending::Ended(reason) => ("ended", Some(reason.as_str()), true, None, 0.0),
        Ending::NotConnected => ("ended", None, false, None, 0.0),
    };
    let query = sqlx::query(END).bind(person).bind(state).bind(reason).bind(failed).bind(pause).bind(wait);
    session.execute(query).await?;
    session.commit().await?;
    Ok(true)
}

async fn keep(session: &mut Session, person: &str, done: &[Done]) -> Result<(), Failure> {
    let mut published: Vec<&Done> = Vec::new();
    let (mut cids, mut digests): (Vec<&str>, Vec<&[u8]>) = (Vec::new(), Vec::new());
    for done in done {
        if let Outcome::Published { cid, digest } = &done.outcome {
            published.push(done);
            cids.push(cid);
            digests.push(digest);
        }
    }
    if !published.is_empty() {
        let (kinds, subjects) = columns(published.into_iter());
        let query = sqlx::query(PUBLISHED).bind(person).bind(kinds).bind(subjects).bind(cids).bind(digests);
        session.execute(query).await?;
    }
    let deleted: Vec<&Done> = done.iter().filter(|done| done.outcome == Outcome::Deleted).collect();
    if !deleted.is_empty() {
        let removals = deleted.iter().filter(|done| done.subject.kind == RecordKind::Removal);
        let removals: Vec<Uuid> = removals.map(|done| uuid(done.subject.id)).collect();
        let (kinds, subjects) = columns(deleted.into_iter());
        session.execute(sqlx::query(DELETED).bind(person).bind(kinds).bind(subjects)).await?;
        session.execute(sqlx::query(REMOVALS_GONE).bind(person).bind(removals)).await?;
    }
    let refused: Vec<&Done> = done.iter().filter(|done| matches!(done.outcome, Outcome::Refused(_))).collect();
    if !refused.is_empty() {
        let (kinds, subjects) = columns(refused.into_iter());
        for sql in REFUSED {
            session.execute(sqlx::query(sql).bind(person).bind(&kinds).bind(&subjects)).await?;
        }
    }
    let (later, settled): (Vec<&Done>, Vec<&Done>) =
        done.iter().partition(|done| matches!(done.outcome, Outcome::Later(_)));
    if !settled.is_empty() {
        let stamps: Vec<i64> = settled.iter().map(|done| done.stamp).collect();
        let (kinds, subjects) = columns(settled.into_iter());
        session.execute(sqlx::query(NOT_OWED).bind(person).bind(kinds).bind(subjects).bind(stamps)).await?;
    }
    if !later.is_empty() {
        let stamps: Vec<i64> = later.iter().map(|done| done.stamp).collect();
        let waits = later.iter().map(|done| match done.outcome {
            Outcome::Later(wait) => wait.as_secs_f64(),
            _ => 0.0,
        });
        let waits: Vec<f64> = waits.collect();
        let (kinds, subjects) = columns(later.into_iter());
        let query = sqlx::query(LATER).bind(person).bind(kinds).bind(subjects).bind(stamps).bind(waits);
        session.execute(query).await?;
    }
    Ok(())
}

/// Cards and collections whose records were first published or deleted: the stays that name them are updated next.
async fn appeared_or_gone(
    session: &mut Session,
    person: &str,
    done: &[Done],
) -> Result<(Vec<Uuid>, Vec<Uuid>), Failure> {
    let named = |done: &&Done| matches!(done.subject.kind, RecordKind::Card | RecordKind::Collection);
    let published = done.iter().filter(|done| matches!(done.outcome, Outcome::Published { .. })).filter(named);
    let published: Vec<Uuid> = published.map(|done| uuid(done.subject.id)).collect();
    let gone = done.iter().filter(|done| done.outcome == Outcome::Deleted).filter(named);
    let mut changed: Vec<(i16, Uuid)> = gone.map(|done| (done.subject.kind.number(), uuid(done.subject.id))).collect();
    if !published.is_empty() {
        for row in session.fetch_all(sqlx::query(NEW).bind(person).bind(published)).await? {
            changed.push((get(&row, "kind")?, get(&row, "subject_id")?));
        }
    }
    let (cards, collections): (Vec<_>, Vec<_>) =
        changed.into_iter().partition(|(kind, _)| *kind == RecordKind::Card.number());
    Ok((cards.into_iter().map(|(_, id)| id).collect(), collections.into_iter().map(|(_, id)| id).collect()))
}
