//! Deletes what is left of somebody whose account is being deleted, one portion per transaction.

use cardwire_domain::UserId;
use cardwire_domain::leaving::Stage;
use cardwire_events::Queue;
use sqlx::types::Uuid;

use super::departed::{delete_activities, delete_curators, indexed};
use super::error::Failure;
use super::leaving::{LOOK, cut_ties};
use super::pool::Session;
use super::records::forget_person;
use super::search::index_cards;
use super::values::{get, signed};
use crate::departed::{NOBODY, named};

const STAGE: &str = "SELECT stage, behind, audit_id FROM leaving WHERE user_id = $1";

/// Searches the log from a day before the account was created: ids begin with the time.
const FORGET_EVENTS: &str = "\
WITH looked AS (
    SELECT e.id, strpos(e.envelope::text, $3) > 0 AS theirs FROM events e
    WHERE e.id > coalesce($2, (
        SELECT (lpad(to_hex((extract(epoch FROM u.created_at) * 1000)::bigint - 86400000), 12, '0') || repeat('0', 20))::uuid
        FROM users u WHERE u.id = $1
    )) ORDER BY e.id LIMIT $4
), gone AS (
    DELETE FROM events WHERE id = ANY(ARRAY(SELECT id FROM looked WHERE theirs))
), owed AS (
    DELETE FROM deliveries WHERE event_id = ANY(ARRAY(SELECT id FROM looked WHERE theirs))
), told AS (
    DELETE FROM delivery_steps WHERE queue = ANY($5) AND event_id = ANY(ARRAY(SELECT id FROM looked WHERE theirs))
)
SELECT (SELECT count(*) FROM looked) = $4 AS is_more, (SELECT id FROM looked ORDER BY id DESC LIMIT 1) AS last";

const MOVE_ON: &str = "UPDATE leaving SET stage = $2, behind = $3 WHERE user_id = $1";

const FORGET_CARDS: &str = "\
WITH portion AS MATERIALIZED (
    SELECT c.id FROM cards c WHERE c.library_link IS NULL AND c.id = ANY(ARRAY(
        SELECT o.id FROM cards o WHERE o.owner_id = $1 AND o.library_link IS NULL ORDER BY o.url_digest LIMIT $2
    )) ORDER BY c.id FOR UPDATE
), noted AS (
    DELETE FROM notes WHERE card_id = ANY(ARRAY(SELECT id FROM portion))
)
DELETE FROM cards WHERE id = ANY(ARRAY(SELECT id FROM portion))";

const FORGET_ROWS: &str = "\
DELETE FROM import_rows r USING (
    SELECT r.import_id, r.number FROM imports i JOIN import_rows r ON r.import_id = i.id WHERE i.owner_id = $1 LIMIT $2
) portion WHERE r.import_id = portion.import_id AND r.number = portion.number";

const FORGET_ANSWERS: &str = "\
DELETE FROM idempotency_keys k USING (SELECT user_id, key FROM idempotency_keys WHERE user_id = $1 LIMIT $2) portion
WHERE k.user_id = portion.user_id AND k.key = portion.key";

/// Kinds of rows of which there may be many.
const MANY: [&str; 3] = [FORGET_CARDS, FORGET_ROWS, FORGET_ANSWERS];

/// Kinds of which there are few. `$1` is the person.
const FEW: [&str; 8] = [
    "DELETE FROM imports WHERE owner_id = $1",
    "DELETE FROM rejected_entries WHERE strpos(raw, $1) > 0 OR strpos(reason, $1) > 0",
    "DELETE FROM search_words WHERE owner_id = $1 AND owner_id <> ''",
    "UPDATE pages SET turn = NULL, asked_by = NULL, domain = NULL, by_person = NULL, by_domain = NULL \
     WHERE asked_by = $1 AND turn IS NOT NULL",
    "DELETE FROM invites WHERE created_by = $1 OR used_by = $1",
    "DELETE FROM profiles WHERE user_id = $1",
    "DELETE FROM atproto_connections WHERE user_id = $1",
    "DELETE FROM users WHERE id = $1",
];

/// What stays without the person's name. `$2` stands for nobody.
const UNNAMED: [&str; 4] = [
    "UPDATE queue_pauses SET person = $2 WHERE person = $1",
    "UPDATE search_rebuilds SET requested_by = $2 WHERE requested_by = $1",
    "UPDATE replays SET requested_by = $2 WHERE requested_by = $1",
    "UPDATE replays SET person = $2 WHERE person = $1",
];

const LEFT: &str = "\
WITH done AS (UPDATE audit_log SET affected = 1, completed_at = now() WHERE id = $2 AND completed_at IS NULL)
DELETE FROM leaving WHERE user_id = $1";

/// If another process has finished it already, there is nothing to do. In the session's transaction.
pub(super) async fn forget(session: &mut Session, person: &UserId, limit: usize) -> Result<(), Failure> {
    session.begin().await?;
    let rows = session.fetch_all(sqlx::query(STAGE).bind(person.as_str())).await?;
    let Some(row) = rows.first() else { return Ok(()) };
    if get::<&str>(row, "stage")? == Stage::Forgetting.name() {
        return forget_events(session, person, get(row, "behind")?).await;
    }
    clear(session, person, limit, get(row, "audit_id")?).await
}

async fn forget_events(session: &mut Session, person: &UserId, behind: Option<Uuid>) -> Result<(), Failure> {
    let query = sqlx::query(FORGET_EVENTS)
        .bind(person.as_str())
        .bind(behind)
        .bind(named(person))
        .bind(LOOK)
        .bind(Queue::ALL.map(Queue::name));
    let rows = session.fetch_all(query).await?;
    let row = rows.first().ok_or_else(|| Failure::Nonsense("no answer to what was forgotten".into()))?;
    let last: Option<Uuid> = get(row, "last")?;
    let (stage, behind) = match get(row, "is_more")? {
        true => (Stage::Forgetting, last),
        false => (Stage::Clearing, None),
    };
    session.execute(sqlx::query(MOVE_ON).bind(person.as_str()).bind(stage.name()).bind(behind)).await?;
    Ok(())
}

async fn clear(session: &mut Session, person: &UserId, limit: usize, audit_id: i64) -> Result<(), Failure> {
    let people = [person.to_string()];
    // What was counted, shown or indexed after the queues had processed the deletion.
    let mut cards = indexed(session, &people).await?;
    cards.truncate(limit);
    if !cards.is_empty() {
        return index_cards(session, &cards).await;
    }
    for sql in MANY {
        if session.execute(sqlx::query(sql).bind(person.as_str()).bind(signed(limit))).await? > 0 {
            return Ok(());
        }
    }
    if delete_activities(session, &people).await? || keeps_cards(session, person).await? {
        return Ok(());
    }
    delete_curators(session, &people).await?;
    forget_person(session, person).await?;
    cut_ties(session, person).await?;
    for sql in UNNAMED {
        session.execute(sqlx::query(sql).bind(person.as_str()).bind(NOBODY)).await?;
    }
    for sql in FEW {
        session.execute(sqlx::query(sql).bind(person.as_str())).await?;
    }
    session.execute(sqlx::query(LEFT).bind(person.as_str()).bind(audit_id)).await?;
    Ok(())
}

/// Only an older build can have saved one meanwhile. It is removed like the others.
async fn keeps_cards(session: &mut Session, person: &UserId) -> Result<bool, Failure> {
    let sql = "SELECT 1 FROM cards WHERE owner_id = $1 LIMIT 1";
    Ok(!session.fetch_all(sqlx::query(sql).bind(person.as_str())).await?.is_empty())
}
