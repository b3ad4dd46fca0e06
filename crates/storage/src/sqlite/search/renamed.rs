//! A card that has another URL than the one under which it is indexed moves from page to page.

use rusqlite::Connection;

use super::super::error::Failure;
use super::super::values::{first, get, run};

const MOVE: &str = "UPDATE search_documents SET page = ?2 WHERE number = ?1";

/// What is known of a page is known of it under its new URL, until that is fetched.
const CARRY: &str = "\
UPDATE pages AS n SET (state, reason, retryable, fetched_at, next_fetch_at, title, description, image, site_name, author, kind, language) = (
    SELECT state, reason, retryable, fetched_at, next_fetch_at, title, description, image, site_name, author, kind, language
    FROM pages WHERE number = ?1
), turn = NULL, asked_by = NULL, domain = NULL, by_person = NULL, by_domain = NULL
WHERE n.number = ?2 AND n.state = 'pending' AND n.lease IS NULL AND EXISTS (SELECT 1 FROM pages o WHERE o.number = ?1 AND o.state = 'ready')";

/// Another card of the owner that is indexed there has moved on itself, and an event says so.
const MAKE_ROOM: &str =
    "DELETE FROM search_documents WHERE owner_id = ?1 AND page = ?2 AND card_id <> ?3 RETURNING number";

/// Returns the document of another card that was in the way, which is deleted.
pub(super) fn make_room(
    connection: &Connection,
    owner: &str,
    page: i64,
    card: &[u8; 16],
) -> Result<Option<i64>, Failure> {
    first(connection, MAKE_ROOM, &[&owner, &page, card], |row| get(row, "number"))
}

/// Moves a document to a page where there is room.
pub(super) fn move_document(connection: &Connection, number: i64, from: i64, to: i64) -> Result<(), Failure> {
    run(connection, MOVE, &[&number, &to])?;
    run(connection, CARRY, &[&from, &to])?;
    Ok(())
}
