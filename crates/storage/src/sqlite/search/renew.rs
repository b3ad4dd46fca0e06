//! Indexing anew what was indexed by older rules, some at a time.

use cardwire_domain::CardId;
use cardwire_domain::search::WORDING;
use rusqlite::{Connection, Row};

use super::super::error::Failure;
use super::super::values::{blob, card_id, first, get, rows, run, signed};
use super::text::of_names;

/// The number is that of the index `search_documents_old`, which holds nothing else.
const OLD: &str = "SELECT card_id FROM search_documents WHERE version < 2 ORDER BY card_id LIMIT ?1";
const SETTLE: &str = "UPDATE search_documents SET version = ?2 WHERE card_id = ?1 AND version < ?2";

const MISSING: &str = "\
SELECT EXISTS (SELECT 1 FROM users WHERE words IS NULL) OR EXISTS (SELECT 1 FROM collections WHERE words IS NULL) AS missing";
const PEOPLE: &str = "\
SELECT u.id, u.handle, coalesce(p.display_name, '') AS display_name
FROM users u LEFT JOIN profiles p ON p.user_id = u.id WHERE u.words IS NULL ORDER BY u.id LIMIT ?1";
const COLLECTIONS: &str = "SELECT id, name, description FROM collections WHERE words IS NULL ORDER BY id LIMIT ?1";

pub(super) fn old(connection: &Connection, limit: usize) -> Result<Vec<CardId>, Failure> {
    rows(connection, OLD, &[&signed(limit)], |row| Ok(card_id(get(row, "card_id")?)))
}

/// They are not to be indexed anew any more.
pub(super) fn settle(connection: &Connection, cards: &[CardId]) -> Result<(), Failure> {
    for card in cards {
        run(connection, SETTLE, &[&blob(card.ulid()), &WORDING])?;
    }
    Ok(())
}

pub(super) fn are_names_missing(connection: &Connection) -> Result<bool, Failure> {
    Ok(first(connection, MISSING, &[], |row| get(row, "missing"))?.unwrap_or(false))
}

/// People and collections that have no words.
pub(super) fn names(connection: &Connection, limit: usize) -> Result<usize, Failure> {
    let person = |row: &Row<'_>| {
        let (handle, display_name): (String, String) = (get(row, "handle")?, get(row, "display_name")?);
        Ok((get::<String>(row, "id")?, of_names(&[handle.as_str(), display_name.as_str()], "")))
    };
    let people = rows(connection, PEOPLE, &[&signed(limit)], person)?;
    for (id, words) in &people {
        run(connection, "UPDATE users SET words = ?2 WHERE id = ?1", &[id, words])?;
    }
    let collection = |row: &Row<'_>| {
        let (name, description): (String, String) = (get(row, "name")?, get(row, "description")?);
        Ok((get::<[u8; 16]>(row, "id")?, of_names(&[name.as_str()], &description)))
    };
    let collections = rows(connection, COLLECTIONS, &[&signed(limit)], collection)?;
    for (id, words) in &collections {
        run(connection, "UPDATE collections SET words = ?2 WHERE id = ?1", &[id, words])?;
    }
    Ok(people.len() + collections.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_old_is_what_the_index_holds() {
        assert!(OLD.contains(&format!("version < {WORDING} ")));
        let migration = include_str!("../../../migrations/sqlite/0023_words.sql");
        assert!(migration.contains(&format!("ON search_documents (card_id) WHERE version < {WORDING};")));
    }
}
