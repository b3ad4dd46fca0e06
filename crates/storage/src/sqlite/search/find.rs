//! Hits, pass by pass.
//!
//! The index may be behind: which cards of a page the reader sees is asked of the cards themselves, hit by hit until the list is full.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use cardwire_domain::search::{
    Alternatives, Found, Gathering, MAX_HIT_CARDS, Pass, SearchHit, SearchQuery, SearchRequest, corrected, score,
};
use cardwire_domain::{PageRequest, Position, UserId};
use rusqlite::{Connection, Row};

use super::super::error::Failure;
use super::super::page_rows::get_kind;
use super::super::values::{card_id, first, get, get_visibility, no_cursor, rows, signed, url_digest};
use super::asked::{As, in_notes, in_pages, quoted};
use super::index::NUMBER;
use super::rank::{Fields, rank};
use super::words::{inside, near};
use crate::seen::sees_card;

/// How many pages are ranked; a word that frequent says little by itself.
const MAX_RANKED: usize = 1_000;
/// Of somebody who keeps no more than this, all pages are looked at.
const FEW: usize = 2_000;

const OF_URL: &str = "\
SELECT number, cards FROM pages WHERE url_digest = ?1 AND (?2 IS NULL OR kind = ?2)";

/// What most people keep comes first.
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

const IN_NOTES: &str = "\
SELECT t.scope, t.title, t.names, t.description, t.url, t.note, p.number, p.cards, p.place IS NOT NULL AS is_found_by_all
FROM search_notes t CROSS JOIN search_documents d ON d.number = t.rowid CROSS JOIN pages p ON p.number = d.page
WHERE t.search_notes MATCH ?1 AND d.owner_id = ?2
ORDER BY t.rowid DESC LIMIT ?3";

const HOW_MANY: &str = "SELECT count(*) AS n FROM (SELECT 1 FROM search_documents WHERE owner_id = ?1 LIMIT ?2)";

const SHOWN: &str = "SELECT title, description, kind FROM pages WHERE number = ?1";
/// Those that the reader sees.
const CARDS: &str = concat!(
    "SELECT d.card_id, c.url FROM search_documents d JOIN cards c ON c.id = d.card_id AND c.library_link IS NOT NULL \
     WHERE d.page = ?1 AND ",
    sees_card!("c", "?2"),
    " ORDER BY d.card_id LIMIT ?3"
);
const OWN_CARD: &str = "\
SELECT d.card_id, c.url FROM search_documents d JOIN cards c ON c.id = d.card_id AND c.library_link IS NOT NULL
WHERE d.owner_id = ?1 AND d.page = ?2";
const OWN_VISIBILITY: &str = "\
SELECT c.private FROM pages p JOIN cards c ON c.owner_id = ?1 AND c.url_digest = p.url_digest
WHERE p.number = ?2 AND c.library_link IS NOT NULL";

/// Whether a hit has one of these words.
const HAS_WORD: &str =
    "SELECT 1 FROM search_pages WHERE search_pages MATCH ?1 AND rowid = (SELECT place FROM pages WHERE number = ?2)";
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

/// A page that was found.
#[derive(Clone, Copy)]
struct Hit {
    page: i64,
    score: i64,
}

struct Search<'a> {
    connection: &'a Connection,
    query: &'a SearchQuery,
    request: &'a SearchRequest,
    urls: Vec<Hit>,
}

fn of_urls(connection: &Connection, query: &SearchQuery, request: &SearchRequest) -> Result<Vec<Hit>, Failure> {
    let kind = request.kind.map(|kind| kind.name());
    let mut hits = Vec::new();
    for url in &query.urls {
        let read = |row: &Row<'_>| hit(row, |cards| score(Pass::Url, true, 0, cards));
        hits.extend(first(connection, OF_URL, &[&url_digest(url.normalised()), &kind], read)?);
    }
    Ok(hits)
}

/// From `number` and `cards`.
fn hit(row: &Row<'_>, score: impl FnOnce(i64) -> i64) -> Result<Hit, Failure> {
    Ok(Hit { page: get(row, "number")?, score: score(get(row, "cards")?) })
}

impl Search<'_> {
    fn reader(&self) -> Option<&str> {
        self.request.reader.as_ref().map(UserId::as_str)
    }

    /// In any order.
    fn of_words(&self, pass: Pass, others: &Alternatives) -> Result<Vec<Hit>, Failure> {
        let mut hits = self.in_pages(pass, others)?;
        hits.extend(self.in_notes(pass, others)?);
        hits.retain(|hit| self.urls.iter().all(|url| url.page != hit.page));
        Ok(hits)
    }

    fn in_pages(&self, pass: Pass, others: &Alternatives) -> Result<Vec<Hit>, Failure> {
        let none = Alternatives::new();
        let (how, before) = match pass {
            Pass::Url | Pass::Whole => (As::Whole, None),
            Pass::Begun => (As::Begun(&none), Some(As::Whole)),
            Pass::Inside => (As::Begun(others), Some(As::Begun(&none))),
            Pass::Near => (As::Begun(others), None),
        };
        let (reader, kind) = (self.reader(), self.request.kind);
        // Completed by a note, they were listed before.
        let listed: BTreeSet<i64> = match pass {
            Pass::Inside => self.in_notes(Pass::Begun, &none)?.iter().map(|hit| hit.page).collect(),
            _ => BTreeSet::new(),
        };
        let read = |row: &Row<'_>| {
            let columns = [text_at(row, 1)?, text_at(row, 2)?, text_at(row, 3)?, text_at(row, 4)?];
            let fields = Fields::of(text_at(row, 0)?, &columns);
            if before.is_some_and(|before| rank(self.query, before, fields.all()).is_some()) {
                return Ok(None);
            }
            let Some(rank) = rank(self.query, how, fields.all()) else { return Ok(None) };
            let is_exact = pass == Pass::Whole && fields.are_spelled_so(self.query);
            hit(row, |cards| score(pass, is_exact, rank, cards)).map(Some)
        };
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
        Ok(hits.into_iter().flatten().filter(|hit| !listed.contains(&hit.page)).collect())
    }

    /// What the reader's own notes complete, which counts half and is never whole, and what they alone may find.
    fn in_notes(&self, pass: Pass, others: &Alternatives) -> Result<Vec<Hit>, Failure> {
        let Some(reader) = &self.request.reader else { return Ok(Vec::new()) };
        let none = Alternatives::new();
        let how = if pass == Pass::Whole { As::Whole } else { As::Begun(others) };
        let read = |row: &Row<'_>| {
            let columns = [text_at(row, 1)?, text_at(row, 2)?, text_at(row, 3)?, text_at(row, 4)?, text_at(row, 5)?];
            let fields = Fields::of(text_at(row, 0)?, &columns);
            let has = |how, columns| rank(self.query, how, columns).is_some();
            let is_found_by_all: bool = get(row, "is_found_by_all")?;
            let is_listed = match pass {
                Pass::Url | Pass::Whole => is_found_by_all,
                Pass::Begun if is_found_by_all => has(how, fields.page()),
                Pass::Begun => has(As::Whole, fields.all()),
                Pass::Inside => has(As::Begun(&none), fields.all()) || (is_found_by_all && has(how, fields.page())),
                Pass::Near => is_found_by_all && has(how, fields.page()),
            };
            let Some(rank) = rank(self.query, how, fields.all()).filter(|_| !is_listed) else { return Ok(None) };
            let rank = if is_found_by_all { rank / 2 } else { rank };
            let is_exact = pass == Pass::Whole && fields.are_spelled_so(self.query);
            hit(row, |cards| score(pass, is_exact, rank, cards)).map(Some)
        };
        let asked = in_notes(self.query, how, self.request.kind, reader);
        let hits = rows(self.connection, IN_NOTES, &[&asked, &reader.as_str(), &signed(MAX_RANKED)], read)?;
        Ok(hits.into_iter().flatten().collect())
    }

    /// Up to so many of them, behind this place, best first.
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

    /// `None`: the reader sees none of its cards.
    fn seen(&self, hit: Hit) -> Result<Option<SearchHit>, Failure> {
        let card = |row: &Row<'_>| Ok::<_, Failure>((card_id(get(row, "card_id")?), get::<String>(row, "url")?));
        let reader = self.reader();
        let cards = match self.request.mine {
            true => rows(self.connection, OWN_CARD, &[&reader, &hit.page], card)?,
            false => rows(self.connection, CARDS, &[&hit.page, &reader, &signed(MAX_HIT_CARDS)], card)?,
        };
        let Some((_, url)) = cards.first().cloned() else { return Ok(None) };
        let visibility =
            first(self.connection, OWN_VISIBILITY, &[&reader, &hit.page], get_visibility)?.unwrap_or_default();
        let read = |row: &Row<'_>| Ok((get(row, "title")?, get(row, "description")?, get_kind(row)?));
        let (title, description, kind) = first(self.connection, SHOWN, &[&hit.page], read)?.unwrap_or_default();
        let card_ids = cards.into_iter().map(|(card, _)| card).collect();
        Ok(Some(SearchHit { url, title, description, kind, card_ids, visibility, rank: hit.score as f32 / 1e9 }))
    }

    /// The text with the words that the best of the hits was found by. `None`: with none of them.
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
        let asked = quoted(word);
        if first(self.connection, HAS_WORD, &[&asked, &page], |_| Ok(()))?.is_some() {
            return Ok(true);
        }
        let Some(reader) = self.reader() else { return Ok(false) };
        Ok(first(self.connection, NOTE_HAS_WORD, &[&asked, &page, &reader], |_| Ok(()))?.is_some())
    }
}

fn keeps_few(connection: &Connection, reader: &str) -> Result<bool, Failure> {
    let count: Option<i64> = first(connection, HOW_MANY, &[&reader, &signed(FEW + 1)], |row| get(row, "n"))?;
    Ok(count.unwrap_or_default() <= signed(FEW))
}

fn text_at<'a>(row: &'a Row<'_>, column: usize) -> Result<&'a str, Failure> {
    Ok(row.get_ref(column)?.as_str().map_err(rusqlite::Error::from)?)
}
