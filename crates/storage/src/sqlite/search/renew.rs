//! Re-indexing in portions what was indexed by older rules.

use cardwire_domain::search::{Renewal, WORDING};
use cardwire_domain::{CardId, CollectionId, UserId};
use rusqlite::{Connection, Row};

use super::super::error::Failure;
use super::super::values::{blob, card_id, collection_id, first, get, rows, run, signed, user_id};
use super::text::of_names;

/// The number matches the index `search_documents_old`, which contains nothing else.
const OLD: &str = "SELECT card_id FROM search_documents WHERE version < 2 AND card_id > ?2 ORDER BY card_id LIMIT ?1";
const SETTLE: &str = "UPDATE search_documents SET version = ?2 WHERE card_id = ?1 AND version < ?2";

const MISSING: &str = "\
SELECT EXISTS (SELECT 1 FROM users WHERE words IS NULL) OR EXISTS (SELECT 1 FROM collections WHERE words IS NULL) AS missing";
const PEOPLE: &str = "\
SELECT u.id, u.handle, coalesce(p.display_name, '') AS display_name
FROM users u LEFT JOIN profiles p ON p.user_id = u.id WHERE u.words IS NULL AND u.id > ?2 ORDER BY u.id LIMIT ?1";
const COLLECTIONS: &str =
    "SELECT id, name, description FROM collections WHERE words IS NULL AND id > ?2 ORDER BY id LIMIT ?1";

pub(super) fn old(connection: &Connection, after: Option<CardId>, limit: usize) -> Result<Vec<CardId>, Failure> {
    // Nothing sorts before the empty string.
    let after = after.map(|card| blob(card.ulid()).to_vec()).unwrap_or_default();
    rows(connection, OLD, &[&signed(limit), &after], |row| Ok(card_id(get(row, "card_id")?)))
}

/// They no longer need to be indexed again.
pub(super) fn settle(connection: &Connection, cards: &[CardId]) -> Result<(), Failure> {
    for card in cards {
        run(connection, SETTLE, &[&blob(card.ulid()), &WORDING])?;
    }
    Ok(())
}

pub(super) fn are_names_missing(connection: &Connection) -> Result<bool, Failure> {
    Ok(first(connection, MISSING, &[], |row| get(row, "missing"))?.unwrap_or(false))
}

/// People and collections without words.
pub(super) fn names(
    connection: &Connection,
    from: &Renewal,
    limit: usize,
) -> Result<(Vec<UserId>, Vec<CollectionId>), Failure> {
    let person = |row: &Row<'_>| {
        let (handle, display_name): (String, String) = (get(row, "handle")?, get(row, "display_name")?);
        Ok((get::<String>(row, "id")?, of_names(&[handle.as_str(), display_name.as_str()], "")))
    };
    let after = from.person.as_ref().map_or("", UserId::as_str);
    let people = rows(connection, PEOPLE, &[&signed(limit), &after], person)?;
    for (id, words) in &people {
        run(connection, "UPDATE users SET words = ?2 WHERE id = ?1", &[id, words])?;
    }
    let collection = |row: &Row<'_>| {
        let (name, description): (String, String) = (get(row, "name")?, get(row, "description")?);
        Ok((get::<[u8; 16]>(row, "id")?, of_names(&[name.as_str()], &description)))
    };
    let after = from.collection.map(|collection| blob(collection.ulid()).to_vec()).unwrap_or_default();
    let collections = rows(connection, COLLECTIONS, &[&signed(limit), &after], collection)?;
    for (id, words) in &collections {
        run(connection, "UPDATE collections SET words = ?2 WHERE id = ?1", &[id, words])?;
    }
    let people = people.iter().map(|(id, _)| user_id(id)).collect::<Result<_, Failure>>()?;
    Ok((people, collections.into_iter().map(|(id, _)| collection_id(id)).collect()))
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
