//! Other words that may be meant: those that contain what was typed, and those that differ from it by a typo.

use std::collections::{BTreeMap, BTreeSet};

use cardwire_domain::UserId;
use cardwire_domain::search::{
    Alternatives, MAX_LONGER_WORDS, MAX_MISSPELT, MAX_NEAR_WORDS, MAX_PARTS, MISSPELT_CHARS, SearchQuery, is_near,
};

use super::super::error::Failure;
use super::super::pool::Session;
use super::super::values::{get, signed};

/// Indexed words that look like these. This function counts swapping two letters as two edits.
///
/// Most words belong to other people. So everybody's words have their own trigram index, and the reader's words, which
/// are few, are read once.
const NEAR: &str = "\
WITH own AS MATERIALIZED (SELECT word FROM search_words WHERE owner_id = $2 AND owner_id <> '')
SELECT asked.word AS asked, near.word FROM unnest($1::text[]) AS asked(word)
CROSS JOIN LATERAL (
    (SELECT s.word, levenshtein_less_equal(s.word, asked.word, 4) AS edits FROM search_words s
     WHERE s.owner_id = '' AND s.word % asked.word
       AND length(s.word) BETWEEN length(asked.word) - 2 AND length(asked.word) + 2
       AND levenshtein_less_equal(s.word, asked.word, 4) <= 4
     ORDER BY edits, s.word LIMIT 50)
    UNION
    (SELECT o.word, levenshtein_less_equal(o.word, asked.word, 4) AS edits FROM own o
     WHERE length(o.word) BETWEEN length(asked.word) - 2 AND length(asked.word) + 2
       AND o.word % asked.word AND levenshtein_less_equal(o.word, asked.word, 4) <= 4
     ORDER BY edits, o.word LIMIT 50)
    ORDER BY edits, word LIMIT 50
) near
ORDER BY asked.word, near.edits, near.word";

const UNKNOWN: &str = "\
SELECT DISTINCT asked.word FROM unnest($1::text[]) AS asked(word) WHERE NOT EXISTS (
    SELECT 1 FROM search_words s
    WHERE s.word >= asked.word AND s.word < asked.word || U&'\\+10FFFF' AND s.owner_id IN ('', $2)
)";

/// Like those found by [`NEAR`]. Words consist of letters and digits, so none of it is special in LIKE.
const LONGER: &str = "\
WITH own AS MATERIALIZED (SELECT word FROM search_words WHERE owner_id = $2 AND owner_id <> '')
SELECT asked.word AS asked, longer.word FROM unnest($1::text[]) AS asked(word)
CROSS JOIN LATERAL (
    (SELECT s.word, length(s.word) AS chars FROM search_words s
     WHERE s.owner_id = '' AND s.word LIKE '%' || asked.word || '%' AND NOT starts_with(s.word, asked.word)
     ORDER BY chars, s.word LIMIT $3)
    UNION
    (SELECT o.word, length(o.word) AS chars FROM own o
     WHERE o.word LIKE '%' || asked.word || '%' AND NOT starts_with(o.word, asked.word)
     ORDER BY chars, o.word LIMIT $3)
    ORDER BY chars, word LIMIT $3
) longer";

/// Whose words are searched: everybody's, and the reader's own.
pub(in super::super) struct Lookup<'a> {
    pub(in super::super) session: &'a mut Session,
    pub(in super::super) reader: Option<&'a UserId>,
}

impl Lookup<'_> {
    /// Words that no indexed word begins with.
    async fn unknown(&mut self, words: BTreeSet<&str>) -> Result<Vec<String>, Failure> {
        if words.is_empty() {
            return Ok(Vec::new());
        }
        let words: Vec<&str> = words.into_iter().collect();
        let query = sqlx::query(UNKNOWN).bind(&words).bind(self.reader.map(UserId::as_str));
        let rows = self.session.fetch_all(query).await?;
        rows.iter().map(|row| get(row, "word")).collect()
    }
}

/// The shortest words that contain one of the query's words.
pub(in super::super) async fn inside(lookup: &mut Lookup<'_>, query: &SearchQuery) -> Result<Alternatives, Failure> {
    let parts: BTreeSet<&str> = query.parts().filter(|part| part.chars().count() <= *MISSPELT_CHARS.end()).collect();
    let parts: Vec<String> = match parts.len() {
        0..=MAX_PARTS => parts.into_iter().map(str::to_owned).collect(),
        _ => lookup.unknown(parts).await?,
    };
    if parts.is_empty() || parts.len() > MAX_PARTS {
        return Ok(Alternatives::new());
    }
    let reader = lookup.reader.map(UserId::as_str);
    let query = sqlx::query(LONGER).bind(parts).bind(reader).bind(signed(MAX_LONGER_WORDS));
    let mut longer = Alternatives::new();
    for row in lookup.session.fetch_all(query).await? {
        longer.entry(get(&row, "asked")?).or_default().push(get(&row, "word")?);
    }
    Ok(longer)
}

/// Similar words for those that occur nowhere, not even inside other words; the closest first.
pub(super) async fn near(
    lookup: &mut Lookup<'_>,
    query: &SearchQuery,
    inside: &Alternatives,
) -> Result<Alternatives, Failure> {
    let words = query.words().filter(|word| MISSPELT_CHARS.contains(&word.chars().count()));
    let words = lookup.unknown(words.filter(|word| !inside.contains_key(*word)).collect()).await?;
    // Every word must occur, so with more of them nothing can be found.
    if words.is_empty() || words.len() > MAX_MISSPELT {
        return Ok(Alternatives::new());
    }
    // A typo spoils up to four trigrams in a word of any length; requiring fewer means looking at more words.
    let shortest = words.iter().map(|word| word.chars().count()).min().unwrap_or_default();
    let threshold = if shortest < 6 {
        "0.1"
    } else if shortest < 8 {
        "0.2"
    } else {
        "0.25"
    };
    let sql = "SELECT set_config('pg_trgm.similarity_threshold', $1, false)";
    lookup.session.execute(sqlx::query(sql).bind(threshold)).await?;
    let query = sqlx::query(NEAR).bind(words).bind(lookup.reader.map(UserId::as_str));
    let mut found: BTreeMap<String, Vec<(usize, String)>> = BTreeMap::new();
    for row in lookup.session.fetch_all(query).await? {
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
