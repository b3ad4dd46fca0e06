//! The lexicon, in which typos and parts of words are looked up ([`is_in_lexicon`]). A word is in it exactly while one
//! of these has it: a page that everybody finds, a card's title, an owner's note, or a card that others do not see.
//!
//! A transaction drops a word if it finds it nowhere else. It must not miss a page that another transaction is about to
//! commit, and for which that one did not add the word because it was there. So a transaction that adds words holds a
//! shared lock until its commit, and one that drops some holds it exclusively. Nothing else is waited for meanwhile.

use std::collections::BTreeSet;

use cardwire_domain::search::is_in_lexicon;
use sqlx::types::Uuid;

use super::super::error::Failure;
use super::super::pool::Session;
use super::super::values::get;

/// (word, owner); the owner is empty for words that everybody can find.
pub(super) type Words = BTreeSet<(String, String)>;

const OF: &str = "\
SELECT w.word, '' AS owner_id FROM search_pages p CROSS JOIN LATERAL unnest(tsvector_to_array(p.words)) AS w(word)
WHERE p.url_digest = ANY($1)
UNION
SELECT w.word, '' FROM search_titles t CROSS JOIN LATERAL unnest(tsvector_to_array(t.words)) AS w(word)
WHERE t.card_id = ANY($2)
UNION
SELECT w.word, d.owner_id
FROM search_documents d CROSS JOIN LATERAL unnest(tsvector_to_array(
    CASE WHEN d.private THEN d.own_words ELSE ts_filter(d.own_words, '{d}') END
)) AS w(word)
WHERE d.card_id = ANY($2) AND d.own_words IS NOT NULL";

const SHARE: &str = "SELECT pg_advisory_xact_lock_shared(20771, 1)";
const HAVE_ALONE: &str = "SELECT pg_advisory_xact_lock(20771, 1)";

const PUT: &str = "\
INSERT INTO search_words (word, owner_id)
SELECT n.word COLLATE \"C\" AS word, n.owner_id COLLATE \"C\" AS owner_id
FROM unnest($1::text[], $2::text[]) AS n(word, owner_id) ORDER BY word, owner_id
ON CONFLICT DO NOTHING";

/// Very frequent words are found by looking at a few pages, without looking up all of them.
const DROP_UNUSED: &str = "\
WITH few AS MATERIALIZED (SELECT words FROM search_pages ORDER BY popularity DESC, url_digest LIMIT 50), unused AS MATERIALIZED (
    SELECT n.word COLLATE \"C\" AS word, n.owner_id COLLATE \"C\" AS owner_id
    FROM unnest($1::text[], $2::text[]) AS n(word, owner_id)
    CROSS JOIN LATERAL (SELECT quote_literal(n.word)::tsquery AS page, (quote_literal(n.word) || ':D')::tsquery AS note) q
    WHERE CASE
        WHEN n.owner_id <> '' THEN NOT EXISTS (
            SELECT 1 FROM search_documents d WHERE d.owner_id = n.owner_id COLLATE \"C\" AND d.own_words @@ q.page
            AND (d.private OR d.own_words @@ q.note))
        WHEN EXISTS (SELECT 1 FROM few WHERE few.words @@ q.page) THEN false
        ELSE NOT EXISTS (SELECT 1 FROM search_pages p WHERE p.words @@ q.page)
             AND NOT EXISTS (SELECT 1 FROM search_titles t WHERE t.words @@ q.page)
    END
)
DELETE FROM search_words s USING unused WHERE s.word = unused.word AND s.owner_id = unused.owner_id";

/// The lexicon of an earlier build.
const DROP: &str = "\
DELETE FROM search_words s USING unnest($1::text[], $2::text[]) AS n(word, owner_id)
WHERE s.word = n.word COLLATE \"C\" AND s.owner_id = n.owner_id COLLATE \"C\"";

/// One statement checks this many words.
const PORTION: i64 = 1_000;
const NEXT: &str = "\
SELECT word, owner_id FROM search_words WHERE (word, owner_id) > ($1 COLLATE \"C\", $2 COLLATE \"C\") ORDER BY word, owner_id LIMIT $3";

/// The words of these pages, and of these cards for their owners only, as indexed now.
pub(super) async fn of(session: &mut Session, digests: &[Vec<u8>], cards: &[Uuid]) -> Result<Words, Failure> {
    let rows = session.fetch_all(sqlx::query(OF).bind(digests).bind(cards)).await?;
    let words = rows.iter().map(|row| Ok((get(row, "word")?, get(row, "owner_id")?)));
    Ok(words.collect::<Result<Words, Failure>>()?.into_iter().filter(|(word, _)| is_in_lexicon(word)).collect())
}

/// Call it at the end of the transaction that indexed the source of the words.
pub(super) async fn replace(session: &mut Session, before: &Words, mut now: Words) -> Result<(), Failure> {
    now.retain(|(word, _)| is_in_lexicon(word));
    // First: two transactions that share the lock and then both want it exclusively would deadlock.
    drop_unused(session, before.difference(&now).cloned().collect()).await?;
    if now.is_empty() {
        return Ok(());
    }
    session.execute(sqlx::query(SHARE)).await?;
    let (words, owners): (Vec<String>, Vec<String>) = now.into_iter().unzip();
    session.execute(sqlx::query(PUT).bind(words).bind(owners)).await?;
    Ok(())
}

async fn drop_unused(session: &mut Session, words: Words) -> Result<(), Failure> {
    if words.is_empty() {
        return Ok(());
    }
    let (words, owners): (Vec<String>, Vec<String>) = words.into_iter().unzip();
    // Before looking: if two transactions remove the last two uses of a word, the second must see what the first did.
    session.execute(sqlx::query(HAVE_ALONE)).await?;
    session.execute(sqlx::query(DROP_UNUSED).bind(words).bind(owners)).await?;
    Ok(())
}

/// Drops all unused words, in portions.
pub(super) async fn drop_strays(session: &mut Session) -> Result<(), Failure> {
    let mut after = (String::new(), String::new());
    loop {
        session.start_again();
        let query = sqlx::query(NEXT).bind(&after.0).bind(&after.1).bind(PORTION);
        let rows = session.fetch_all(query).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        let next = (get(last, "word")?, get(last, "owner_id")?);
        let words = rows.iter().map(|row| Ok((get(row, "word")?, get(row, "owner_id")?)));
        let words = words.collect::<Result<Words, Failure>>()?;
        let (words, others): (Words, Words) = words.into_iter().partition(|(word, _)| is_in_lexicon(word));
        session.begin().await?;
        drop_unused(session, words).await?;
        if !others.is_empty() {
            let (others, owners): (Vec<String>, Vec<String>) = others.into_iter().unzip();
            session.execute(sqlx::query(DROP).bind(others).bind(owners)).await?;
        }
        session.commit().await?;
        after = next;
    }
}
