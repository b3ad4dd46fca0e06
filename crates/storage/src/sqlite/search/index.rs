//! Writing the index: cards' current rows, and pages when more is known of them.
//!
//! A page, and its words, are there while a document needs them: the last document takes them along, and a fetch that is still on its
//! way finds no page to store its result in.
//!
//! What everybody finds a page by is there while a card that everybody sees needs it. A card that others do not see is found by a row among
//! the notes, which holds the page as well.

use std::collections::BTreeMap;

use cardwire_domain::CardId;
use cardwire_domain::search::WORDING;
use cardwire_domain::url::{CardUrl, registrable_domain};
use jiff::Timestamp;
use rusqlite::{Connection, Row, ToSql};

use super::super::error::Failure;
use super::super::fetch_line::{self, Asked};
use super::super::page_rows::get_metadata;
use super::super::trends;
use super::super::values::{blob, first, get, rows, run, us};
use super::text::{self, NoteText, Page, PageText};
use super::words::{self, Words};

const CARD: &str = "\
SELECT c.owner_id, c.url, c.normalised_url, c.url_digest, c.library_link IS NOT NULL AS kept, c.private OR c.hidden AS private, n.text
FROM cards c LEFT JOIN notes n ON n.card_id = c.id WHERE c.id = ?1";

const PAGE_OF: &str = "SELECT number FROM pages WHERE url_digest = ?1";
const MAKE_PAGE: &str =
    "INSERT INTO pages (url_digest, url, host, next_fetch_at) VALUES (?1, ?2, ?3, ?4) RETURNING number";

/// Cards are counted, not added up, so that they cannot drift.
const PAGE: &str = "\
SELECT url_digest, url, title, description, image, site_name, author, kind, language, cards, place,
       (SELECT count(*) FROM search_documents d WHERE d.page = pages.number AND d.private = 0) AS count,
       EXISTS (SELECT 1 FROM search_documents d WHERE d.page = pages.number) AS is_kept
FROM pages WHERE number = ?1";

const PLACE_PAGE: &str = "UPDATE pages SET cards = ?2, place = ?3 WHERE number = ?1";
const DROP_PAGE: &str = "DELETE FROM pages WHERE number = ?1";

const DOCUMENT_OF: &str = "SELECT number FROM search_documents WHERE card_id = ?1";
const MAKE_DOCUMENT: &str =
    "INSERT INTO search_documents (card_id, owner_id, page, version) VALUES (?1, ?2, ?3, ?4) RETURNING number";
const SEE_DOCUMENT: &str = "\
UPDATE search_documents SET private = ?2, version = ?3 WHERE number = ?1 AND (private <> ?2 OR version <> ?3)";
const DROP_DOCUMENT: &str = "DELETE FROM search_documents WHERE card_id = ?1 RETURNING number, page";

const NOTED: &str = "\
SELECT d.number, d.owner_id, d.private, n.text FROM search_documents d LEFT JOIN notes n ON n.card_id = d.card_id
WHERE d.page = ?1 AND (d.private OR n.card_id IS NOT NULL)";

const PAGE_TEXT: &str = "SELECT scope, title, names, description, url FROM search_pages WHERE rowid = ?1";
const PUT_PAGE_TEXT: &str = "INSERT OR REPLACE INTO search_pages (rowid, scope, title, names, description, url) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const DROP_PAGE_TEXT: &str = "DELETE FROM search_pages WHERE rowid = ?1";

const NOTE_TEXT: &str = "SELECT scope, title, names, description, url, note FROM search_notes WHERE rowid = ?1";
const PUT_NOTE_TEXT: &str = "INSERT OR REPLACE INTO search_notes (rowid, scope, title, names, description, url, note) \
                             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const DROP_NOTE_TEXT: &str = "DELETE FROM search_notes WHERE rowid = ?1";

/// Of a place, the bits that are the page's number. Above them, what fewer people keep is greater.
const NUMBER_BITS: u32 = 48;
pub(super) const NUMBER: i64 = (1 << NUMBER_BITS) - 1;

/// Rises with the logarithm of `cards`, so that it changes rarely.
fn place(page: i64, cards: u64) -> i64 {
    (i64::from(u64::BITS - 1 - cards.max(1).ilog2()) << NUMBER_BITS) | page
}

/// A document, and what there is to find in it for its owner alone.
struct Document {
    number: i64,
    owner: String,
    note: Option<String>,
    /// Others do not see the card.
    private: bool,
}

impl Document {
    fn text(&self, page: &Page) -> Option<NoteText> {
        let note = self.note.as_deref().or(self.private.then_some(""))?;
        Some(page.text_with(note, &self.owner, self.private))
    }
}

/// What a transaction changes. Texts are written in the order of their rows: FTS5 begins anew, and keeps apart, what is out of order.
#[derive(Default)]
struct Changes {
    pages: BTreeMap<i64, Option<PageText>>,
    notes: BTreeMap<i64, Option<NoteText>>,
    before: Words,
    now: Words,
}

/// Pages of the index of notes that one job merges.
const PURGE: i64 = 200;

/// Rids the index of notes of what is deleted there, which FTS5 keeps, marked, until it merges the parts that hold it. `begins`: all of
/// the index is merged from here on; else what was begun goes on. Returns whether there may be more.
pub(in crate::sqlite) fn purge_notes(connection: &Connection, begins: bool) -> Result<bool, Failure> {
    let before = connection.total_changes();
    let pages = if begins { -PURGE } else { PURGE };
    run(connection, "INSERT INTO search_notes (search_notes, rank) VALUES ('merge', ?1)", &[&pages])?;
    // As FTS5 tells it: the statement itself counts as one.
    Ok(connection.total_changes() - before >= 2)
}

/// Indexes the current rows of these cards, and drops those that are in no library.
pub(in crate::sqlite) fn reindex(connection: &Connection, now: Timestamp, cards: &[CardId]) -> Result<(), Failure> {
    let (mut asked, mut left) = (Vec::new(), Vec::new());
    let mut touched: BTreeMap<i64, Vec<Document>> = BTreeMap::new();
    for id in cards.iter().map(|card| blob(card.ulid())) {
        let read = |row: &Row<'_>| {
            let url = CardUrl::from_stored(get(row, "url")?, get(row, "normalised_url")?);
            let (owner, digest): (String, [u8; 32]) = (get(row, "owner_id")?, get(row, "url_digest")?);
            let (kept, private): (bool, bool) = (get(row, "kept")?, get(row, "private")?);
            Ok((url, owner, digest, kept, private && kept, get::<Option<String>>(row, "text")?))
        };
        let Some((url, owner, digest, kept, private, note)) = first(connection, CARD, &[&id], read)? else { continue };
        let document = if kept {
            let page = page_of(connection, now, &url, &digest)?;
            asked.push(Asked { page, by: owner.clone(), domain: registrable_domain(url.domain()).into_owned() });
            let made = [&id as &dyn ToSql, &owner, &page, &WORDING];
            let number = number_of(connection, DOCUMENT_OF, &[&id], MAKE_DOCUMENT, &made)?;
            run(connection, SEE_DOCUMENT, &[&number, &private, &WORDING])?;
            Some((number, page, note))
        } else {
            let gone = |row: &Row<'_>| Ok((get(row, "number")?, get(row, "page")?, None));
            first(connection, DROP_DOCUMENT, &[&id], gone)?
        };
        let Some((number, page, note)) = document else { continue };
        if !kept {
            left.push((page, owner.clone()));
        }
        touched.entry(page).or_default().push(Document { number, owner, note, private });
    }
    let (mut changes, mut dropped) = (Changes::default(), Vec::new());
    for (page, documents) in touched {
        match changes.page(connection, page)? {
            Known::Kept { known, .. } => changes.notes(connection, &known, documents)?,
            Known::Dropped { digest } => {
                dropped.push(digest);
                changes.notes(connection, &Page::default(), documents)?;
            }
        }
    }
    trends::refresh(connection, now, &dropped)?;
    fetch_line::leave(connection, &left)?;
    fetch_line::join(connection, now, &asked)?;
    changes.write(connection)
}

/// Indexes a page of which more is known now, and the notes on it.
pub(in crate::sqlite) fn index_page(connection: &Connection, digest: &[u8; 32]) -> Result<(), Failure> {
    let Some(page) = first(connection, PAGE_OF, &[digest], |row| get(row, "number"))? else { return Ok(()) };
    let mut changes = Changes::default();
    if let Known::Kept { known, changed: true } = changes.page(connection, page)? {
        let noted = rows(connection, NOTED, &[&page], |row| {
            let (number, owner) = (get(row, "number")?, get(row, "owner_id")?);
            Ok(Document { number, owner, note: get(row, "text")?, private: get(row, "private")? })
        })?;
        changes.notes(connection, &known, noted)?;
    }
    changes.write(connection)
}

/// One that is new is to be fetched at once.
fn page_of(connection: &Connection, now: Timestamp, url: &CardUrl, digest: &[u8; 32]) -> Result<i64, Failure> {
    let made = [digest as &dyn ToSql, &url.normalised(), &url.domain(), &us(now)];
    number_of(connection, PAGE_OF, &[digest], MAKE_PAGE, &made)
}

/// Of the row that is found, or else made.
fn number_of(
    connection: &Connection,
    find: &str,
    found: &[&dyn ToSql],
    make: &str,
    made: &[&dyn ToSql],
) -> Result<i64, Failure> {
    if let Some(number) = first(connection, find, found, |row| get(row, "number"))? {
        return Ok(number);
    }
    let number = first(connection, make, made, |row| get(row, "number"))?;
    number.ok_or_else(|| Failure::Nonsense("a row that was made has no number".into()))
}

/// A page that was looked at.
enum Known {
    Kept {
        known: Page,
        changed: bool,
    },
    /// Nobody keeps it.
    Dropped {
        digest: [u8; 32],
    },
}

impl Changes {
    /// What is known of the page now: without documents, nothing; and for everybody nothing without those that everybody sees.
    fn page(&mut self, connection: &Connection, page: i64) -> Result<Known, Failure> {
        let read = |row: &Row<'_>| {
            let (cards, count): (i64, i64) = (get(row, "cards")?, get(row, "count")?);
            let known = Page::of(&get::<String>(row, "url")?, &get_metadata(row)?);
            let (place, is_kept): (Option<i64>, bool) = (get(row, "place")?, get(row, "is_kept")?);
            Ok((get::<[u8; 32]>(row, "url_digest")?, known, place, is_kept, cards, count))
        };
        let found = first(connection, PAGE, &[&page], read)?;
        let (digest, known, place_before, is_kept, cards, count) =
            found.ok_or_else(|| Failure::Nonsense(format!("page {page} of an indexed card is not there")))?;
        let text = known.text();
        let before = match &place_before {
            Some(place) => first(connection, PAGE_TEXT, &[place], columns)?,
            None => None,
        };
        if let Some(before) = &before {
            self.before.extend(words_of("", before));
        }
        let changed = before.as_ref() != Some(&text);
        if count == 0 {
            self.pages.extend(place_before.map(|place| (place, None)));
            if !is_kept {
                run(connection, DROP_PAGE, &[&page])?;
                return Ok(Known::Dropped { digest });
            }
            run(connection, PLACE_PAGE, &[&page, &count, &None::<i64>])?;
            return Ok(Known::Kept { known, changed });
        }
        self.now.extend(words_of("", &text));
        let place = place(page, count.unsigned_abs());
        if changed || place_before != Some(place) {
            self.pages.extend(place_before.map(|place| (place, None)));
            self.pages.insert(place, Some(text));
        }
        if count != cards || place_before != Some(place) {
            run(connection, PLACE_PAGE, &[&page, &count, &place])?;
        }
        Ok(Known::Kept { known, changed })
    }

    /// What is found of a page by its owners alone.
    fn notes(&mut self, connection: &Connection, page: &Page, documents: Vec<Document>) -> Result<(), Failure> {
        for document in documents {
            let before: Option<NoteText> = first(connection, NOTE_TEXT, &[&document.number], columns)?;
            let now = document.text(page);
            let words = |text: &Option<NoteText>| {
                let own = text.iter().flat_map(text::own_words);
                own.map(|word| (document.owner.clone(), word.to_owned())).collect::<Vec<_>>()
            };
            self.before.extend(words(&before));
            self.now.extend(words(&now));
            if before != now {
                self.notes.insert(document.number, now);
            }
        }
        Ok(())
    }

    fn write(self, connection: &Connection) -> Result<(), Failure> {
        for (row, text) in &self.pages {
            put(connection, *row, text.as_ref().map(|text| &text[..]), PUT_PAGE_TEXT, DROP_PAGE_TEXT)?;
        }
        for (row, text) in &self.notes {
            put(connection, *row, text.as_ref().map(|text| &text[..]), PUT_NOTE_TEXT, DROP_NOTE_TEXT)?;
        }
        words::replace(connection, &self.before, &self.now)
    }
}

fn put(connection: &Connection, row: i64, text: Option<&[String]>, put: &str, drop: &str) -> Result<(), Failure> {
    match text {
        Some(columns) => {
            let mut values: Vec<&dyn ToSql> = vec![&row];
            values.extend(columns.iter().map(|column| column as &dyn ToSql));
            run(connection, put, &values)?;
        }
        None => {
            run(connection, drop, &[&row])?;
        }
    }
    Ok(())
}

fn columns<const N: usize>(row: &Row<'_>) -> Result<[String; N], Failure> {
    let mut columns = [const { String::new() }; N];
    for (at, column) in columns.iter_mut().enumerate() {
        *column = row.get(at)?;
    }
    Ok(columns)
}

/// Of a page, for everybody.
fn words_of<'a>(owner: &'a str, [_, columns @ ..]: &'a PageText) -> impl Iterator<Item = (String, String)> + 'a {
    columns.iter().flat_map(|column| text::words(column)).map(move |word| (owner.to_owned(), word.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_more_people_keep_comes_first() {
        let places: Vec<i64> =
            [(7, 900), (3, 4), (9, 3), (1, 1), (2, 1)].map(|(page, cards)| place(page, cards)).into();
        assert!(places.is_sorted() && places[0] > 0, "{places:?}");
        assert_eq!(place(5, 4), place(5, 7));
        assert_eq!(places.iter().map(|place| place & NUMBER).collect::<Vec<_>>(), [7, 3, 9, 1, 2]);
    }
}
