//! Search over pages, titles that cards have of their own and, for their owner, notes and cards that others do not see.
//!
//! The index may be behind: which cards of a page the reader sees is asked of the cards themselves, hit by hit until the list is full.

mod index;
mod rank;
mod renamed;
mod text;
mod words;

use std::cmp::Reverse;
use std::collections::BTreeSet;

use async_trait::async_trait;
use cardwire_domain::search::{MAX_HIT_CARDS, Reindexed, SearchHit, SearchIndex, SearchQuery, SearchRequest};
use cardwire_domain::{CardId, EventId, Page, PageRequest, Position, RecordedEvent, Result, UserId};
use cardwire_events::Queue;
use jiff::Timestamp;
use rusqlite::{Connection, Row};

use super::departed;
use super::error::Failure;
use super::log::{recorded, take};
use super::page_rows::get_kind;
use super::store::SqliteStore;
use super::values::{blob, card_id, first, get, get_visibility, no_cursor, rows, signed};
use crate::seen::sees_card;
use rank::Fields;
use text::Near;

pub(super) use index::{index_page, purge_texts, reindex};

/// Of a portion, so many cards may be left out of the index. When more cannot be indexed, it is hardly the cards' fault.
const MAX_UNFIT: usize = 20;
/// How many pages are ranked; a word that frequent says little by itself.
const MAX_RANKED: usize = 1_000;
/// Of somebody who keeps no more than this, all pages are looked at.
const FEW: usize = 2_000;
/// What the score is a multiple of, so that how many people keep a page decides only between equal ones.
const RANK_UNIT: i64 = 1_000;
/// Marks the cursor of a search for similar words.
const SIMILAR: char = '~';

/// What most people keep comes first.
const IN_PAGES: &str = "\
SELECT t.title, t.names, t.description, t.url, p.number, p.cards
FROM search_pages t CROSS JOIN pages p ON p.number = t.rowid & ?2
WHERE t.search_pages MATCH ?1
  AND (?3 IS NULL OR EXISTS (SELECT 1 FROM search_documents d WHERE d.owner_id = ?3 AND d.page = p.number))
ORDER BY t.rowid LIMIT ?4";

const IN_FEW_PAGES: &str = "\
SELECT t.title, t.names, t.description, t.url, p.number, p.cards
FROM search_documents d CROSS JOIN pages p ON p.number = d.page CROSS JOIN search_pages t ON t.rowid = p.place
WHERE d.owner_id = ?1 AND (?2 IS NULL OR p.kind = ?2)";

/// Of the reader's own page, everybody's of the same URL, too.
const IN_NOTES: &str = "\
SELECT t.title, t.names, t.description, t.url, t.note, p.number, coalesce(e.cards, p.cards) AS cards, d.private, e.number AS everybodys
FROM search_notes t CROSS JOIN search_documents d ON d.number = t.rowid CROSS JOIN pages p ON p.number = d.page
LEFT JOIN pages e ON d.private AND e.url_digest = substr(p.url_digest, 1, 32)
WHERE t.search_notes MATCH ?1 AND d.owner_id = ?2
ORDER BY t.rowid DESC LIMIT ?3";

/// Of very many, the newest.
const IN_TITLES: &str = concat!(
    "SELECT t.title, t.names, t.description, t.url, p.number, p.cards, d.card_id \
     FROM search_titles t CROSS JOIN search_documents d ON d.number = t.rowid CROSS JOIN pages p ON p.number = d.page \
     CROSS JOIN cards c ON c.id = d.card_id AND c.library_link IS NOT NULL \
     WHERE t.search_titles MATCH ?1 AND (?3 IS NULL OR d.owner_id = ?3) AND ",
    sees_card!("c", "?2"),
    " ORDER BY t.rowid DESC LIMIT ?4"
);

const HOW_MANY: &str = "SELECT count(*) AS n FROM (SELECT 1 FROM search_documents WHERE owner_id = ?1 LIMIT ?2)";

const SHOWN: &str = "SELECT title, description, kind FROM pages WHERE number = ?1";
const TITLE_OF: &str = "SELECT title FROM cards WHERE id = ?1";
/// Those that the reader sees, whichever page of the URL they show.
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

const NEXT_CARDS: &str = "SELECT id FROM cards WHERE id > ?1 ORDER BY id LIMIT ?2";

#[async_trait]
impl SearchIndex for SqliteStore {
    async fn index(&self, events: &[RecordedEvent]) -> Result<usize> {
        let ids: Vec<EventId> = events.iter().map(|event| event.id).collect();
        self.write(move |connection, now| index(connection, now, &ids)).await.map_err(Failure::of_effect)
    }

    async fn reindex(&self, after: Option<CardId>, limit: usize) -> Result<Option<Reindexed>> {
        let after = after.map(|card| blob(card.ulid()).to_vec()).unwrap_or_default();
        let next = move |connection: &Connection, _| {
            rows(connection, NEXT_CARDS, &[&after, &signed(limit)], |row| Ok(card_id(get(row, "id")?)))
        };
        let cards = self.read(next).await?;
        let Some(last) = cards.last().copied() else {
            self.in_portions(|connection, _, after| words::drop_strays(connection, after)).await?;
            return Ok(None);
        };
        Ok(Some(Reindexed { last, failed: self.index_all(cards).await? }))
    }

    async fn card_count(&self) -> Result<u64> {
        let count = |connection: &Connection, _| {
            let count = first(connection, "SELECT count(*) AS n FROM cards", &[], |row| get::<i64>(row, "n"))?;
            Ok(count.unwrap_or_default().unsigned_abs())
        };
        Ok(self.read(count).await?)
    }

    async fn search(&self, request: &SearchRequest, page: &PageRequest) -> Result<Page<SearchHit>> {
        let Some(query) = SearchQuery::parse(&request.text) else {
            return Ok(Page { items: Vec::new(), next: None });
        };
        let (request, page) = (request.clone(), page.clone());
        Ok(self.read(move |connection, _| search(connection, &query, &request, &page)).await?)
    }
}

impl SqliteStore {
    /// Those that cannot be indexed are returned, and why.
    async fn index_all(&self, cards: Vec<CardId>) -> Result<Vec<(CardId, String)>, Failure> {
        let all = cards.clone();
        match self.write(move |connection, now| reindex(connection, now, &all)).await {
            Err(failure) if failure.is_about_data() => {}
            result => return result.map(|()| Vec::new()),
        }
        let mut failed = Vec::new();
        for card in cards {
            match self.write(move |connection, now| reindex(connection, now, &[card])).await {
                Err(failure) if failure.is_about_data() => failed.push((card, failure.to_string())),
                result => result?,
            }
            if let [(first, why), _, ..] = failed.as_slice()
                && failed.len() > MAX_UNFIT
            {
                let why = format!("more than {MAX_UNFIT} cards cannot be indexed, the first is {first}: {why}");
                return Err(Failure::Nonsense(why));
            }
        }
        Ok(failed)
    }
}

fn index(connection: &Connection, now: Timestamp, events: &[EventId]) -> Result<usize, Failure> {
    let known = recorded(connection, events)?;
    let ids: Vec<EventId> = known.iter().map(|event| event.id).collect();
    let taken: BTreeSet<EventId> = take(connection, Queue::Search, &ids)?.into_iter().collect();
    let ours: Vec<&RecordedEvent> = known.iter().filter(|event| taken.contains(&event.id)).collect();
    let mut cards: Vec<CardId> = ours.iter().filter_map(|event| event.event.card_id()).collect();
    cards.extend(departed::indexed(connection, &departed::people(ours))?);
    cards.sort_unstable();
    cards.dedup();
    reindex(connection, now, &cards)?;
    Ok(taken.len())
}

fn search(
    connection: &Connection,
    query: &SearchQuery,
    request: &SearchRequest,
    page: &PageRequest,
) -> Result<Page<SearchHit>, Failure> {
    let similar = page.after.as_ref().is_some_and(|after| after.id.starts_with(SIMILAR));
    if !similar {
        let found = find(connection, query, &Near::new(), request, page)?;
        if !found.items.is_empty() || page.after.is_some() {
            return Ok(found);
        }
    }
    match words::near(connection, query, request.reader.as_ref())? {
        near if near.is_empty() => Ok(Page { items: Vec::new(), next: None }),
        near => find(connection, query, &near, request, page),
    }
}

struct Found {
    page: i64,
    score: i64,
    /// The card by whose title it is found, if it is found so.
    titled: Option<CardId>,
}

/// From `number` and `cards`.
fn found(row: &Row<'_>, rank: i64) -> Result<Found, Failure> {
    let cards: i64 = get(row, "cards")?;
    Ok(Found { page: get(row, "number")?, score: rank * RANK_UNIT + cards.min(RANK_UNIT - 1), titled: None })
}

fn find(
    connection: &Connection,
    query: &SearchQuery,
    near: &Near,
    request: &SearchRequest,
    page: &PageRequest,
) -> Result<Page<SearchHit>, Failure> {
    let mark = if near.is_empty() { String::new() } else { SIMILAR.to_string() };
    let mut hits = in_pages(connection, query, near, request)?;
    hits.extend(in_titles(connection, query, near, request)?);
    // A URL is one hit, the best; of equally good ones not that by a title.
    hits.sort_by_key(|hit| (Reverse(hit.score), hit.page));
    let mut found = BTreeSet::new();
    hits.retain(|hit| found.insert(hit.page));
    let own = in_notes(connection, query, near, request)?.into_iter();
    let own = own.filter(|(hit, everybodys)| !found.contains(&everybodys.unwrap_or(hit.page)));
    hits.extend(own.map(|(hit, _)| hit));
    if let Some(after) = &page.after {
        let number = after.id.strip_prefix(&mark).and_then(|number| number.parse().ok());
        let last = (Reverse(after.key), number.ok_or_else(|| Failure::Refused(no_cursor()))?);
        hits.retain(|hit| (Reverse(hit.score), hit.page) > last);
    }
    hits.sort_unstable_by_key(|hit| (Reverse(hit.score), hit.page));
    let mut items = Vec::new();
    for hit in &hits {
        if items.len() > page.limit.get() {
            break;
        }
        let position = Position { key: hit.score, id: format!("{mark}{}", hit.page) };
        items.extend(shown(connection, request, hit)?.map(|shown| (shown, position)));
    }
    let cut = Page::cut(items, page.limit, |(_, position)| position.clone());
    Ok(cut.map(|(shown, _)| shown))
}

fn in_pages(
    connection: &Connection,
    query: &SearchQuery,
    near: &Near,
    request: &SearchRequest,
) -> Result<Vec<Found>, Failure> {
    let reader = request.reader.as_ref().map(UserId::as_str);
    let read = |row: &Row<'_>| {
        let columns = [text_at(row, 0)?, text_at(row, 1)?, text_at(row, 2)?, text_at(row, 3)?];
        rank::of_page(query, near, &Fields::of(&columns)).map(|rank| found(row, rank)).transpose()
    };
    let hits = match (request.mine, reader) {
        (true, None) => Vec::new(),
        (true, Some(reader)) if keeps_few(connection, reader)? => {
            rows(connection, IN_FEW_PAGES, &[&reader, &request.kind.map(|kind| kind.name())], read)?
        }
        (mine, reader) => {
            let asked = text::in_pages(query, near, request.kind);
            let keeper = reader.filter(|_| mine);
            rows(connection, IN_PAGES, &[&asked, &index::NUMBER, &keeper, &signed(MAX_RANKED)], read)?
        }
    };
    Ok(hits.into_iter().flatten().collect())
}

fn keeps_few(connection: &Connection, reader: &str) -> Result<bool, Failure> {
    let count: Option<i64> = first(connection, HOW_MANY, &[&reader, &signed(FEW + 1)], |row| get(row, "n"))?;
    Ok(count.unwrap_or_default() <= signed(FEW))
}

/// What the reader's own notes complete, and what they alone may find. Of the latter, everybody's page of the same URL as well.
fn in_notes(
    connection: &Connection,
    query: &SearchQuery,
    near: &Near,
    request: &SearchRequest,
) -> Result<Vec<(Found, Option<i64>)>, Failure> {
    let Some(reader) = &request.reader else { return Ok(Vec::new()) };
    let read = |row: &Row<'_>| {
        let columns = [text_at(row, 0)?, text_at(row, 1)?, text_at(row, 2)?, text_at(row, 3)?, text_at(row, 4)?];
        let fields = Fields::of(&columns);
        let rank = match get(row, "private")? {
            true => rank::of_page(query, near, &fields),
            false => rank::of_note(query, near, &fields),
        };
        rank.map(|rank| Ok((found(row, rank)?, get(row, "everybodys")?))).transpose()
    };
    let asked = text::in_notes(query, near, request.kind, reader);
    let hits = rows(connection, IN_NOTES, &[&asked, &reader.as_str(), &signed(MAX_RANKED)], read)?;
    Ok(hits.into_iter().flatten().collect())
}

/// What is found by the title of a card that the reader sees.
fn in_titles(
    connection: &Connection,
    query: &SearchQuery,
    near: &Near,
    request: &SearchRequest,
) -> Result<Vec<Found>, Failure> {
    let reader = request.reader.as_ref().map(UserId::as_str);
    if request.mine && reader.is_none() {
        return Ok(Vec::new());
    }
    let read = |row: &Row<'_>| {
        let columns = [text_at(row, 0)?, text_at(row, 1)?, text_at(row, 2)?, text_at(row, 3)?];
        let hit = rank::of_page(query, near, &Fields::of(&columns)).map(|rank| found(row, rank)).transpose()?;
        let titled = Some(card_id(get(row, "card_id")?));
        Ok::<_, Failure>(hit.map(|hit| Found { titled, ..hit }))
    };
    let asked = text::in_pages(query, near, request.kind);
    let keeper = reader.filter(|_| request.mine);
    let hits = rows(connection, IN_TITLES, &[&asked, &reader, &keeper, &signed(MAX_RANKED)], read)?;
    Ok(hits.into_iter().flatten().collect())
}

fn text_at<'a>(row: &'a Row<'_>, column: usize) -> Result<&'a str, Failure> {
    Ok(row.get_ref(column)?.as_str().map_err(rusqlite::Error::from)?)
}

/// `None`: the reader sees none of its cards. It is called what the reader calls it; else, if it is found by the title of a card, so; else as
/// its page is, or, where that has no title, as the oldest of its cards is.
fn shown(connection: &Connection, request: &SearchRequest, hit: &Found) -> Result<Option<SearchHit>, Failure> {
    let card = |row: &Row<'_>| {
        let (card, title) = (card_id(get(row, "card_id")?), get::<Option<String>>(row, "title")?);
        Ok::<_, Failure>((card, get::<String>(row, "url")?, title))
    };
    let reader = request.reader.as_ref().map(UserId::as_str);
    let cards = match request.mine {
        true => rows(connection, OWN_CARD, &[&reader, &hit.page], card)?,
        false => rows(connection, CARDS, &[&hit.page, &reader, &signed(MAX_HIT_CARDS)], card)?,
    };
    let Some((_, url, _)) = cards.first().cloned() else { return Ok(None) };
    let own = |row: &Row<'_>| Ok((get_visibility(row)?, get::<Option<String>>(row, "title")?));
    let (visibility, own_title) = first(connection, OWN_WORD, &[&reader, &hit.page], own)?.unwrap_or_default();
    // As its owner calls it now.
    let called = |card: CardId| {
        let title = first(connection, TITLE_OF, &[&blob(card.ulid())], |row| get::<Option<String>>(row, "title"))?;
        Ok::<_, Failure>(title.flatten())
    };
    let found_by = hit.titled.map(called).transpose()?.flatten();
    let read = |row: &Row<'_>| Ok((get(row, "title")?, get(row, "description")?, get_kind(row)?));
    let (of_page, description, kind) = first(connection, SHOWN, &[&hit.page], read)?.unwrap_or_default();
    let of_card = || cards.iter().find_map(|(.., title)| title.clone());
    let title = own_title.or(found_by).or(of_page).or_else(of_card);
    let card_ids = cards.into_iter().map(|(card, ..)| card).collect();
    Ok(Some(SearchHit { url, title, description, kind, card_ids, visibility, rank: hit.score as f32 / 1e9 }))
}
