//! Search over the words of URLs and, for their author, of notes.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use cardwire_domain::search::{SearchHit, SearchIndex};
use cardwire_domain::{EventId, Page, PageRequest, Position, RecordedEvent, Result, UserId};
use cardwire_events::Queue;
use sqlx::postgres::PgRow;
use sqlx::types::Uuid;

use super::PostgresStore;
use super::error::Failure;
use super::log::take;
use super::pool::Session;
use super::values::{card_id, get, no_cursor, uuid};

/// A lexeme holds up to 2,046 bytes; nobody looks for words this long.
const WORD_CHARS: usize = 200;

/// All words, found whole in what everybody sees; found there; found with the help of the reader's note. Of equal ones, the URL that
/// more people saved.
const SEARCH: &str = "\
WITH asked AS (SELECT $1::tsquery AS prefixes, $2::tsquery AS whole),
found AS (
    SELECT d.card_id, d.url, d.url_digest,
           CASE WHEN d.words @@ asked.whole THEN 3000000 WHEN d.words @@ asked.prefixes THEN 2000000 ELSE 1000000 END AS score
    FROM search_documents d, asked WHERE d.words @@ asked.prefixes
    UNION ALL
    SELECT d.card_id, d.url, d.url_digest, 1000000
    FROM search_documents d, asked
    WHERE d.owner_id = $3 AND d.own_words @@ asked.prefixes AND NOT d.words @@ asked.prefixes
), hits AS (
    SELECT url_digest, (array_agg(url ORDER BY card_id))[1] AS url, array_agg(card_id ORDER BY card_id) AS card_ids,
           max(score) + least(count(*), 999999) AS score
    FROM found GROUP BY url_digest
)
SELECT url, card_ids, score, url_digest FROM hits
WHERE $4::bigint IS NULL OR score < $4 OR (score = $4 AND url_digest > $5)
ORDER BY score DESC, url_digest LIMIT $6";

const PUT: &str = "\
INSERT INTO search_documents (card_id, owner_id, url, url_digest, words, own_words)
SELECT n.card_id, c.owner_id, c.url, c.url_digest, array_to_tsvector(string_to_array(n.words, ' ')),
       array_to_tsvector(string_to_array(n.words, ' ')) || array_to_tsvector(string_to_array(n.note, ' '))
FROM unnest($1::uuid[], $2::text[], $3::text[]) AS n(card_id, words, note) JOIN cards c ON c.id = n.card_id
ORDER BY n.card_id
ON CONFLICT (card_id) DO UPDATE SET words = excluded.words, own_words = excluded.own_words";

#[async_trait]
impl SearchIndex for PostgresStore {
    async fn index(&self, events: &[RecordedEvent]) -> Result<usize> {
        let mut session = self.batch_session().await.map_err(Failure::of_effect)?;
        index(&mut session, events).await.map_err(Failure::of_effect)
    }

    async fn search(&self, text: &str, reader: Option<&UserId>, page: &PageRequest) -> Result<Page<SearchHit>> {
        let (key, digest) = match &page.after {
            None => (None, None),
            Some(after) => (Some(after.key), Some(from_hex(&after.id).ok_or_else(no_cursor)?)),
        };
        let Some((prefixes, whole)) = asked(text) else {
            return Ok(Page { items: Vec::new(), next: None });
        };
        let query = sqlx::query(SEARCH)
            .bind(prefixes)
            .bind(whole)
            .bind(reader.map(UserId::as_str))
            .bind(key)
            .bind(digest)
            .bind(page.limit.get() as i64 + 1);
        let rows = self.session().await?.fetch_all(query).await?;
        let hits = rows.iter().map(read).collect::<Result<Vec<_>, Failure>>()?;
        let page = Page::cut(hits, page.limit, |(_, position)| position.clone());
        Ok(page.map(|(hit, _)| hit))
    }
}

async fn index(session: &mut Session, events: &[RecordedEvent]) -> Result<usize, Failure> {
    if events.is_empty() {
        return Ok(0);
    }
    session.begin().await?;
    let ids: Vec<EventId> = events.iter().map(|event| event.id).collect();
    let taken: BTreeSet<EventId> = take(session, Queue::Search, &ids).await?.into_iter().collect();
    let ours = events.iter().filter(|event| taken.contains(&event.id));
    let cards: BTreeSet<Uuid> = ours.filter_map(|event| event.event.card_id()).map(|id| uuid(id.ulid())).collect();
    let cards: Vec<Uuid> = cards.into_iter().collect();
    // Held until the commit, so that nobody indexes a later row before this one. Read only then: what is read along with a lock
    // that had to be waited for may be older than the lock.
    session.execute(sqlx::query("SELECT 1 FROM cards WHERE id = ANY($1) ORDER BY id FOR SHARE").bind(&cards)).await?;
    let sql = "SELECT c.id, c.url, n.text FROM cards c LEFT JOIN notes n ON n.card_id = c.id \
               WHERE c.id = ANY($1) AND c.library_link IS NOT NULL";
    let mut words: BTreeMap<Uuid, (String, String)> = BTreeMap::new();
    for row in session.fetch_all(sqlx::query(sql).bind(&cards)).await? {
        let note: Option<String> = get(&row, "text")?;
        words.insert(get(&row, "id")?, (lexemes(get(&row, "url")?), lexemes(note.as_deref().unwrap_or_default())));
    }
    let gone: Vec<Uuid> = cards.iter().filter(|id| !words.contains_key(*id)).copied().collect();
    if !gone.is_empty() {
        session.execute(sqlx::query("DELETE FROM search_documents WHERE card_id = ANY($1)").bind(gone)).await?;
    }
    if !words.is_empty() {
        let (ids, (urls, notes)): (Vec<Uuid>, (Vec<String>, Vec<String>)) = words.into_iter().unzip();
        session.execute(sqlx::query(PUT).bind(ids).bind(urls).bind(notes)).await?;
    }
    session.commit().await?;
    Ok(taken.len())
}

fn read(row: &PgRow) -> Result<(SearchHit, Position), Failure> {
    let score: i64 = get(row, "score")?;
    let digest: Vec<u8> = get(row, "url_digest")?;
    let cards: Vec<Uuid> = get(row, "card_ids")?;
    let hit = SearchHit {
        url: get(row, "url")?,
        title: None,
        description: None,
        card_ids: cards.into_iter().map(card_id).collect(),
        rank: score as f32 / 1e6,
    };
    Ok((hit, Position { key: score, id: to_hex(&digest) }))
}

/// Runs of letters and digits, in lower case.
fn tokens(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|token| !token.is_empty())
        .map(|token| token.to_lowercase().chars().take(WORD_CHARS).collect())
}

fn lexemes(text: &str) -> String {
    tokens(text).collect::<Vec<_>>().join(" ")
}

/// What to look for: with the end of each word open, and with whole words only. `None`: nothing, or something that is
/// no word and so occurs nowhere.
fn asked(text: &str) -> Option<(String, String)> {
    let (mut prefixes, mut whole) = (Vec::new(), Vec::new());
    for word in text.split_whitespace() {
        // A word that ends in punctuation is complete.
        let open = word.ends_with(char::is_alphanumeric);
        let tokens: Vec<String> = tokens(word).collect();
        let last = tokens.len().checked_sub(1)?;
        for (index, token) in tokens.iter().enumerate() {
            // Letters and digits only, so there is nothing to escape.
            prefixes.push(if open && index == last { format!("'{token}':*") } else { format!("'{token}'") });
            whole.push(format!("'{token}'"));
        }
    }
    (!prefixes.is_empty()).then(|| (prefixes.join(" & "), whole.join(" & ")))
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
    fn every_word_is_looked_for_and_punctuation_is_never_syntax() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(asked(text).map(|(prefixes, _)| prefixes).as_deref(), expected, "{text:?}");
        };
        check("Rust", Some("'rust':*"));
        check("rust own", Some("'rust':* & 'own':*"));
        check("example.com/ru", Some("'example' & 'com' & 'ru':*"));
        check("rust_", Some("'rust'"));
        check("rust &", None);
        check("' | ! ( :*", None);
        check("  ", None);
    }

    #[test]
    fn digests_survive_a_cursor() {
        let digest: Vec<u8> = (0..32).collect();
        assert_eq!(from_hex(&to_hex(&digest)), Some(digest));
        for bad in ["", "zz", &"g".repeat(64), &"ü".repeat(32)] {
            assert_eq!(from_hex(bad), None, "{bad:?}");
        }
    }
}
