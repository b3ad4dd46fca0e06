//! A card that has another URL than the one under which it is indexed moves from page to page.

use rusqlite::Connection;

use super::super::error::Failure;
use super::super::values::{first, get, run};

/// What is known of a page is known of it under its new URL, until that is fetched. Never from one person's page to another's, or everybody's.
const CARRY: &str = "\
UPDATE pages AS n SET state = o.state, reason = o.reason, retryable = o.retryable, fetched_at = o.fetched_at,
    next_fetch_at = o.next_fetch_at, not_before = o.not_before, title = o.title, description = o.description, image = o.image,
    icon_url = o.icon_url, cover = o.cover, cover_width = o.cover_width, cover_height = o.cover_height, icon = o.icon,
    pictures_at = o.pictures_at, pictured_at = o.pictured_at,
    site_name = o.site_name, author = o.author, kind = o.kind, language = o.language
FROM pages AS o
WHERE o.number = ?1 AND n.number = ?2 AND n.keeper IS o.keeper AND o.state = 'ready'";

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

/// For a card that the same people see at another page, which was made just now.
pub(super) fn carry(connection: &Connection, from: i64, to: i64) -> Result<(), Failure> {
    run(connection, CARRY, &[&from, &to])?;
    Ok(())
}
