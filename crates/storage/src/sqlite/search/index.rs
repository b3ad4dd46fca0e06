//! Writing the index: cards' current rows, and pages when more is known about them.
//!
//! A page and its words exist while a document needs them: they are deleted with the last document, and a fetch still
//! running then finds no page to store its result in.
//!
//! A page's public index data exists while a card that everybody sees needs it. A card that others do not see has its
//! own page ([`page_keys`](crate::page_keys)), and is found by a row among the notes, which includes that page. When a
//! card's visibility changes, its new page starts with what the old one knew, unless the new page already exists. A
//! card that gets another URL takes its page's data along too, but never from its owner's own page to everybody's. A
//! card that everybody sees and that has its own title is also found by a row among the titles.

use std::collections::{BTreeMap, BTreeSet};

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
use super::renamed::{carry, make_room};
use super::text::{self, NoteText, Page, PageText};
use super::words::{self, Words};
use crate::page_keys::{everybodys, page_key};

const CARD: &str = "\
SELECT c.owner_id, c.url, c.normalised_url, c.url_digest, c.library_link IS NOT NULL AS kept, c.private OR c.hidden AS private,
       c.title, n.text
FROM cards c LEFT JOIN notes n ON n.card_id = c.id WHERE c.id = ?1";

const PAGE_OF: &str = "SELECT number FROM pages WHERE url_digest = ?1";
/// Does nothing if there is one already.
const MAKE_PAGE: &str = "\
INSERT INTO pages (url_digest, keeper, url, host, next_fetch_at) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (url_digest) DO NOTHING";
/// It is due nonetheless.
const TAKE_ALONG: &str = "\
UPDATE pages AS p SET state = b.state, fetched_at = b.fetched_at, title = b.title, description = b.description, image = b.image,
    icon_url = b.icon_url, cover = b.cover, cover_width = b.cover_width, cover_height = b.cover_height, icon = b.icon,
    site_name = b.site_name, author = b.author, kind = b.kind, language = b.language
FROM pages AS b WHERE p.url_digest = ?1 AND b.number = ?2 AND b.state = 'ready'";

/// Cards are counted each time, so that the number cannot drift.
const PAGE: &str = "\
SELECT url_digest, url, title, description, image, icon_url, site_name, author, kind, language, cards, place,
       (SELECT count(*) FROM search_documents d WHERE d.page = pages.number AND d.private = 0) AS count,
       EXISTS (SELECT 1 FROM search_documents d WHERE d.page = pages.number) AS is_kept
FROM pages WHERE number = ?1";

const PLACE_PAGE: &str = "UPDATE pages SET cards = ?2, place = ?3 WHERE number = ?1";
const DROP_PAGE: &str = "DELETE FROM pages WHERE number = ?1";

const DOCUMENT_OF: &str = "\
SELECT d.number, d.page, p.url_digest AS key, d.version FROM search_documents d JOIN pages p ON p.number = d.page WHERE d.card_id = ?1";
const MAKE_DOCUMENT: &str = "INSERT INTO search_documents (card_id, owner_id, page, private, version) VALUES (?1, ?2, ?3, ?4, ?5) RETURNING number";
const TURN_DOCUMENT: &str = "UPDATE search_documents SET page = ?2, private = ?3, version = ?4 WHERE number = ?1";
const DROP_DOCUMENT: &str = "DELETE FROM search_documents WHERE number = ?1";

/// Cards that are found by more than their page. A title is left out if the card has become private and that is not
/// indexed yet: others may never have seen it.
const WORDED: &str = "\
SELECT d.number, d.owner_id, d.private, n.text, CASE WHEN d.private OR NOT (c.private OR c.hidden) THEN c.title END AS title
FROM search_documents d LEFT JOIN cards c ON c.id = d.card_id LEFT JOIN notes n ON n.card_id = d.card_id
WHERE d.page = ?1 AND (d.private OR n.card_id IS NOT NULL OR c.title IS NOT NULL)";

const PAGE_TEXT: &str = "SELECT scope, title, names, description, url FROM search_pages WHERE rowid = ?1";
const PUT_PAGE_TEXT: &str = "INSERT OR REPLACE INTO search_pages (rowid, scope, title, names, description, url) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const DROP_PAGE_TEXT: &str = "DELETE FROM search_pages WHERE rowid = ?1";

const TITLE_TEXT: &str = "SELECT scope, title, names, description, url FROM search_titles WHERE rowid = ?1";
const PUT_TITLE_TEXT: &str = "INSERT OR REPLACE INTO search_titles (rowid, scope, title, names, description, url) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const DROP_TITLE_TEXT: &str = "DELETE FROM search_titles WHERE rowid = ?1";

const NOTE_TEXT: &str = "SELECT scope, title, names, description, url, note FROM search_notes WHERE rowid = ?1";
const PUT_NOTE_TEXT: &str = "INSERT OR REPLACE INTO search_notes (rowid, scope, title, names, description, url, note) \
                             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const DROP_NOTE_TEXT: &str = "DELETE FROM search_notes WHERE rowid = ?1";

/// The bits of a place that are the page's number. The bits above are greater for pages that fewer people keep.
const NUMBER_BITS: u32 = 48;
pub(super) const NUMBER: i64 = (1 << NUMBER_BITS) - 1;

/// Grows with the logarithm of `cards`, so that it changes rarely.
fn place(page: i64, cards: u64) -> i64 {
    (i64::from(u64::BITS - 1 - cards.max(1).ilog2()) << NUMBER_BITS) | page
}

/// Where a card is indexed: its document and that document's page.
struct Indexed {
    number: i64,
    page: i64,
    key: Vec<u8>,
    version: i16,
}

/// A document, and its searchable contents besides the page.
struct Document {
    number: i64,
    owner: String,
    title: Option<String>,
    note: Option<String>,
    /// Others do not see the card.
    private: bool,
}

impl Document {
    /// For its owner alone.
    fn note_text(&self, page: &Page) -> Option<NoteText> {
        let note = self.note.as_deref().or(self.private.then_some(""))?;
        Some(page.text_with(note, self.title.as_deref(), &self.owner, self.private))
    }

    /// For everybody.
    fn title_text(&self, page: &Page) -> Option<PageText> {
        page.text_called(self.title.as_deref().filter(|_| !self.private)?)
    }
}

/// What a transaction changes. Texts are written in the order of their rows: for a row out of
/// order FTS5 starts a separate segment.
#[derive(Default)]
struct Changes {
    pages: BTreeMap<i64, Option<PageText>>,
    titles: BTreeMap<i64, Option<PageText>>,
    notes: BTreeMap<i64, Option<NoteText>>,
    before: Words,
    now: Words,
}

/// One job merges this many pages of an index.
const PURGE: i64 = 200;
const MERGE: [&str; 2] = [
    "INSERT INTO search_notes (search_notes, rank) VALUES ('merge', ?1)",
    "INSERT INTO search_titles (search_titles, rank) VALUES ('merge', ?1)",
];

/// Purges deleted entries from the indexes of notes and titles. FTS5 only marks them until it merges the segments that
/// contain them. `begins`: starts to merge each whole index; otherwise continues. Returns whether there may be more.
pub(in crate::sqlite) fn purge_texts(connection: &Connection, begins: bool) -> Result<bool, Failure> {
    let pages = if begins { -PURGE } else { PURGE };
    let mut may_be_more = false;
    for sql in MERGE {
        let before = connection.total_changes();
        run(connection, sql, &[&pages])?;
        // According to FTS5, which counts the statement itself as one.
        may_be_more |= connection.total_changes() - before >= 2;
    }
    Ok(may_be_more)
}

/// Indexes the current rows of these cards, and removes those that are in no library.
pub(in crate::sqlite) fn reindex(connection: &Connection, now: Timestamp, cards: &[CardId]) -> Result<(), Failure> {
    let (mut asked, mut left) = (Vec::new(), Vec::new());
    let mut touched: BTreeMap<i64, Vec<Document>> = BTreeMap::new();
    // URLs whose known page type may differ from the one that was counted.
    let mut changed = BTreeSet::new();
    for id in cards.iter().map(|card| blob(card.ulid())) {
        let read = |row: &Row<'_>| {
            let url = CardUrl::from_stored(get(row, "url")?, get(row, "normalised_url")?);
            let (owner, digest): (String, [u8; 32]) = (get(row, "owner_id")?, get(row, "url_digest")?);
            let (kept, private): (bool, bool) = (get(row, "kept")?, get(row, "private")?);
            let own: [Option<String>; 2] = [get(row, "title")?, get(row, "text")?];
            Ok((url, owner, digest, kept, private && kept, own))
        };
        let Some((url, owner, digest, kept, private, own)) = first(connection, CARD, &[&id], read)? else { continue };
        let [title, note] = own;
        let before = first(connection, DOCUMENT_OF, &[&id], |row| {
            let (number, page) = (get(row, "number")?, get(row, "page")?);
            Ok(Indexed { number, page, key: get(row, "key")?, version: get(row, "version")? })
        })?;
        if kept {
            let keeper = private.then_some(owner.as_str());
            let key = page_key(&digest, keeper);
            let (page, is_made) = page_of(connection, now, &url, &key, keeper)?;
            let is_placed = before.as_ref().is_some_and(|before| before.page == page);
            if let Some(before) = before.as_ref().filter(|_| !is_placed) {
                let (is_renamed, was_private) = (!before.key.starts_with(&digest), everybodys(&before.key).is_none());
                if is_made && is_renamed && was_private == private {
                    carry(connection, before.page, page)?;
                    changed.extend(everybodys(&key));
                } else if is_made && (!is_renamed || private) {
                    // Data of a person's own page is passed on to others only under the URL for which it was fetched.
                    run(connection, TAKE_ALONG, &[&key, &before.page])?;
                    changed.extend(everybodys(&key));
                }
                left.push((before.page, owner.clone()));
                touched.entry(before.page).or_default();
            }
            if !is_placed && let Some(number) = make_room(connection, &owner, page, &id)? {
                let gone = Document { number, owner: owner.clone(), title: None, note: None, private: false };
                touched.entry(page).or_default().push(gone);
            }
            let number = place_document(connection, before.as_ref(), &id, &owner, page, private)?;
            asked.push(Asked { page, by: owner.clone(), domain: registrable_domain(url.domain()).into_owned() });
            touched.entry(page).or_default().push(Document { number, owner, title, note, private });
        } else if let Some(Indexed { number, page, .. }) = before {
            run(connection, DROP_DOCUMENT, &[&number])?;
            left.push((page, owner.clone()));
            touched.entry(page).or_default().push(Document { number, owner, title: None, note: None, private });
        }
    }
    let mut changes = Changes::default();
    for (page, documents) in touched {
        match changes.page(connection, page)? {
            Known::Kept { known, .. } => changes.documents(connection, &known, documents)?,
            Known::Dropped { key } => {
                changed.extend(everybodys(&key));
                changes.documents(connection, &Page::default(), documents)?;
            }
        }
    }
    trends::refresh(connection, now, &changed.into_iter().collect::<Vec<_>>())?;
    fetch_line::leave(connection, &left)?;
    fetch_line::join(connection, now, &asked)?;
    changes.write(connection)
}

/// Indexes a page about which more is known now, with its titles and notes.
pub(in crate::sqlite) fn index_page(connection: &Connection, key: &[u8]) -> Result<(), Failure> {
    let Some(page) = first(connection, PAGE_OF, &[&key], |row| get(row, "number"))? else { return Ok(()) };
    let mut changes = Changes::default();
    if let Known::Kept { known, changed: true } = changes.page(connection, page)? {
        let worded = rows(connection, WORDED, &[&page], |row| {
            let (number, owner, private) = (get(row, "number")?, get(row, "owner_id")?, get(row, "private")?);
            Ok(Document { number, owner, title: get(row, "title")?, note: get(row, "text")?, private })
        })?;
        changes.documents(connection, &known, worded)?;
    }
    changes.write(connection)
}

/// A new page is fetched at once. Returns its number, and whether it is new.
fn page_of(
    connection: &Connection,
    now: Timestamp,
    url: &CardUrl,
    key: &[u8],
    keeper: Option<&str>,
) -> Result<(i64, bool), Failure> {
    let made = run(connection, MAKE_PAGE, &[&key, &keeper, &url.normalised(), &url.domain(), &us(now)])?;
    let number = first(connection, PAGE_OF, &[&key], |row| get(row, "number"))?;
    Ok((number.ok_or_else(|| Failure::Nonsense("a page that was made is not there".into()))?, made == 1))
}

/// `before`: where the card is indexed, if it is. Returns the number of its document.
fn place_document(
    connection: &Connection,
    before: Option<&Indexed>,
    card: &[u8; 16],
    owner: &str,
    page: i64,
    private: bool,
) -> Result<i64, Failure> {
    if let Some(before) = before {
        // Its visibility decides which page it has.
        if before.page != page || before.version != WORDING {
            run(connection, TURN_DOCUMENT, &[&before.number, &page, &private, &WORDING])?;
        }
        return Ok(before.number);
    }
    let made: [&dyn ToSql; 5] = [card, &owner, &page, &private, &WORDING];
    let number = first(connection, MAKE_DOCUMENT, &made, |row| get(row, "number"))?;
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
        key: Vec<u8>,
    },
}

impl Changes {
    /// The page's current entry: none without documents, and none for everybody unless everybody sees one of them.
    fn page(&mut self, connection: &Connection, page: i64) -> Result<Known, Failure> {
        let read = |row: &Row<'_>| {
            let (cards, count): (i64, i64) = (get(row, "cards")?, get(row, "count")?);
            let known = Page::of(&get::<String>(row, "url")?, &get_metadata(row)?);
            let (place, is_kept): (Option<i64>, bool) = (get(row, "place")?, get(row, "is_kept")?);
            Ok((get::<Vec<u8>>(row, "url_digest")?, known, place, is_kept, cards, count))
        };
        let found = first(connection, PAGE, &[&page], read)?;
        let (key, known, place_before, is_kept, cards, count) =
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
                return Ok(Known::Dropped { key });
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

    /// A page's entries for cards' titles, and those for their owners only.
    fn documents(&mut self, connection: &Connection, page: &Page, documents: Vec<Document>) -> Result<(), Failure> {
        for document in documents {
            let before: Option<PageText> = first(connection, TITLE_TEXT, &[&document.number], columns)?;
            let now = document.title_text(page);
            self.before.extend(before.iter().flat_map(|text| words_of("", text)));
            self.now.extend(now.iter().flat_map(|text| words_of("", text)));
            if before != now {
                self.titles.insert(document.number, now);
            }
            let before: Option<NoteText> = first(connection, NOTE_TEXT, &[&document.number], columns)?;
            let now = document.note_text(page);
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
        for (row, text) in &self.titles {
            put(connection, *row, text.as_ref().map(|text| &text[..]), PUT_TITLE_TEXT, DROP_TITLE_TEXT)?;
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

/// The public entry of a page, or of a page with a card's title.
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
