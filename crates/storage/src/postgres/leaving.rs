//! Accounts that are being deleted: the next step for each, and its progress.

use cardwire_domain::leaving::Stage;
use cardwire_domain::records::DELETE_WITHIN;
use cardwire_domain::store::Left;
use cardwire_domain::{CollectionId, EventId, UserId};
use sqlx::types::Uuid;

use super::error::Failure;
use super::pool::Session;
use super::values::{collection_id, event_id, get, signed, user_id, uuid};
use crate::departed::named;

/// This much of what is owed, or in the log, is searched at once.
pub(super) const LOOK: i64 = 10_000;

/// Any of them, so that one that waits does not hold up the others.
const HOLD: &str = "SELECT user_id, stage, behind FROM leaving ORDER BY random() LIMIT 1 FOR UPDATE SKIP LOCKED";

const KEPT: &str = "\
SELECT id FROM cards WHERE owner_id = $1 AND library_link IS NOT NULL ORDER BY library_at DESC, id DESC LIMIT $2";

const WRITTEN: &str = "\
SELECT id FROM collections WHERE author_id = $1 AND deleted_at IS NULL ORDER BY created_at DESC, id DESC LIMIT $2";

/// Collections that still hold cards: the person's own, and deleted ones of other people with cards of theirs.
const IS_EMPTYING: &str = "\
SELECT EXISTS (SELECT FROM collections WHERE author_id = $1)
    OR EXISTS (SELECT FROM cards c JOIN links l ON l.card_id = c.id WHERE c.owner_id = $1) AS emptying";

/// The person's first owed event after a given one; a live one rather than a dead one.
const OWED: &str = "\
WITH looked AS (
    SELECT event_id, dead_at IS NOT NULL AS is_dead FROM deliveries
    WHERE event_id > $2 ORDER BY event_id LIMIT $4
), theirs AS (
    SELECT l.event_id, l.is_dead FROM looked l JOIN events e ON e.id = l.event_id WHERE strpos(e.envelope::text, $3) > 0
)
SELECT t.event_id, t.is_dead, (SELECT count(*) FROM looked) = $4 AS is_more,
       (SELECT event_id FROM looked ORDER BY event_id DESC LIMIT 1) AS last
FROM (SELECT $1::text) one LEFT JOIN theirs t ON true ORDER BY t.is_dead, t.event_id LIMIT 1";

/// Records that still have to be deleted elsewhere, as long as that is possible and worth waiting for. `$2`: seconds.
const IS_PUBLISHED: &str = "\
SELECT EXISTS (
    SELECT FROM record_people p JOIN leaving l ON l.user_id = p.person_id AND l.requested_at > now() - make_interval(secs => $2)
    WHERE p.person_id = $1 AND p.did IS NOT NULL AND p.state <> 'ended'
      AND EXISTS (SELECT FROM records r WHERE r.person_id = p.person_id)
) AS is_published";

const LEAVE: &str = "UPDATE leaving SET stage = $3, behind = $4 WHERE user_id = $1 AND stage = $2";

/// Their versions increase, so a command that has already read a collection's people cannot write them back.
const CUT_TIES: [&str; 5] = [
    "SELECT 1 FROM collections WHERE id = ANY(ARRAY( \
         SELECT collection_id FROM collaborators WHERE user_id = $1 UNION SELECT collection_id FROM invitations WHERE user_id = $1)) \
     ORDER BY id FOR UPDATE",
    "UPDATE collections SET version = version + 1 WHERE id = ANY(ARRAY( \
         SELECT collection_id FROM collaborators WHERE user_id = $1 UNION SELECT collection_id FROM invitations WHERE user_id = $1))",
    "DELETE FROM collaborators WHERE user_id = $1",
    "DELETE FROM invitations WHERE user_id = $1",
    "DELETE FROM blocks WHERE user_id = $1 OR blocked_id = $1",
];

/// SQL: true if none of these people's accounts is being deleted, or has been. `$people` is an array of different ids.
///
/// It locks the accounts until the commit, so that they cannot be marked as deleted. A later mark waits for this
/// transaction, and the deletion finds everything that was written. An earlier mark is noticed here, even by a
/// statement that began before it: a lock that had to wait reads the row as it is then.
///
/// - All of them are found and locked: nobody is leaving.
/// - Fewer are locked than existed when the statement began: one of them is marked, or is gone by now.
/// - The others had no account when the statement began. Either they never had one (mock authentication), or the audit
///   log has an entry about its deletion. That log is never pruned, and only searched for these people.
macro_rules! nobody_leaves {
    ($people:literal) => {
        concat!(
            "CASE (SELECT count(*) FROM (SELECT FROM users WHERE id = ANY(",
            $people,
            ") AND deleted_at IS NULL FOR SHARE) there) WHEN cardinality(",
            $people,
            ") THEN true WHEN (SELECT count(*) FROM users WHERE id = ANY(",
            $people,
            ")) THEN NOT EXISTS (SELECT FROM audit_log WHERE action = 'user.delete' AND target = ANY(",
            $people,
            ")) ELSE false END"
        )
    };
}
pub(super) use nobody_leaves;

/// Somebody whose account is being deleted, locked by the session's transaction.
pub(super) struct Held {
    pub(super) person: UserId,
    pub(super) stage: Stage,
    pub(super) behind: Option<Uuid>,
}

pub(super) async fn hold(session: &mut Session) -> Result<Option<Held>, Failure> {
    session.begin().await?;
    let rows = session.fetch_all(sqlx::query(HOLD)).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let name: &str = get(row, "stage")?;
    let stage = Stage::ALL.into_iter().find(|stage| stage.name() == name);
    let stage = stage.ok_or_else(|| Failure::Nonsense(format!("{name:?} is stored as a stage")))?;
    Ok(Some(Held { person: user_id(get(row, "user_id")?)?, stage, behind: get(row, "behind")? }))
}

/// Some of the cards in the person's library.
pub(super) async fn kept(session: &mut Session, person: &UserId, limit: usize) -> Result<Vec<Uuid>, Failure> {
    let rows = session.fetch_all(sqlx::query(KEPT).bind(person.as_str()).bind(signed(limit))).await?;
    rows.iter().map(|row| get(row, "id")).collect()
}

/// What is left besides cards in the library.
pub(super) async fn left(session: &mut Session, held: &Held, limit: usize) -> Result<Left, Failure> {
    let person = held.person.as_str();
    let rows = session.fetch_all(sqlx::query(WRITTEN).bind(person).bind(signed(limit))).await?;
    let written = rows.iter().map(|row| Ok(collection_id(get(row, "id")?)));
    let written = written.collect::<Result<Vec<CollectionId>, Failure>>()?;
    if !written.is_empty() {
        return Ok(Left::Collections(written));
    }
    match held.stage {
        Stage::Parting => {
            let rows = session.fetch_all(sqlx::query(IS_EMPTYING).bind(person)).await?;
            let is_emptying = rows.first().map_or(Ok(false), |row| get(row, "emptying"))?;
            Ok(if is_emptying { Left::Emptying } else { Left::Nothing })
        }
        Stage::Settling => match owed(session, held).await? {
            Left::Nothing if is_published(session, person).await? => Ok(Left::Emptying),
            left => Ok(left),
        },
        Stage::Told => owed(session, held).await,
        Stage::Forgetting | Stage::Clearing => Ok(Left::Nothing),
    }
}

async fn is_published(session: &mut Session, person: &str) -> Result<bool, Failure> {
    let query = sqlx::query(IS_PUBLISHED).bind(person).bind(DELETE_WITHIN.as_secs_f64());
    session.fetch_all(query).await?.first().map_or(Ok(false), |row| get(row, "is_published"))
}

async fn owed(session: &mut Session, held: &Held) -> Result<Left, Failure> {
    let query = sqlx::query(OWED)
        .bind(held.person.as_str())
        .bind(held.behind.unwrap_or(Uuid::nil()))
        .bind(named(&held.person))
        .bind(LOOK)
        // A cached plan may have been made while the ledger was empty.
        .persistent(false);
    let rows = session.fetch_all(query).await?;
    let row = rows.first().ok_or_else(|| Failure::Nonsense("no answer to what is owed".into()))?;
    if let Some(event) = get::<Option<Uuid>>(row, "event_id")? {
        return Ok(Left::Owed { event: event_id(event), is_dead: get(row, "is_dead")? });
    }
    let last: Option<Uuid> = get(row, "last")?;
    let is_more: bool = get(row, "is_more")?;
    Ok(last.filter(|_| is_more).map_or(Left::Nothing, |last| Left::Unknown { behind: event_id(last) }))
}

pub(super) async fn leave(
    session: &mut Session,
    person: &UserId,
    before: Stage,
    after: Stage,
    behind: Option<EventId>,
) -> Result<(), Failure> {
    let behind = behind.map(|event| uuid(event.ulid()));
    let query = sqlx::query(LEAVE).bind(person.as_str()).bind(before.name()).bind(after.name()).bind(behind);
    if session.execute(query).await? == 1 { Ok(()) } else { Err(Failure::Changed) }
}

pub(super) async fn cut_ties(session: &mut Session, person: &UserId) -> Result<(), Failure> {
    for sql in CUT_TIES {
        session.execute(sqlx::query(sql).bind(person.as_str())).await?;
    }
    Ok(())
}
