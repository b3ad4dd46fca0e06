//! The line in which due pages wait for their fetch.
//!
//! A page waits in two lines: that of the person who asked for it, and that of its registrable domain. The later of its
//! two places is its turn. Both lines continue from the turn that is next, so somebody with nothing waiting comes next,
//! and each turn holds about one page of each person and of each domain. Two that line up at once may get the same
//! place; then time decides.

use cardwire_domain::url::registrable_domain;
use jiff::Timestamp;
use rusqlite::Connection;

use super::error::Failure;
use super::values::{first, get, rows, run, us};

/// How many due pages are lined up again at once.
const AGAIN: i64 = 500;

const IS_DUE: &str = "SELECT 1 FROM pages WHERE number = ?1 AND next_fetch_at <= ?2 AND asked_by IS NOT ?3";
const HEAD: &str =
    "SELECT turn FROM pages WHERE turn IS NOT NULL AND next_fetch_at <= ?1 ORDER BY turn, next_fetch_at LIMIT 1";
const LAST_OF_PERSON: &str =
    "SELECT by_person AS last FROM pages WHERE asked_by = ?1 AND turn IS NOT NULL ORDER BY by_person DESC LIMIT 1";
/// A page comes after the pages that have its place in other people's lines, not after everything that one person has
/// waiting there.
const LAST_OF_DOMAIN: &str = "\
SELECT by_domain AS last FROM pages WHERE domain = ?1 AND by_person <= ?2 AND turn IS NOT NULL
ORDER BY by_person DESC, by_domain DESC LIMIT 1";

/// A page already in line moves only if that does not make its turn later.
const JOIN: &str = "\
UPDATE pages SET asked_by = ?2, domain = ?3, by_person = ?4, by_domain = ?5, turn = max(?4, ?5)
WHERE number = ?1 AND (turn IS NULL OR max(?4, ?5) <= turn)";

const LEAVE: &str = "\
UPDATE pages SET turn = NULL, asked_by = NULL, domain = NULL, by_person = NULL, by_domain = NULL
WHERE number = ?1 AND asked_by = ?2";

/// To be tried or refreshed again, or leased by a lost process: for the keeper who has had the page longest.
const DUE_AGAIN: &str = "\
SELECT p.number, p.host, (
    SELECT d.owner_id FROM search_documents d WHERE d.page = p.number ORDER BY d.card_id LIMIT 1
) AS owner_id
FROM pages p WHERE p.turn IS NULL AND p.next_fetch_at <= ?1
ORDER BY p.next_fetch_at LIMIT ?2";

/// A page, the person who asks for it, and its registrable domain.
pub(super) struct Asked {
    pub(super) page: i64,
    pub(super) by: String,
    pub(super) domain: String,
}

/// Lines up those that are due.
pub(super) fn join(connection: &Connection, now: Timestamp, asked: &[Asked]) -> Result<(), Failure> {
    let now = us(now);
    for Asked { page, by, domain } in asked {
        if first(connection, IS_DUE, &[page, &now, by], |_| Ok(()))?.is_none() {
            continue;
        }
        let head: i64 = first(connection, HEAD, &[&now], |row| get(row, "turn"))?.unwrap_or_default();
        let last: Option<i64> = first(connection, LAST_OF_PERSON, &[by], |row| get(row, "last"))?;
        let by_person = last.map_or(head, |last| head.max(last + 1));
        let last: Option<i64> = first(connection, LAST_OF_DOMAIN, &[domain, &by_person], |row| get(row, "last"))?;
        let by_domain = last.map_or(head, |last| head.max(last + 1));
        run(connection, JOIN, &[page, by, domain, &by_person, &by_domain])?;
    }
    Ok(())
}

/// These people no longer keep these pages, so the pages line up again for others who do.
pub(super) fn leave(connection: &Connection, left: &[(i64, String)]) -> Result<(), Failure> {
    left.iter().try_for_each(|(page, person)| run(connection, LEAVE, &[page, person]).map(|_| ()))
}

/// Lines up some of the pages that are due again.
pub(super) fn join_again(connection: &Connection, now: Timestamp) -> Result<(), Failure> {
    let again = rows(connection, DUE_AGAIN, &[&us(now), &AGAIN], |row| {
        let (host, by): (String, Option<String>) = (get(row, "host")?, get(row, "owner_id")?);
        let page = get(row, "number")?;
        Ok(by.map(|by| Asked { page, by, domain: registrable_domain(&host).into_owned() }))
    })?;
    join(connection, now, &again.into_iter().flatten().collect::<Vec<_>>())
}
