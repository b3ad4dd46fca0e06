//! Hits, pass by pass.
//!
//! The index may be behind, so the cards themselves decide which of a page's cards the reader sees, hit by hit until
//! the list is full.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use cardwire_domain::page::no_cursor;
use cardwire_domain::search::{
    Alternatives, Found, Gathering, MAX_HIT_CARDS, Pass, SearchHit, SearchQuery, SearchRequest, corrected, score,
};
use cardwire_domain::{CardId, PageRequest, Position, UserId};
use rusqlite::{Connection, Row, ToSql};

use super::super::error::Failure;
use super::super::page_rows::{get_kind, get_pictures};
use super::super::values::{blob, card_id, first, get, get_visibility, rows, signed, url_digest};
use super::asked::{As, in_notes, in_pages, quoted};
use super::index::NUMBER;
use super::rank::{Fields, rank};
use super::words::{inside, near};
use crate::page_keys::page_key;
use crate::seen::sees_card;

/// At most this many pages are ranked; a more frequent word says little by itself.
const MAX_RANKED: usize = 1_000;
/// If somebody keeps no more than this, all their pages are looked at.
const FEW: usize = 2_000;

/// ?1: everybody's page. ?2: the reader's own, which comes before it only if nothing but theirs is looked for. ?4: theirs alone.
const OF_URL: &str = "\
SELECT p.number, coalesce(e.cards, p.cards) AS cards, e.number AS everybodys
FROM pages p LEFT JOIN pages e ON e.url_digest = ?1
WHERE p.url_digest IN (?1, ?2) AND (?3 IS NULL OR p.kind = ?3)
  AND (?4 IS NULL OR EXISTS (SELECT 1 FROM search_documents d WHERE d.owner_id = ?4 AND d.page = p.number))
ORDER BY (p.keeper IS NULL) = (?4 IS NOT NULL) LIMIT 1";

/// The most kept come first.
const IN_PAGES: &str = "\
SELECT t.scope, t.title, t.names, t.description, t.url, p.number, p.cards
FROM search_pages t CROSS JOIN pages p ON p.number = t.rowid & ?2
WHERE t.search_pages MATCH ?1
  AND (?3 IS NULL OR EXISTS (SELECT 1 FROM search_documents d WHERE d.owner_id = ?3 AND d.page = p.number))
ORDER BY t.rowid LIMIT ?4";

const IN_FEW_PAGES: &str = "\
SELECT t.scope, t.title, t.names, t.description, t.url, p.number, p.cards
FROM search_documents d CROSS JOIN pages p ON p.number = d.page CROSS JOIN search_pages t ON t.rowid = p.place
WHERE d.owner_id = ?1 AND (?2 IS NULL OR p.kind = ?2)";

const IN_PAGE: &str = "\
SELECT t.scope, t.title, t.names, t.description, t.url FROM pages p CROSS JOIN search_pages t ON t.rowid = p.place
WHERE p.number = ?1 AND (?2 IS NULL OR p.kind = ?2)";

/// Of very many, only the newest.
const IN_TITLES: &str = concat!(
    "SELECT t.scope, t.title, t.names, t.description, t.url, p.number, p.cards, d.card_id \
     FROM search_titles t CROSS JOIN search_documents d ON d.number = t.rowid CROSS JOIN pages p ON p.number = d.page \
     CROSS JOIN cards c ON c.id = d.card_id AND c.library_link IS NOT NULL \
     WHERE t.search_titles MATCH ?1 AND (?3 IS NULL OR d.owner_id = ?3) AND ",
    sees_card!("c", "?2"),
    " ORDER BY t.rowid DESC LIMIT ?4"
);

/// Of the reader's own page, everybody's of the same URL, too.
const IN_NOTES: &str = "\
SELECT t.scope, t.title, t.names, t.description, t.url, t.note, p.number, coalesce(e.cards, p.cards) AS cards, d.private,
       e.number AS everybodys
FROM search_notes t CROSS JOIN search_documents d ON d.number = t.rowid CROSS JOIN pages p ON p.number = d.page
LEFT JOIN pages e ON d.private AND e.url_digest = substr(p.url_digest, 1, 32)
WHERE t.search_notes MATCH ?1 AND d.owner_id = ?2
ORDER BY t.rowid DESC LIMIT ?3";

const HOW_MANY: &str = "SELECT count(*) AS n FROM (SELECT 1 FROM search_documents WHERE owner_id = ?1 LIMIT ?2)";

const SHOWN: &str =
    "SELECT title, description, kind, cover, cover_width, cover_height, icon FROM pages WHERE number = ?1";
const TITLE_OF: &str = "SELECT title FROM cards WHERE id = ?1";
/// The cards that the reader sees, whichever page of the URL they show.
const CARDS: &str = concat!(
    "SELECT c.id AS card_id, c.url, c.title \
     FROM pages p CROSS JOIN cards c ON c.url_digest = substr(p.url_digest, 1, 32) AND c.library_link IS NOT NULL \
     CROSS JOIN search_documents d ON d.card_id = c.id \
     WHERE p.number = ?1 AND ",
    sees_card!("c", "?2"),
    " ORDER BY c.id LIMIT ?3"
);
const OWN_CARD: &str = "\
SELECT d.card_id, c.url, c.title FROM search_documents d JOIN cards c ON c.id = d.card_id AND c.library_link IS NOT NULL
WHERE d.owner_id = ?1 AND d.page = ?2";
const OWN_WORD: &str = "\
SELECT c.private, c.title FROM pages p JOIN cards c ON c.owner_id = ?1 AND c.url_digest = substr(p.url_digest, 1, 32)
WHERE p.number = ?2 AND c.library_link IS NOT NULL";

/// Whether a hit has one of these words.
const HAS_WORD: &str =
    "SELECT 1 FROM search_pages WHERE search_pages MATCH ?1 AND rowid = (SELECT place FROM pages WHERE number = ?2)";
const TITLE_HAS_WORD: &str = concat!(
    "SELECT 1 FROM search_titles t CROSS JOIN search_documents d ON d.number = t.rowid \
     CROSS JOIN cards c ON c.id = d.card_id AND c.library_link IS NOT NULL \
     WHERE t.search_titles MATCH ?1 AND d.page = ?2 AND ",
    sees_card!("c", "?3"),
    " LIMIT 1"
);
const NOTE_HAS_WORD: &str = "\
SELECT 1 FROM search_notes WHERE search_notes MATCH ?1
AND rowid = (SELECT number FROM search_documents WHERE owner_id = ?3 AND page = ?2)";

pub(super) fn search(connection: &Connection, request: &SearchRequest, page: &PageRequest) -> Result<Found, Failure> {
    let mut gathering = Gathering::new(page.limit, page.after.as_ref()).map_err(Failure::Refused)?;
    let Some(query) = SearchQuery::parse(&request.text) else { return Ok(Found::of(gathering.page())) };
    let search = Search { connection, query: &query, request, urls: of_urls(connection, &query, request)? };
    let (mut looked_up, mut corrected) = (None, None);
    for pass in Pass::ALL {
        let Some((wanted, after)) = gathering.wants(pass) else { continue };
        if looked_up.is_none() && pass >= Pass::Inside {
            looked_up = Some(inside(connection, &query, request.reader.as_ref())?);
        }
        let found = match (pass, &looked_up) {
            (Pass::Url, _) => search.urls.clone(),
            (Pass::Whole | Pass::Begun, _) => search.of_words(pass, &Alternatives::new())?,
            (Pass::Inside, Some(inside)) if !inside.is_empty() => search.of_words(pass, inside)?,
            (Pass::Near, Some(inside)) => {
                let near = near(connection, &query, inside, request.reader.as_ref())?;
                if near.is_empty() {
                    continue;
                }
                let mut others = inside.clone();
                others.extend(near.clone());
                let found = search.of_words(pass, &others)?;
                if after.is_none() {
                    corrected = search.corrected(&found, &near)?;
                }
                found
            }
            _ => continue,
        };
        let hits = search.shown(found, after, wanted)?;
        gathering.add(pass, hits);
    }
    Ok(Found { corrected, ..Found::of(gathering.page()) })
}

/// A URL that was found, by a page of it.
#[derive(Clone, Copy)]
struct Hit {
    page: i64,
    /// Everybody's page of the URL if there is one, otherwise that page.
    url: i64,
    score: i64,
    /// The card by whose title it was found, if any.
    titled: Option<CardId>,
}

struct Search<'a> {
    connection: &'a Connection,
    query: &'a SearchQuery,
    request: &'a SearchRequest,
    urls: Vec<Hit>,
}

fn of_urls(connection: &Connection, query: &SearchQuery, request: &SearchRequest) -> Result<Vec<Hit>, Failure> {
    let reader = request.reader.as_ref().map(UserId::as_str);
    if request.mine && reader.is_none() {
        return Ok(Vec::new());
    }
    let (kind, keeper) = (request.kind.map(|kind| kind.name()), reader.filter(|_| request.mine));
    let mut hits = Vec::new();
    for url in &query.urls {
        let digest = url_digest(url.normalised());
        let own = reader.map(|reader| page_key(&digest, Some(reader)));
        let values: [&dyn ToSql; 4] = [&digest, &own, &kind, &keeper];
        let read = |row: &Row<'_>| {
            let hit = hit(row, |cards| score(Pass::Url, true, 0, cards))?;
            Ok::<_, Failure>(Hit { url: get::<Option<i64>>(row, "everybodys")?.unwrap_or(hit.page), ..hit })
        };
        hits.extend(first(connection, OF_URL, &values, read)?);
    }
    Ok(hits)
}

/// From `number` and `cards`.
fn hit(row: &Row<'_>, score: impl FnOnce(i64) -> i64) -> Result<Hit, Failure> {
    let page = get(row, "number")?;
    Ok(Hit { page, url: page, score: score(get(row, "cards")?), titled: None })
}

/// How words must match, and how they matched in the pass before.
fn ways<'a>(pass: Pass, others: &'a Alternatives, none: &'a Alternatives) -> (As<'a>, Option<As<'a>>) {
    match pass {
        Pass::Url | Pass::Whole => (As::Whole, None),
        Pass::Begun => (As::Begun(none), Some(As::Whole)),
        Pass::Inside => (As::Begun(others), Some(As::Begun(none))),
        Pass::Near => (As::Begun(others), None),
    }
}

impl Search<'_> {
    fn reader(&self) -> Option<&str> {
        self.request.reader.as_ref().map(UserId::as_str)
    }

    /// In any order. Each URL has one hit, the best; among equals, not the one by a title.
    fn of_words(&self, pass: Pass, others: &Alternatives) -> Result<Vec<Hit>, Failure> {
        let none = Alternatives::new();
        let (how, before) = ways(pass, others, &none);
        let mut found = self.listed(pass, before)?;
        let mut hits = self.in_pages(pass, how, before)?;
        hits.extend(self.in_titles(pass, how, before)?);
        hits.sort_by_key(|hit| (hit.url, Reverse(hit.score)));
        hits.retain(|hit| found.insert(hit.url));
        let own = self.in_notes(pass, how, before)?;
        hits.extend(own.into_iter().filter(|hit| !found.contains(&hit.url)));
        Ok(hits)
    }

    /// The URLs listed by earlier passes, whatever the words of everybody's page.
    fn listed(&self, pass: Pass, before: Option<As<'_>>) -> Result<BTreeSet<i64>, Failure> {
        let mut listed: BTreeSet<i64> = self.urls.iter().map(|hit| hit.url).collect();
        if let Some(before) = before {
            let earlier = if pass == Pass::Inside { Pass::Begun } else { Pass::Whole };
            listed.extend(self.in_titles(earlier, before, None)?.iter().map(|hit| hit.url));
            listed.extend(self.in_notes(earlier, before, None)?.iter().map(|hit| hit.url));
        }
        Ok(listed)
    }

    fn in_pages(&self, pass: Pass, how: As<'_>, before: Option<As<'_>>) -> Result<Vec<Hit>, Failure> {
        let (reader, kind) = (self.reader(), self.request.kind);
        let read = |row: &Row<'_>| self.of_page(row, pass, how, before);
        let hits = match (self.request.mine, reader) {
            (true, None) => Vec::new(),
            (true, Some(reader)) if keeps_few(self.connection, reader)? => {
                rows(self.connection, IN_FEW_PAGES, &[&reader, &kind.map(|kind| kind.name())], read)?
            }
            (mine, reader) => {
                let asked = in_pages(self.query, how, before, kind);
                let keeper = reader.filter(|_| mine);
                rows(self.connection, IN_PAGES, &[&asked, &NUMBER, &keeper, &signed(MAX_RANKED)], read)?
            }
        };
        Ok(hits.into_iter().flatten().collect())
    }

    /// Hits by the title of a card that the reader sees.
    fn in_titles(&self, pass: Pass, how: As<'_>, before: Option<As<'_>>) -> Result<Vec<Hit>, Failure> {
        let reader = self.reader();
        if self.request.mine && reader.is_none() {
            return Ok(Vec::new());
        }
        let read = |row: &Row<'_>| {
            let titled = Some(card_id(get(row, "card_id")?));
            Ok::<_, Failure>(self.of_page(row, pass, how, before)?.map(|hit| Hit { titled, ..hit }))
        };
        let asked = in_pages(self.query, how, before, self.request.kind);
        let keeper = reader.filter(|_| self.request.mine);
        let hits = rows(self.connection, IN_TITLES, &[&asked, &reader, &keeper, &signed(MAX_RANKED)], read)?;
        Ok(hits.into_iter().flatten().collect())
    }

    /// From the columns of a page, and its `number` and `cards`.
    fn of_page(&self, row: &Row<'_>, pass: Pass, how: As<'_>, before: Option<As<'_>>) -> Result<Option<Hit>, Failure> {
        let fields = fields(row, 4)?;
        if before.is_some_and(|before| rank(self.query, before, fields.all()).is_some()) {
            return Ok(None);
        }
        let Some(rank) = rank(self.query, how, fields.all()) else { return Ok(None) };
        let is_exact = pass == Pass::Whole && fields.are_spelled_so(self.query);
        hit(row, |cards| score(pass, is_exact, rank, cards)).map(Some)
    }

    /// Hits that need the reader's own notes, which count half and are never whole, and hits that only the reader may
    /// find.
    fn in_notes(&self, pass: Pass, how: As<'_>, before: Option<As<'_>>) -> Result<Vec<Hit>, Failure> {
        let Some(reader) = &self.request.reader else { return Ok(Vec::new()) };
        let read = |row: &Row<'_>| {
            let fields = fields(row, 5)?;
            let has = |how, columns| rank(self.query, how, columns).is_some();
            let was_listed = before.is_some_and(|before| has(before, fields.all()));
            let private: bool = get(row, "private")?;
            let is_listed = match pass {
                _ if private => was_listed,
                Pass::Url | Pass::Whole => true,
                Pass::Inside => was_listed || has(how, fields.page()),
                Pass::Begun | Pass::Near => has(how, fields.page()),
            };
            let Some(rank) = rank(self.query, how, fields.all()).filter(|_| !is_listed) else { return Ok(None) };
            let rank = if private { rank } else { rank / 2 };
            let is_exact = pass == Pass::Whole && fields.are_spelled_so(self.query);
            let hit = hit(row, |cards| score(pass, is_exact, rank, cards))?;
            Ok::<_, Failure>(Some(Hit { url: get::<Option<i64>>(row, "everybodys")?.unwrap_or(hit.page), ..hit }))
        };
        let asked = in_notes(self.query, how, self.request.kind, reader);
        let hits = rows(self.connection, IN_NOTES, &[&asked, &reader.as_str(), &signed(MAX_RANKED)], read)?;
        let mut hits: Vec<Hit> = hits.into_iter().flatten().collect();
        if let Some(before) = before.filter(|_| !self.request.mine) {
            let listed = self.with_page_as(before, &hits)?;
            hits.retain(|hit| !listed.contains(&hit.url));
        }
        Ok(hits)
    }

    /// Of hits by the reader's own pages, those of which everybody's page has the words so.
    fn with_page_as(&self, how: As<'_>, hits: &[Hit]) -> Result<BTreeSet<i64>, Failure> {
        let kind = self.request.kind.map(|kind| kind.name());
        let has = |row: &Row<'_>| Ok::<_, Failure>(rank(self.query, how, fields(row, 4)?.all()).is_some());
        let mut with = BTreeSet::new();
        for hit in hits.iter().filter(|hit| hit.url != hit.page) {
            if first(self.connection, IN_PAGE, &[&hit.url, &kind], has)?.unwrap_or_default() {
                with.insert(hit.url);
            }
        }
        Ok(with)
    }

    /// Up to this many of them, after this place, best first.
    fn shown(
        &self,
        mut hits: Vec<Hit>,
        after: Option<&Position>,
        wanted: usize,
    ) -> Result<Vec<(SearchHit, Position)>, Failure> {
        if let Some(after) = after {
            let page = after.id.parse().map_err(|_| Failure::Refused(no_cursor()))?;
            let last = (Reverse(after.key), page);
            hits.retain(|hit| (Reverse(hit.score), hit.page) > last);
        }
        hits.sort_unstable_by_key(|hit| (Reverse(hit.score), hit.page));
        let mut shown = Vec::new();
        for hit in hits {
            if shown.len() == wanted {
                break;
            }
            let place = Position { key: hit.score, id: hit.page.to_string() };
            shown.extend(self.seen(hit)?.map(|shown| (shown, place)));
        }
        Ok(shown)
    }

    /// `None`: the reader sees none of its cards. It gets the reader's own title. Otherwise, if a card's title led to
    /// it, it gets that one; otherwise its page's; and if the page has none, that of its oldest card.
    fn seen(&self, hit: Hit) -> Result<Option<SearchHit>, Failure> {
        let card = |row: &Row<'_>| {
            let (card, title) = (card_id(get(row, "card_id")?), get::<Option<String>>(row, "title")?);
            Ok::<_, Failure>((card, get::<String>(row, "url")?, title))
        };
        let (connection, reader) = (self.connection, self.reader());
        let cards = match self.request.mine {
            true => rows(connection, OWN_CARD, &[&reader, &hit.page], card)?,
            false => rows(connection, CARDS, &[&hit.page, &reader, &signed(MAX_HIT_CARDS)], card)?,
        };
        let Some((_, url, _)) = cards.first().cloned() else { return Ok(None) };
        let own = |row: &Row<'_>| Ok((get_visibility(row)?, get::<Option<String>>(row, "title")?));
        let (visibility, own_title) = first(connection, OWN_WORD, &[&reader, &hit.page], own)?.unwrap_or_default();
        // The owner's current title.
        let called = |card: CardId| {
            let title = first(connection, TITLE_OF, &[&blob(card.ulid())], |row| get::<Option<String>>(row, "title"))?;
            Ok::<_, Failure>(title.flatten())
        };
        let found_by = hit.titled.map(called).transpose()?.flatten();
        let read =
            |row: &Row<'_>| Ok((get(row, "title")?, get(row, "description")?, get_kind(row)?, get_pictures(row)?));
        let (of_page, description, kind, pictures) = first(connection, SHOWN, &[&hit.page], read)?.unwrap_or_default();
        let of_card = || cards.iter().find_map(|(.., title)| title.clone());
        let title = own_title.or(found_by).or(of_page).or_else(of_card);
        let card_ids = cards.into_iter().map(|(card, ..)| card).collect();
        Ok(Some(SearchHit {
            url,
            title,
            description,
            kind,
            pictures,
            card_ids,
            visibility,
            rank: hit.score as f32 / 1e9,
        }))
    }

    /// The query with the words by which the best hit was found. `None`: with none of them.
    fn corrected(&self, hits: &[Hit], near: &Alternatives) -> Result<Option<String>, Failure> {
        let Some((_, best)) = self.shown(hits.to_vec(), None, 1)?.pop() else { return Ok(None) };
        let page: i64 = best.id.parse().map_err(|_| Failure::Refused(no_cursor()))?;
        let mut had: BTreeMap<String, String> = BTreeMap::new();
        for (asked, words) in near {
            for word in words {
                if self.has(page, word)? {
                    had.insert(asked.clone(), word.clone());
                    break;
                }
            }
        }
        Ok((!had.is_empty()).then(|| corrected(&self.request.text, &had)))
    }

    fn has(&self, page: i64, word: &str) -> Result<bool, Failure> {
        let (asked, reader) = (quoted(word), self.reader());
        let is_in =
            |sql, values: &[&dyn ToSql]| Ok::<_, Failure>(first(self.connection, sql, values, |_| Ok(()))?.is_some());
        Ok(is_in(HAS_WORD, &[&asked, &page])?
            || is_in(TITLE_HAS_WORD, &[&asked, &page, &reader])?
            || (reader.is_some() && is_in(NOTE_HAS_WORD, &[&asked, &page, &reader])?))
    }
}

fn keeps_few(connection: &Connection, reader: &str) -> Result<bool, Failure> {
    let count: Option<i64> = first(connection, HOW_MANY, &[&reader, &signed(FEW + 1)], |row| get(row, "n"))?;
    Ok(count.unwrap_or_default() <= signed(FEW))
}

/// The scope, and this many columns of words.
fn fields<'a>(row: &'a Row<'_>, columns: usize) -> Result<Fields<'a>, Failure> {
    let columns = (1..=columns).map(|at| text_at(row, at)).collect::<Result<Vec<_>, _>>()?;
    Ok(Fields::of(text_at(row, 0)?, &columns))
}

fn text_at<'a>(row: &'a Row<'_>, column: usize) -> Result<&'a str, Failure> {
    Ok(row.get_ref(column)?.as_str().map_err(rusqlite::Error::from)?)
}
