//! Which cards of a library match a search, according to the index.

use std::collections::HashSet;

use cardwire_domain::UserId;
use cardwire_domain::search::SearchQuery;
use rusqlite::Connection;

use super::super::error::Failure;
use super::super::values::{get, rows};
use super::asked::{As, in_notes, in_pages};
use super::index::NUMBER;
use super::words::inside;

const PAGES: &str = "SELECT rowid & ?2 AS page FROM search_pages WHERE search_pages MATCH ?1";
const NOTED: &str = "\
SELECT d.page FROM search_notes t CROSS JOIN search_documents d ON d.number = t.rowid
WHERE t.search_notes MATCH ?1 AND d.owner_id = ?2";

const TITLED: &str = "\
SELECT d.page FROM search_titles t CROSS JOIN search_documents d ON d.number = t.rowid
WHERE t.search_titles MATCH ?1 AND d.owner_id = ?2";

/// The pages that may match: a title or a note may still contain excluded words.
pub(in super::super) struct Kept(HashSet<i64>);

impl Kept {
    pub(in super::super) fn by(connection: &Connection, owner: &UserId, query: &SearchQuery) -> Result<Self, Failure> {
        let longer = inside(connection, query, Some(owner))?;
        let how = As::Begun(&longer);
        let page = |row: &rusqlite::Row<'_>| get::<i64>(row, "page");
        let mut pages = HashSet::new();
        let asked = in_pages(query, how, None, None);
        pages.extend(rows(connection, PAGES, &[&asked, &NUMBER], page)?);
        pages.extend(rows(connection, TITLED, &[&asked, &owner.as_str()], page)?);
        pages.extend(rows(connection, NOTED, &[&in_notes(query, how, None, owner), &owner.as_str()], page)?);
        Ok(Self(pages))
    }

    pub(in super::super) fn has(&self, page: i64) -> bool {
        self.0.contains(&page)
    }
}
