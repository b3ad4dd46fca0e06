//! People and public collections, by their names. There are few, so all are looked at.

use std::cmp::Reverse;

use cardwire_domain::search::{Alternatives, CollectionFound, MAX_NAMES, PersonFound, SearchQuery, Term};
use rusqlite::{Connection, Row};

use super::super::error::Failure;
use super::super::values::{collection_id, first, get, get_count, get_user, rows};
use super::asked::As;
use super::rank::{Fields, rank};

/// ?1: any of the words.
const PEOPLE: &str = "\
SELECT u.id, u.handle, p.display_name, u.words FROM users u LEFT JOIN profiles p ON p.user_id = u.id
WHERE instr(u.words, ?1) > 0 AND u.suspended_at IS NULL AND u.deleted_at IS NULL ORDER BY u.handle_key";

const COLLECTIONS: &str = "\
SELECT c.id, c.name, c.description, c.author_id, u.handle, c.words FROM collections c LEFT JOIN users u ON u.id = c.author_id
WHERE instr(c.words, ?1) > 0 AND c.private = 0 AND c.deleted_at IS NULL AND u.suspended_at IS NULL AND u.deleted_at IS NULL
ORDER BY c.updated_at DESC, c.id";

const CARDS: &str = "\
SELECT (SELECT count(*) FROM links WHERE collection_id = ?1)
     - (SELECT count(*) FROM links WHERE collection_id = ?1 AND private) AS count";

pub(super) fn people(connection: &Connection, query: &SearchQuery) -> Result<Vec<PersonFound>, Failure> {
    best(connection, PEOPLE, query, |row| {
        Ok(PersonFound { user: get_user(row, "id", "handle")?, display_name: get(row, "display_name")? })
    })
}

pub(super) fn collections(connection: &Connection, query: &SearchQuery) -> Result<Vec<CollectionFound>, Failure> {
    let mut found = best(connection, COLLECTIONS, query, |row| {
        let collection = CollectionFound {
            id: collection_id(get(row, "id")?),
            name: get(row, "name")?,
            description: get(row, "description")?,
            author: get_user(row, "author_id", "handle")?,
            card_count: 0,
        };
        Ok((collection, get::<[u8; 16]>(row, "id")?))
    })?;
    for (collection, id) in &mut found {
        collection.card_count = first(connection, CARDS, &[&*id], |row| get_count(row, "count"))?.unwrap_or_default();
    }
    Ok(found.into_iter().map(|(collection, _)| collection).collect())
}

/// Those with all words whole first, then in the order of the statement.
fn best<T>(
    connection: &Connection,
    sql: &str,
    query: &SearchQuery,
    read: impl Fn(&Row<'_>) -> Result<T, Failure>,
) -> Result<Vec<T>, Failure> {
    // The last pair of a run: it is also in the second of the two words that the run may consist of.
    let certain = |term: &Term| {
        let mut row = term.row();
        if matches!(term, Term::Run(_)) {
            row.drain(..row.len().saturating_sub(1));
        }
        row
    };
    let longest = query.required.iter().flat_map(certain).max_by_key(String::len).unwrap_or_default();
    let none = Alternatives::new();
    let ranked = rows(connection, sql, &[&longest], |row| {
        let words: String = get(row, "words")?;
        let (names, more) = words.split_once('\n').unwrap_or((&words, ""));
        let fields = Fields::of("", &[names, more]);
        let whole = rank(query, As::Whole, fields.all());
        match whole.or_else(|| rank(query, As::Begun(&none), fields.all())) {
            Some(rank) => Ok(Some(((whole.is_some(), rank), read(row)?))),
            None => Ok(None),
        }
    })?;
    let mut ranked: Vec<_> = ranked.into_iter().flatten().collect();
    ranked.sort_by_key(|(rank, _)| Reverse(*rank));
    Ok(ranked.into_iter().take(MAX_NAMES).map(|(_, found)| found).collect())
}
