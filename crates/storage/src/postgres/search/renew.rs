//! Re-indexing in portions what was indexed by older rules.

use cardwire_domain::search::{Renewal, WORDING};
use cardwire_domain::{CardId, CollectionId, UserId};
use sqlx::types::Uuid;

use super::super::error::Failure;
use super::super::pool::Session;
use super::super::values::{collection_id, get, signed, user_id, uuid};
use super::index::index_cards;
use super::vector::Vector;

/// One worker at a time; the others do not wait.
const HAVE_ALONE: &str = "SELECT pg_try_advisory_xact_lock(20771, 5) AS alone";

/// The number matches the index `search_documents_old`, which contains nothing else.
const OLD: &str = "SELECT card_id FROM search_documents WHERE version < 2 AND card_id > $2 ORDER BY card_id LIMIT $1";

const SETTLE: &str = "UPDATE search_documents SET version = $2 WHERE card_id = ANY($1) AND version < $2";

/// Lock first, then read: changing a name drops its words, and waits for that until the commit.
const HOLD_PEOPLE: &str =
    "SELECT id FROM users WHERE words IS NULL AND id > $2 ORDER BY id LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED";
const NAMES_OF_PEOPLE: &str = "\
SELECT u.id, u.handle, p.display_name FROM users u LEFT JOIN profiles p ON p.user_id = u.id WHERE u.id = ANY($1) ORDER BY u.id";
const PUT_PEOPLE: &str = "\
UPDATE users u SET words = n.words::tsvector FROM unnest($1::text[], $2::text[]) AS n(id, words) WHERE u.id = n.id";

const HOLD_COLLECTIONS: &str = "\
SELECT id, name, description FROM collections WHERE words IS NULL AND id > $2 ORDER BY id LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED";
const PUT_COLLECTIONS: &str = "\
UPDATE collections c SET words = n.words::tsvector FROM unnest($1::uuid[], $2::text[]) AS n(id, words) WHERE c.id = n.id";

/// The result for a portion of cards.
pub(super) enum Cards {
    /// Another worker is at it.
    Busy,
    Renewed(Vec<Uuid>),
    /// Some of these cannot be indexed. Nothing was changed.
    Unfit(Vec<Uuid>),
}

pub(super) async fn cards(session: &mut Session, after: Option<CardId>, limit: usize) -> Result<Cards, Failure> {
    session.begin().await?;
    let alone = session.fetch_all(sqlx::query(HAVE_ALONE)).await?;
    if !alone.first().map_or(Ok(false), |row| get(row, "alone"))? {
        session.commit().await?;
        return Ok(Cards::Busy);
    }
    let after = after.map_or(Uuid::nil(), |card| uuid(card.ulid()));
    let rows = session.fetch_all(sqlx::query(OLD).bind(signed(limit)).bind(after)).await?;
    let cards = rows.iter().map(|row| get(row, "card_id")).collect::<Result<Vec<Uuid>, Failure>>()?;
    match index_cards(session, &cards).await {
        Err(failure) if failure.is_about_data() => return Ok(Cards::Unfit(cards)),
        indexed => indexed?,
    }
    // Includes those whose cards are gone.
    leave_in(session, &cards).await?;
    session.commit().await?;
    Ok(Cards::Renewed(cards))
}

/// Skips these.
pub(super) async fn leave(session: &mut Session, cards: &[Uuid]) -> Result<(), Failure> {
    session.begin().await?;
    leave_in(session, cards).await?;
    session.commit().await
}

async fn leave_in(session: &mut Session, cards: &[Uuid]) -> Result<(), Failure> {
    if !cards.is_empty() {
        session.execute(sqlx::query(SETTLE).bind(cards).bind(WORDING)).await?;
    }
    Ok(())
}

/// People and collections without words.
pub(super) async fn names(session: &mut Session, from: &mut Renewal, limit: usize) -> Result<usize, Failure> {
    session.begin().await?;
    let people = people(session, from.person.as_ref(), limit).await?;
    let collections = collections(session, from.collection, limit).await?;
    session.commit().await?;
    let count = people.len() + collections.len();
    from.person = people.into_iter().nth(limit.saturating_sub(1));
    from.collection = collections.into_iter().nth(limit.saturating_sub(1));
    Ok(count)
}

async fn people(session: &mut Session, after: Option<&UserId>, limit: usize) -> Result<Vec<UserId>, Failure> {
    let after = after.map_or("", UserId::as_str);
    let rows = session.fetch_all(sqlx::query(HOLD_PEOPLE).bind(signed(limit)).bind(after)).await?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let ids = rows.iter().map(|row| get(row, "id")).collect::<Result<Vec<String>, Failure>>()?;
    let (mut people, mut words) = (Vec::new(), Vec::new());
    for row in session.fetch_all(sqlx::query(NAMES_OF_PEOPLE).bind(&ids)).await? {
        let (handle, display_name): (String, Option<String>) = (get(&row, "handle")?, get(&row, "display_name")?);
        people.push(get::<String>(&row, "id")?);
        let display_name = display_name.unwrap_or_default();
        words.push(Vector::of_names(&[handle.as_str(), display_name.as_str()], "").literal());
    }
    session.execute(sqlx::query(PUT_PEOPLE).bind(people).bind(words)).await?;
    rows.iter().map(|row| user_id(get(row, "id")?)).collect()
}

async fn collections(
    session: &mut Session,
    after: Option<CollectionId>,
    limit: usize,
) -> Result<Vec<CollectionId>, Failure> {
    let after = after.map_or(Uuid::nil(), |collection| uuid(collection.ulid()));
    let rows = session.fetch_all(sqlx::query(HOLD_COLLECTIONS).bind(signed(limit)).bind(after)).await?;
    let (mut ids, mut words) = (Vec::new(), Vec::new());
    for row in &rows {
        let (name, description): (String, String) = (get(row, "name")?, get(row, "description")?);
        ids.push(get::<Uuid>(row, "id")?);
        words.push(Vector::of_names(&[name.as_str()], &description).literal());
    }
    if !ids.is_empty() {
        session.execute(sqlx::query(PUT_COLLECTIONS).bind(&ids).bind(words)).await?;
    }
    Ok(ids.into_iter().map(collection_id).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_old_is_what_the_index_holds() {
        assert!(OLD.contains(&format!("version < {WORDING} ")));
        let migration = include_str!("../../../migrations/0024_titles.sql");
        assert!(migration.contains(&format!("ON search_documents (card_id) WHERE version < {WORDING};")));
    }
}
