//! A card whose URL differs from the one in the index moves from page to page.

use rusqlite::Connection;

use super::super::error::Failure;
use super::super::values::{first, get, run};

/// A page's data is carried over to its new URL until that is fetched. Never from one person's page to another
/// person's, or to everybody's.
const CARRY: &str = "\
UPDATE pages AS n SET state = o.state, reason = o.reason, retryable = o.retryable, fetched_at = o.fetched_at,
    next_fetch_at = o.next_fetch_at, not_before = o.not_before, title = o.title, description = o.description, image = o.image,
    icon_url = o.icon_url, cover = o.cover, cover_width = o.cover_width, cover_height = o.cover_height, icon = o.icon,
    pictures_at = o.pictures_at, pictured_at = o.pictured_at,
    site_name = o.site_name, author = o.author, kind = o.kind, language = o.language
FROM pages AS o
WHERE o.number = ?1 AND n.number = ?2 AND n.keeper IS o.keeper AND o.state = 'ready'";

/// Another of the owner's cards that is indexed there has moved as well, which an event reports.
const MAKE_ROOM: &str =
    "DELETE FROM search_documents WHERE owner_id = ?1 AND page = ?2 AND card_id <> ?3 RETURNING number";

/// Deletes the document of another card that was in the way, and returns it.
pub(super) fn make_room(
    connection: &Connection,
    owner: &str,
    page: i64,
    card: &[u8; 16],
) -> Result<Option<i64>, Failure> {
    first(connection, MAKE_ROOM, &[&owner, &page, card], |row| get(row, "number"))
}

/// For a card that the same people see on another page, which is new.
pub(super) fn carry(connection: &Connection, from: i64, to: i64) -> Result<(), Failure> {
    run(connection, CARRY, &[&from, &to])?;
    Ok(())
}
