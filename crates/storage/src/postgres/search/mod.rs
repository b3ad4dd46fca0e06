//! Search over pages, titles that cards have of their own and, for their owner, notes and cards that others do not see.

mod index;
mod renamed;
mod vector;
mod words;

use async_trait::async_trait;
use cardwire_domain::search::{
    MAX_HIT_CARDS, MAX_MISSPELT, MAX_NEAR_WORDS, Reindexed, SearchHit, SearchIndex, SearchQuery, SearchRequest, Term,
    is_near,
};
use cardwire_domain::{CardId, EventId, Page, PageRequest, Position, RecordedEvent, Result, UserId};
use cardwire_events::Queue;
use sqlx::postgres::PgRow;
use sqlx::types::Uuid;

use super::departed;
use super::error::Failure;
use super::log::{recorded, take};
use super::page_rows::{get_kind, page_of};
use super::pool::Session;
use super::store::PostgresStore;
use super::values::{card_id, get, get_count, get_visibility, no_cursor, signed, uuid};
use crate::seen::sees_card;
pub(super) use index::{drop_stray_pages, index_cards, index_page};
use vector::{Near, ts_query};

/// Words of the page: all found whole before found at the beginning of longer ones, then by where and how near to each other they are,
/// then by how many people keep the URL. What only the reader's own note completes counts half; a page of their own counts in full. Of very
/// many pages, those that most people keep are ranked, and of very many cards found by their own titles the newest; a word that frequent
/// says little by itself.
///
/// A hit is called what the reader calls it; else, if it is found by the title of a card, so; else as its page is, or, where that has no
/// title, as the oldest of its cards is.
///
/// The index may be behind: which cards of a page the reader sees is asked of the cards themselves, hit by hit until the list is full.
const SEARCH: &str = concat!(
    "\
WITH q AS (SELECT $1::tsquery AS asked, $2::tsquery AS whole), popular AS (
    SELECT p.url_digest, p.words, p.cards FROM search_pages p
    WHERE p.words @@ $1::tsquery AND ($4::text IS NULL OR p.kind = $4)
      AND (NOT $5 OR EXISTS (
          SELECT 1 FROM search_documents d WHERE d.owner_id = $3 AND d.url_digest = p.url_digest AND NOT d.private))
    ORDER BY p.popularity DESC, p.url_digest LIMIT $10
), titled AS (
    SELECT t.card_id, t.url_digest, t.words
    FROM search_titles t JOIN cards k ON k.id = t.card_id AND k.library_link IS NOT NULL
    WHERE t.words @@ $1::tsquery AND (NOT $5 OR t.owner_id = $3)
      AND ($4::text IS NULL OR EXISTS (SELECT 1 FROM pages g WHERE g.url_digest = t.url_digest AND g.kind = $4)) AND ",
    sees_card!("k", "$3"),
    "
    ORDER BY t.card_id DESC LIMIT $10
), hits AS (
    SELECT p.url_digest, p.url_digest AS page, NULL::uuid AS titled,
           CASE WHEN p.words @@ q.whole THEN 1000000000 ELSE 0 END
           + (ts_rank('{0.1, 0.3, 0.5, 1.0}', p.words, q.asked) * 1e6)::bigint * 1000 + least(p.cards, 999) AS score
    FROM q, popular p
    UNION ALL
    SELECT t.url_digest, t.url_digest, t.card_id,
           CASE WHEN t.words @@ q.whole THEN 1000000000 ELSE 0 END
           + (ts_rank('{0.1, 0.3, 0.5, 1.0}', t.words, q.asked) * 1e6)::bigint * 1000 + coalesce(least(p.cards, 999), 0)
    FROM q, titled t LEFT JOIN search_pages p ON p.url_digest = t.url_digest
    UNION ALL
    SELECT d.url_digest, g.url_digest, NULL,
           CASE WHEN d.private AND d.own_words @@ q.whole THEN 1000000000 ELSE 0 END
           + (ts_rank('{0.1, 0.3, 0.5, 1.0}', d.own_words, q.asked) * CASE WHEN d.private THEN 1e6 ELSE 5e5 END)::bigint * 1000
           + coalesce(least(p.cards, 999), 0)
    FROM q, search_documents d JOIN pages g ON g.url_digest = CASE WHEN d.private THEN ",
    page_of!(own "d"),
    " ELSE d.url_digest END
    LEFT JOIN search_pages p ON p.url_digest = d.url_digest
    WHERE d.owner_id = $3 AND d.own_words @@ q.asked AND ($4::text IS NULL OR g.kind = $4)
      AND (p.url_digest IS NULL OR ($5 AND d.private) OR NOT (p.words @@ q.asked AND ($4::text IS NULL OR p.kind = $4)))
), best AS (
    SELECT DISTINCT ON (url_digest) url_digest, page, titled, score FROM hits
    ORDER BY url_digest, score DESC, titled NULLS FIRST
)
SELECT h.score, h.url_digest, g.description, g.kind, c.ids, c.urls[1] AS url, coalesce((
    SELECT o.title FROM cards o WHERE o.owner_id = $3 AND o.url_digest = h.url_digest AND o.library_link IS NOT NULL
), (SELECT o.title FROM cards o WHERE o.id = h.titled), g.title, c.titles[1]) AS title, coalesce((
    SELECT o.private FROM cards o WHERE o.owner_id = $3 AND o.url_digest = h.url_digest AND o.library_link IS NOT NULL
), false) AS private
FROM (
    SELECT url_digest, page, titled, score FROM best
    WHERE $6::bigint IS NULL OR score < $6 OR (score = $6 AND url_digest > $7)
    ORDER BY score DESC, url_digest OFFSET 0
) h
JOIN pages g ON g.url_digest = h.page
CROSS JOIN LATERAL (
    SELECT array_agg(s.card_id ORDER BY s.card_id) AS ids, array_agg(s.url ORDER BY s.card_id) AS urls,
           array_agg(s.title ORDER BY s.card_id) FILTER (WHERE s.title IS NOT NULL) AS titles
    FROM (
        SELECT d.card_id, d.url, k.title
        FROM search_documents d JOIN cards k ON k.id = d.card_id AND k.library_link IS NOT NULL
        WHERE d.url_digest = h.url_digest AND (NOT $5 OR d.owner_id = $3) AND ",
    sees_card!("k", "$3"),
    "
        ORDER BY d.card_id LIMIT $9
    ) s
) c
WHERE c.ids IS NOT NULL
ORDER BY h.score DESC, h.url_digest LIMIT $8"
);

/// Indexed words that look like these. Swapping two letters is two edits to this function.
const NEAR: &str = "\
SELECT asked.word AS asked, near.word FROM unnest($1::text[]) AS asked(word)
CROSS JOIN LATERAL (
    SELECT DISTINCT s.word, levenshtein_less_equal(s.word, asked.word, 4) AS edits FROM search_words s
    WHERE s.word % asked.word AND s.owner_id IN ('', $2)
      AND length(s.word) BETWEEN length(asked.word) - 2 AND length(asked.word) + 2
      AND levenshtein_less_equal(s.word, asked.word, 4) <= 4
    ORDER BY edits, s.word LIMIT 50
) near
ORDER BY asked.word, near.edits, near.word";

const UNKNOWN: &str = "\
SELECT DISTINCT asked.word FROM unnest($1::text[]) AS asked(word) WHERE NOT EXISTS (
    SELECT 1 FROM search_words s
    WHERE s.word >= asked.word AND s.word < asked.word || U&'\\+10FFFF' AND s.owner_id IN ('', $2)
)";

/// Of a portion, so many cards may be left out of the index. When more cannot be indexed, it is hardly the cards' fault.
const MAX_UNFIT: usize = 20;
/// How many pages are ranked.
const MAX_RANKED: i64 = 1_000;
/// Of a search for words in a row.
const MAX_RANKED_PHRASE: i64 = 50_000;
/// Longer words are not looked up: the server measures the distance of up to 255 bytes.
const NEAR_CHARS: usize = 50;
/// Marks the cursor of a search for similar words.
const SIMILAR: char = '~';

impl PostgresStore {
    /// Halves what fails, until those that cannot be indexed stand alone; they are returned, and why.
    async fn index_halving(&self, cards: Vec<Uuid>) -> Result<Vec<(CardId, String)>, Failure> {
        let (mut rest, mut failed) = (vec![cards], Vec::new());
        while let Some(mut cards) = rest.pop() {
            match (self.index_at_once(&cards).await, cards.as_slice()) {
                (Err(failure), [card]) if failure.is_about_data() => {
                    failed.push((card_id(*card), failure.to_string()));
                    if let [(first, why), _, ..] = failed.as_slice()
                        && failed.len() > MAX_UNFIT
                    {
                        let why = format!("more than {MAX_UNFIT} cards cannot be indexed, the first is {first}: {why}");
                        return Err(Failure::Nonsense(why));
                    }
                }
                (Err(failure), [_, _, ..]) if failure.is_about_data() => {
                    rest.push(cards.split_off(cards.len() / 2));
                    rest.push(cards);
                }
                (result, _) => result?,
            }
        }
        Ok(failed)
    }

    async fn index_at_once(&self, cards: &[Uuid]) -> Result<(), Failure> {
        let mut session = self.batch_session().await?;
        session.begin().await?;
        index_cards(&mut session, cards).await?;
        session.commit().await
    }
}

#[async_trait]
impl SearchIndex for PostgresStore {
    async fn index(&self, events: &[RecordedEvent]) -> Result<usize> {
        let mut session = self.batch_session().await.map_err(Failure::of_effect)?;
        index(&mut session, events).await.map_err(Failure::of_effect)
    }

    async fn reindex(&self, after: Option<CardId>, limit: usize) -> Result<Option<Reindexed>> {
        let mut session = self.batch_session().await?;
        let sql = "SELECT id FROM cards WHERE $1::uuid IS NULL OR id > $1 ORDER BY id LIMIT $2";
        let query = sqlx::query(sql).bind(after.map(|id| uuid(id.ulid()))).bind(signed(limit));
        let rows = session.fetch_all(query).await?;
        let cards = rows.iter().map(|row| get(row, "id")).collect::<Result<Vec<Uuid>, Failure>>()?;
        let Some(last) = cards.last().copied() else {
            words::drop_strays(&mut session).await?;
            return Ok(None);
        };
        drop(session);
        let failed = self.index_halving(cards).await?;
        Ok(Some(Reindexed { last: card_id(last), failed }))
    }

    async fn card_count(&self) -> Result<u64> {
        let rows = self.batch_session().await?.fetch_all(sqlx::query("SELECT count(*) FROM cards")).await?;
        Ok(rows.first().map_or(Ok(0), |row| get_count(row, "count"))?)
    }

    async fn search(&self, request: &SearchRequest, page: &PageRequest) -> Result<Page<SearchHit>> {
        let nothing = Page { items: Vec::new(), next: None };
        let Some(query) = SearchQuery::parse(&request.text) else {
            return Ok(nothing);
        };
        let mut session = self.session().await?;
        let similar = page.after.as_ref().is_some_and(|after| after.id.starts_with(SIMILAR));
        if !similar {
            let found = search(&mut session, &query, None, request, page).await?;
            if !found.items.is_empty() || page.after.is_some() {
                return Ok(found);
            }
        }
        match near(&mut session, &query, request.reader.as_ref()).await? {
            near if near.is_empty() => Ok(nothing),
            near => search(&mut session, &query, Some(&near), request, page).await,
        }
    }
}

async fn index(session: &mut Session, events: &[RecordedEvent]) -> Result<usize, Failure> {
    if events.is_empty() {
        return Ok(0);
    }
    let ids: Vec<EventId> = events.iter().map(|event| event.id).collect();
    let known = recorded(session, &ids).await?;
    let ids: Vec<EventId> = known.iter().map(|event| event.id).collect();
    session.begin().await?;
    let taken: std::collections::BTreeSet<EventId> = take(session, Queue::Search, &ids).await?.into_iter().collect();
    let ours: Vec<&RecordedEvent> = known.iter().filter(|event| taken.contains(&event.id)).collect();
    let named = ours.iter().filter_map(|event| event.event.card_id());
    let mut cards: Vec<Uuid> = named.map(|id| uuid(id.ulid())).collect();
    cards.extend(departed::indexed(session, &departed::people(ours)).await?);
    cards.sort_unstable();
    cards.dedup();
    index_cards(session, &cards).await?;
    session.commit().await?;
    Ok(taken.len())
}

async fn search(
    session: &mut Session,
    query: &SearchQuery,
    near: Option<&Near>,
    request: &SearchRequest,
    page: &PageRequest,
) -> Result<Page<SearchHit>> {
    let mark = if near.is_some() { SIMILAR.to_string() } else { String::new() };
    let (key, digest) = match &page.after {
        None => (None, None),
        Some(after) => {
            let digest = after.id.strip_prefix(&mark).and_then(from_hex).ok_or_else(no_cursor)?;
            (Some(after.key), Some(digest))
        }
    };
    // Few pages hold a phrase, but the server takes it for as frequent as its words: let it use their index.
    let phrase = query.required.iter().any(|term| matches!(term, Term::Phrase(_)));
    let (asked, whole) = ts_query(query, near);
    let query = sqlx::query(SEARCH)
        .bind(asked)
        .bind(whole)
        .bind(request.reader.as_ref().map(UserId::as_str))
        .bind(request.kind.map(|kind| kind.name()))
        .bind(request.mine)
        .bind(key)
        .bind(digest)
        .bind(page.limit.get() as i64 + 1)
        .bind(signed(MAX_HIT_CARDS))
        .bind(if phrase { MAX_RANKED_PHRASE } else { MAX_RANKED })
        // Planned for these words: how frequent they are decides where to look.
        .persistent(false);
    let rows = session.fetch_all(query).await?;
    let hits = rows.iter().map(|row| read(row, &mark)).collect::<Result<Vec<_>, Failure>>()?;
    let page = Page::cut(hits, page.limit, |(_, position)| position.clone());
    Ok(page.map(|(hit, _)| hit))
}

/// Similar words for those that occur nowhere, the nearest first.
async fn near(session: &mut Session, query: &SearchQuery, reader: Option<&UserId>) -> Result<Near, Failure> {
    let words = query.required.iter().filter_map(|term| match term {
        Term::Word { word, .. } if (4..=NEAR_CHARS).contains(&word.chars().count()) => Some(word.clone()),
        _ => None,
    });
    let words: Vec<String> = words.collect();
    let reader = reader.map(UserId::as_str);
    let unknown = session.fetch_all(sqlx::query(UNKNOWN).bind(words).bind(reader)).await?;
    let words = unknown.iter().map(|row| get(row, "word")).collect::<Result<Vec<String>, Failure>>()?;
    // Every word must occur, so with more of them there is nothing to find.
    if words.is_empty() || words.len() > MAX_MISSPELT {
        return Ok(Near::new());
    }
    // A slip spoils up to four trigrams, whatever the word's length; the fewer are asked for, the more words are looked at.
    let shortest = words.iter().map(|word| word.chars().count()).min().unwrap_or_default();
    let threshold = if shortest < 6 {
        "0.1"
    } else if shortest < 8 {
        "0.2"
    } else {
        "0.25"
    };
    let sql = "SELECT set_config('pg_trgm.similarity_threshold', $1, false)";
    session.execute(sqlx::query(sql).bind(threshold)).await?;
    let query = sqlx::query(NEAR).bind(words).bind(reader);
    let mut found: std::collections::BTreeMap<String, Vec<(usize, String)>> = std::collections::BTreeMap::new();
    for row in session.fetch_all(query).await? {
        let (asked, word): (String, String) = (get(&row, "asked")?, get(&row, "word")?);
        if let Some(distance) = is_near(&asked, &word) {
            found.entry(asked).or_default().push((distance, word));
        }
    }
    let nearest = |mut words: Vec<(usize, String)>| {
        words.sort_unstable();
        words.into_iter().take(MAX_NEAR_WORDS).map(|(_, word)| word).collect()
    };
    Ok(found.into_iter().map(|(asked, words)| (asked, nearest(words))).collect())
}

fn read(row: &PgRow, mark: &str) -> Result<(SearchHit, Position), Failure> {
    let score: i64 = get(row, "score")?;
    let digest: Vec<u8> = get(row, "url_digest")?;
    let cards: Vec<Uuid> = get(row, "ids")?;
    let hit = SearchHit {
        url: get(row, "url")?,
        title: get(row, "title")?,
        description: get(row, "description")?,
        kind: get_kind(row)?,
        card_ids: cards.into_iter().map(card_id).collect(),
        visibility: get_visibility(row)?,
        rank: score as f32 / 1e9,
    };
    Ok((hit, Position { key: score, id: format!("{mark}{}", to_hex(&digest)) }))
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_survive_a_cursor() {
        let digest: Vec<u8> = (0..32).collect();
        assert_eq!(from_hex(&to_hex(&digest)), Some(digest));
        for bad in ["", "zz", &"g".repeat(64), &"ü".repeat(32)] {
            assert_eq!(from_hex(bad), None, "{bad:?}");
        }
    }
}
