//! Indexing anew what was indexed by older rules, some at a time.

use cardwire_domain::search::WORDING;
use sqlx::types::Uuid;

use super::super::error::Failure;
use super::super::pool::Session;
use super::super::values::{get, signed};
use super::index::index_cards;
use super::vector::Vector;

/// One worker at a time. Nobody waits for it.
const HAVE_ALONE: &str = "SELECT pg_try_advisory_xact_lock(20771, 5) AS alone";

/// The number is that of the index `search_documents_old`, which holds nothing else.
const OLD: &str = "SELECT card_id FROM search_documents WHERE version < 2 ORDER BY card_id LIMIT $1";

const SETTLE: &str = "UPDATE search_documents SET version = $2 WHERE card_id = ANY($1) AND version < $2";

/// Lock first, then read: whoever changes a name has its words dropped, and waits for that until the commit.
const HOLD_PEOPLE: &str = "SELECT id FROM users WHERE words IS NULL ORDER BY id LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED";
const NAMES_OF_PEOPLE: &str = "\
SELECT u.id, u.handle, p.display_name FROM users u LEFT JOIN profiles p ON p.user_id = u.id WHERE u.id = ANY($1) ORDER BY u.id";
const PUT_PEOPLE: &str = "\
UPDATE users u SET words = n.words::tsvector FROM unnest($1::text[], $2::text[]) AS n(id, words) WHERE u.id = n.id";

const HOLD_COLLECTIONS: &str = "\
SELECT id, name, description FROM collections WHERE words IS NULL ORDER BY id LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED";
const PUT_COLLECTIONS: &str = "\
UPDATE collections c SET words = n.words::tsvector FROM unnest($1::uuid[], $2::text[]) AS n(id, words) WHERE c.id = n.id";

/// What became of a portion of cards.
pub(super) enum Cards {
    Renewed(usize),
    /// Some of these cannot be indexed. Nothing was changed.
    Unfit(Vec<Uuid>),
}

pub(super) async fn cards(session: &mut Session, limit: usize) -> Result<Cards, Failure> {
    session.begin().await?;
    let alone = session.fetch_all(sqlx::query(HAVE_ALONE)).await?;
    if !alone.first().map_or(Ok(false), |row| get(row, "alone"))? {
        session.commit().await?;
        return Ok(Cards::Renewed(0));
    }
    let rows = session.fetch_all(sqlx::query(OLD).bind(signed(limit))).await?;
    let cards = rows.iter().map(|row| get(row, "card_id")).collect::<Result<Vec<Uuid>, Failure>>()?;
    match index_cards(session, &cards).await {
        Err(failure) if failure.is_about_data() => return Ok(Cards::Unfit(cards)),
        indexed => indexed?,
    }
    // Also those whose cards are gone.
    leave_in(session, &cards).await?;
    session.commit().await?;
    Ok(Cards::Renewed(cards.len()))
}

/// Leaves these as they are.
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

/// People and collections that have no words.
pub(super) async fn names(session: &mut Session, limit: usize) -> Result<usize, Failure> {
    session.begin().await?;
    let count = people(session, limit).await? + collections(session, limit).await?;
    session.commit().await?;
    Ok(count)
}

async fn people(session: &mut Session, limit: usize) -> Result<usize, Failure> {
    let rows = session.fetch_all(sqlx::query(HOLD_PEOPLE).bind(signed(limit))).await?;
    if rows.is_empty() {
        return Ok(0);
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
    Ok(ids.len())
}

async fn collections(session: &mut Session, limit: usize) -> Result<usize, Failure> {
    let rows = session.fetch_all(sqlx::query(HOLD_COLLECTIONS).bind(signed(limit))).await?;
    let (mut ids, mut words) = (Vec::new(), Vec::new());
    for row in &rows {
        let (name, description): (String, String) = (get(row, "name")?, get(row, "description")?);
        ids.push(get::<Uuid>(row, "id")?);
        words.push(Vector::of_names(&[name.as_str()], &description).literal());
    }
    if !ids.is_empty() {
        session.execute(sqlx::query(PUT_COLLECTIONS).bind(ids).bind(words)).await?;
    }
    Ok(rows.len())
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
