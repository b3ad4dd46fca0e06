//! Hits, pass by pass.

use std::collections::BTreeMap;

use cardwire_domain::page::no_cursor;
use cardwire_domain::search::{
    Alternatives, MAX_HIT_CARDS, Pass, SearchHit, SearchQuery, SearchRequest, Term, corrected,
};
use cardwire_domain::{Position, Result, UserId};
use sqlx::postgres::PgRow;
use sqlx::types::Uuid;

use super::super::error::Failure;
use super::super::page_rows::{get_kind, get_pictures, page_of};
use super::super::pool::Session;
use super::super::values::{card_id, get, get_visibility, signed, url_digest};
use super::asked::{begun, spelled_so, whole};
use super::lookup::{Lookup, inside, near};
use crate::seen::sees_card;

/// How many pages are ranked.
const MAX_RANKED: i64 = 1_000;
/// For a search for words in a row.
const MAX_RANKED_PHRASE: i64 = 50_000;

/// `hits` with the data to show, without those that are listed elsewhere. A hit gets the reader's own title. Otherwise,
/// if a card's title led to it, it gets that one; otherwise its page's; and if the page has none, that of its oldest
/// card. The index may be behind, so the cards themselves decide which of a page's cards the reader sees, hit by hit
/// until the list is full.
macro_rules! shown {
    ({ $($hits:tt)* } but { $($listed:tt)* }) => {
        concat!(
            $($hits)*,
            "
SELECT h.score, h.url_digest, g.description, g.kind, g.cover, g.cover_width, g.cover_height, g.icon, c.ids, c.urls[1] AS url, coalesce((
    SELECT o.title FROM cards o WHERE o.owner_id = $1 AND o.url_digest = h.url_digest AND o.library_link IS NOT NULL
), (SELECT o.title FROM cards o WHERE o.id = h.titled), g.title, c.titles[1]) AS title, coalesce((
    SELECT o.private FROM cards o WHERE o.owner_id = $1 AND o.url_digest = h.url_digest AND o.library_link IS NOT NULL
), false) AS private
FROM (
    SELECT url_digest, page, titled, score FROM hits
    WHERE $3::bigint IS NULL OR score < $3 OR (score = $3 AND url_digest > $4)
    ORDER BY score DESC, url_digest OFFSET 0
) h
JOIN pages g ON g.url_digest = h.page
CROSS JOIN LATERAL (
    SELECT array_agg(s.card_id ORDER BY s.card_id) AS ids, array_agg(s.url ORDER BY s.card_id) AS urls,
           array_agg(s.title ORDER BY s.card_id) FILTER (WHERE s.title IS NOT NULL) AS titles
    FROM (
        SELECT d.card_id, d.url, k.title
        FROM search_documents d JOIN cards k ON k.id = d.card_id AND k.library_link IS NOT NULL
        WHERE d.url_digest = h.url_digest AND (NOT $2 OR d.owner_id = $1) AND ",
            sees_card!("k", "$1"),
            "
        ORDER BY d.card_id LIMIT $6
    ) s
) c
WHERE c.ids IS NOT NULL AND NOT (",
            $($listed)*,
            ")
ORDER BY h.score DESC, h.url_digest LIMIT $5"
        )
    };
}

/// The reader's own page comes before everybody's only if the search is limited to their own.
const OF_URL: &str = shown!(
    {
        "\
WITH hits AS (
    SELECT DISTINCT ON (u.digest) u.digest AS url_digest, p.url_digest AS page, NULL::uuid AS titled,
           2000000000::bigint + coalesce(least(s.cards, 999), 0) AS score
    FROM unnest($8::bytea[]) AS u(digest) JOIN pages p ON p.url_digest IN (u.digest, u.digest || convert_to($1, 'UTF8'))
    LEFT JOIN search_pages s ON s.url_digest = u.digest
    WHERE ($7::text IS NULL OR p.kind = $7)
      AND (NOT $2 OR p.keeper IS NOT NULL OR EXISTS (
          SELECT 1 FROM search_documents d WHERE d.owner_id = $1 AND d.url_digest = u.digest AND NOT d.private))
    ORDER BY u.digest, (p.keeper IS NULL) = $2
)"
    } but { "false" }
);

/// $8: asked for. $9: of what has all words whole, what spells them as they were typed. $10: what the passes before list. $11: the pass. $12:
/// so many are ranked. $13: URLs that are listed already.
///
/// Words of the page, or of the page and a card's own title: ranked by where they are and how close together, then by
/// how many people keep the URL. A match that needs the reader's own note counts half; their own page counts fully. Of
/// very many pages, the most kept are ranked, and of very many cards found by their own titles, the newest. Such a
/// frequent word says little by itself.
const OF_WORDS: &str = shown!(
    {
        "\
WITH popular AS (
    SELECT p.url_digest, p.words, p.cards FROM search_pages p
    WHERE p.words @@ $8::tsquery AND ($10::tsquery IS NULL OR NOT p.words @@ $10::tsquery)
      AND ($7::text IS NULL OR p.kind = $7) AND p.url_digest <> ALL($13::bytea[])
      AND (NOT $2 OR EXISTS (
          SELECT 1 FROM search_documents d WHERE d.owner_id = $1 AND d.url_digest = p.url_digest AND NOT d.private))
    ORDER BY p.popularity DESC, p.url_digest LIMIT $12
), titled AS (
    SELECT t.card_id, t.url_digest, t.words, p.cards
    FROM search_titles t JOIN search_pages p ON p.url_digest = t.url_digest
    JOIN cards k ON k.id = t.card_id AND k.library_link IS NOT NULL
    WHERE t.words @@ $8::tsquery AND ($10::tsquery IS NULL OR NOT t.words @@ $10::tsquery)
      AND ($7::text IS NULL OR p.kind = $7) AND t.url_digest <> ALL($13::bytea[]) AND (NOT $2 OR t.owner_id = $1) AND ",
        sees_card!("k", "$1"),
        "
    ORDER BY t.card_id DESC LIMIT $12
), ranked AS (
    SELECT p.url_digest, p.url_digest AS page, NULL::uuid AS titled, p.cards, p.words @@ $9::tsquery AS spelled,
           least((ts_rank('{0.1, 0.3, 0.5, 1.0}', p.words, $8::tsquery) * 1e6)::bigint, 999999) AS rank
    FROM popular p
    UNION ALL
    SELECT t.url_digest, t.url_digest, t.card_id, t.cards, t.words @@ $9::tsquery,
           least((ts_rank('{0.1, 0.3, 0.5, 1.0}', t.words, $8::tsquery) * 1e6)::bigint, 999999)
    FROM titled t
    UNION ALL
    SELECT d.url_digest, g.url_digest, NULL, coalesce(p.cards, 0), d.own_words @@ $9::tsquery,
           least((ts_rank('{0.1, 0.3, 0.5, 1.0}', d.own_words, $8::tsquery)
                  * CASE WHEN d.private THEN 1e6 ELSE 5e5 END)::bigint, 999999)
    FROM search_documents d JOIN pages g ON g.url_digest = CASE WHEN d.private THEN ",
        page_of!(own "d"),
        " ELSE d.url_digest END
    LEFT JOIN search_pages p ON p.url_digest = d.url_digest
    WHERE d.owner_id = $1 AND d.own_words @@ $8::tsquery AND (d.private OR $11::int <> 0)
      AND ($7::text IS NULL OR g.kind = $7) AND d.url_digest <> ALL($13::bytea[])
      AND (p.url_digest IS NULL OR ($2 AND d.private)
           OR NOT (p.words @@ $8::tsquery AND ($7::text IS NULL OR coalesce(p.kind = $7, false))))
), scored AS (
    SELECT url_digest, page, titled, least(cards, 999) + 1000 * CASE $11::int
        WHEN 0 THEN CASE WHEN spelled THEN 1000000 + rank ELSE 500000 + rank / 2 END
        WHEN 2 THEN rank / 4
        ELSE 250000 + rank / 4
    END AS score
    FROM ranked
), hits AS (
    SELECT DISTINCT ON (url_digest) url_digest, page, titled, score FROM scored
    ORDER BY url_digest, score DESC, titled NULLS FIRST
)"
    } but {
        "$10::tsquery IS NOT NULL AND (
    EXISTS (
        SELECT 1 FROM search_pages p WHERE p.url_digest = h.url_digest AND p.words @@ $10::tsquery AND ($7::text IS NULL OR p.kind = $7)
          AND (NOT $2 OR EXISTS (
              SELECT 1 FROM search_documents d WHERE d.owner_id = $1 AND d.url_digest = p.url_digest AND NOT d.private))
    ) OR EXISTS (
        SELECT 1 FROM search_titles t JOIN search_pages p ON p.url_digest = t.url_digest
        JOIN cards k ON k.id = t.card_id AND k.library_link IS NOT NULL
        WHERE t.url_digest = h.url_digest AND t.words @@ $10::tsquery AND ($7::text IS NULL OR p.kind = $7)
          AND (NOT $2 OR t.owner_id = $1) AND ",
        sees_card!("k", "$1"),
        "
    ) OR EXISTS (
        SELECT 1 FROM search_documents d JOIN pages o ON o.url_digest = CASE WHEN d.private THEN ",
        page_of!(own "d"),
        " ELSE d.url_digest END
        WHERE d.owner_id = $1 AND d.url_digest = h.url_digest AND d.own_words @@ $10::tsquery AND (d.private OR $11::int = 2)
          AND ($7::text IS NULL OR o.kind = $7)
    )
)"
    }
);

/// The words by which the best hit was found, among the candidates for a misspelt one.
const HAD: &str = concat!(
    "\
SELECT n.asked, n.word FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS n(asked, word, place)
CROSS JOIN LATERAL (SELECT quote_literal(n.word)::tsquery AS word) q
WHERE EXISTS (SELECT 1 FROM search_pages p WHERE p.url_digest = $3 AND p.words @@ q.word)
   OR EXISTS (SELECT 1 FROM search_titles t JOIN cards k ON k.id = t.card_id AND k.library_link IS NOT NULL
              WHERE t.url_digest = $3 AND t.words @@ q.word AND ",
    sees_card!("k", "$4"),
    ")
   OR EXISTS (SELECT 1 FROM search_documents d WHERE d.owner_id = $4 AND d.url_digest = $3 AND d.own_words @@ q.word)
ORDER BY n.place"
);

/// One search, with the words looked up for it.
pub(super) struct Search<'a> {
    query: &'a SearchQuery,
    request: &'a SearchRequest,
    urls: Vec<Vec<u8>>,
    inside: Option<Alternatives>,
    near: Alternatives,
}

impl<'a> Search<'a> {
    pub(super) fn new(query: &'a SearchQuery, request: &'a SearchRequest) -> Self {
        let urls = query.urls.iter().map(|url| url_digest(url.normalised())).collect();
        Self { query, request, urls, inside: None, near: Alternatives::new() }
    }

    /// Up to this many, after this place.
    pub(super) async fn hits(
        &mut self,
        session: &mut Session,
        pass: Pass,
        after: Option<&Position>,
        wanted: usize,
    ) -> Result<Vec<(SearchHit, Position)>> {
        let (looked_for, none) = (self.query, Alternatives::new());
        let (number, asked, before) = match pass {
            Pass::Url if self.urls.is_empty() => return Ok(Vec::new()),
            Pass::Url => return self.of_url(session, after, wanted).await,
            Pass::Whole => (0, whole(looked_for), None),
            Pass::Begun => {
                let (whole, begun) = (whole(looked_for), begun(looked_for, &none));
                if whole == begun && self.request.reader.is_none() {
                    return Ok(Vec::new());
                }
                (1, begun, Some(whole))
            }
            Pass::Inside => {
                let inside = self.inside(session).await?;
                if inside.is_empty() {
                    return Ok(Vec::new());
                }
                (2, begun(looked_for, inside), Some(begun(looked_for, &none)))
            }
            Pass::Near => {
                let mut others = self.inside(session).await?.clone();
                let mut lookup = Lookup { session, reader: self.request.reader.as_ref() };
                self.near = near(&mut lookup, looked_for, &others).await?;
                if self.near.is_empty() {
                    return Ok(Vec::new());
                }
                others.extend(self.near.clone());
                (3, begun(looked_for, &others), None)
            }
        };
        let (key, digest) = read_place(after)?;
        // Few pages contain a phrase, but the server assumes that it is as frequent as its words: make it use their
        // index.
        let phrase = looked_for.required.iter().any(|term| !matches!(term, Term::Word { .. }));
        let query = sqlx::query(OF_WORDS)
            .bind(self.reader())
            .bind(self.request.mine)
            .bind(key)
            .bind(digest)
            .bind(signed(wanted))
            .bind(signed(MAX_HIT_CARDS))
            .bind(self.request.kind.map(|kind| kind.name()))
            .bind(asked)
            .bind(spelled_so(looked_for))
            .bind(before)
            .bind(number)
            .bind(if phrase { MAX_RANKED_PHRASE } else { MAX_RANKED })
            .bind(&self.urls)
            // Planned for these words: their frequency decides where to look.
            .persistent(false);
        read_all(&session.fetch_all(query).await?)
    }

    async fn of_url(
        &self,
        session: &mut Session,
        after: Option<&Position>,
        wanted: usize,
    ) -> Result<Vec<(SearchHit, Position)>> {
        let (key, digest) = read_place(after)?;
        let query = sqlx::query(OF_URL)
            .bind(self.reader())
            .bind(self.request.mine)
            .bind(key)
            .bind(digest)
            .bind(signed(wanted))
            .bind(signed(MAX_HIT_CARDS))
            .bind(self.request.kind.map(|kind| kind.name()))
            .bind(&self.urls);
        read_all(&session.fetch_all(query).await?)
    }

    async fn inside(&mut self, session: &mut Session) -> Result<&Alternatives, Failure> {
        if self.inside.is_none() {
            let mut lookup = Lookup { session, reader: self.request.reader.as_ref() };
            self.inside = Some(inside(&mut lookup, self.query).await?);
        }
        Ok(self.inside.get_or_insert_with(Alternatives::new))
    }

    fn reader(&self) -> Option<&str> {
        self.request.reader.as_ref().map(UserId::as_str)
    }

    /// The query with the words by which this hit was found. `None`: with none of them.
    pub(super) async fn corrected(&self, session: &mut Session, best: &str) -> Result<Option<String>> {
        let digest = from_hex(best).ok_or_else(no_cursor)?;
        let near =
            self.near.iter().flat_map(|(asked, words)| words.iter().map(move |word| (asked.clone(), word.clone())));
        let (asked, words): (Vec<String>, Vec<String>) = near.unzip();
        let query = sqlx::query(HAD).bind(asked).bind(words).bind(digest).bind(self.reader());
        let mut had: BTreeMap<String, String> = BTreeMap::new();
        for row in session.fetch_all(query).await? {
            had.entry(get(&row, "asked")?).or_insert(get(&row, "word")?);
        }
        Ok((!had.is_empty()).then(|| corrected(&self.request.text, &had)))
    }
}

fn read_place(after: Option<&Position>) -> Result<(Option<i64>, Option<Vec<u8>>)> {
    let Some(after) = after else { return Ok((None, None)) };
    let digest = from_hex(&after.id).ok_or_else(no_cursor)?;
    Ok((Some(after.key), Some(digest)))
}

fn read_all(rows: &[PgRow]) -> Result<Vec<(SearchHit, Position)>> {
    Ok(rows.iter().map(read).collect::<Result<_, Failure>>()?)
}

fn read(row: &PgRow) -> Result<(SearchHit, Position), Failure> {
    let score: i64 = get(row, "score")?;
    let digest: Vec<u8> = get(row, "url_digest")?;
    let cards: Vec<Uuid> = get(row, "ids")?;
    let hit = SearchHit {
        url: get(row, "url")?,
        title: get(row, "title")?,
        description: get(row, "description")?,
        kind: get_kind(row)?,
        pictures: get_pictures(row)?,
        card_ids: cards.into_iter().map(card_id).collect(),
        visibility: get_visibility(row)?,
        rank: score as f32 / 1e9,
    };
    Ok((hit, Position { key: score, id: to_hex(&digest) }))
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
    use cardwire_domain::search::score;

    use super::*;

    #[test]
    fn digests_survive_a_cursor() {
        let digest: Vec<u8> = (0..32).collect();
        assert_eq!(from_hex(&to_hex(&digest)), Some(digest));
        for bad in ["", "zz", &"g".repeat(64), &"ü".repeat(32)] {
            assert_eq!(from_hex(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn the_statements_score_as_the_domain_does() {
        for (pass, is_exact) in [(Pass::Whole, true), (Pass::Whole, false), (Pass::Begun, false), (Pass::Near, false)] {
            let base = (score(pass, is_exact, 0, 0) / 1_000).to_string();
            assert!(OF_WORDS.contains(&format!("{base} + rank")), "{base}");
        }
        assert!(OF_URL.contains(&score(Pass::Url, true, 0, 0).to_string()));
    }
}
