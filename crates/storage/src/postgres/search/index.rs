//! Writing the index: cards' current rows, and pages when more is known of them.
//!
//! Everybody locks cards, then pages, then writes documents, then words, each in the order of their keys. Whoever writes a page's part
//! of the index holds the page's row. A page, and its words, are there while a document needs them: the last document takes them along,
//! and a fetch that is still on its way finds no page to store its result in.
//!
//! What everybody finds a page by is there while a card that everybody sees needs it. A card that others do not see is found by its own
//! words, which hold those of the page.

use std::collections::BTreeMap;

use cardwire_domain::metadata::Metadata;
use cardwire_domain::search::WORDING;
use cardwire_domain::url::CardUrl;
use sqlx::types::Uuid;

use super::super::error::Failure;
use super::super::fetch_line::{self, Asked};
use super::super::page_rows::get_metadata;
use super::super::pool::Session;
use super::super::trends;
use super::super::values::get;
use super::vector::Vector;
use super::words::{self, Words};

type Digest = Vec<u8>;

/// Changes no page that is there but locks it. One that is being deleted is waited for, and made again. Also of cards that are gone, so
/// that all are locked in one order.
const MAKE_PAGES: &str = "\
INSERT INTO pages (url_digest, url, host)
SELECT n.* FROM unnest($1::bytea[], $2::text[], $3::text[]) AS n(url_digest, url, host) ORDER BY n.url_digest
ON CONFLICT (url_digest) DO UPDATE SET host = excluded.host WHERE false";

const HOLD_PAGES: &str = "\
SELECT url_digest, url, title, description, image, site_name, author, kind, language FROM pages
WHERE url_digest = ANY($1) ORDER BY url_digest FOR UPDATE";

const PUT_DOCUMENTS: &str = "\
INSERT INTO search_documents (card_id, owner_id, url, url_digest, own_words, private, version)
SELECT c.id, c.owner_id, c.url, c.url_digest, n.own_words::tsvector, n.private, $4
FROM unnest($1::uuid[], $2::text[], $3::bool[]) AS n(card_id, own_words, private) JOIN cards c ON c.id = n.card_id
ORDER BY n.card_id
ON CONFLICT (card_id) DO UPDATE SET own_words = excluded.own_words, private = excluded.private, version = excluded.version";

/// Counted, not added up, so that it cannot drift: all in one index, less those in another that others do not see.
const PUT_PAGES: &str = "\
INSERT INTO search_pages (url_digest, kind, cards, popularity, words)
SELECT n.url_digest, n.kind, k.cards, floor(log(2, k.cards)), n.words::tsvector
FROM unnest($1::bytea[], $2::text[], $3::text[]) AS n(url_digest, kind, words)
CROSS JOIN LATERAL (
    SELECT (SELECT count(*) FROM search_documents d WHERE d.url_digest = n.url_digest)
         - (SELECT count(*) FROM search_documents d WHERE d.url_digest = n.url_digest AND d.private) AS cards OFFSET 0
) k
WHERE k.cards > 0
ORDER BY n.url_digest
ON CONFLICT (url_digest) DO UPDATE SET kind = excluded.kind, cards = excluded.cards,
    popularity = excluded.popularity, words = excluded.words
RETURNING url_digest";

/// Of those held, what no document needs any more.
const DROP_PAGES: &str = "\
WITH gone AS (
    DELETE FROM pages p WHERE p.url_digest = ANY($1)
    AND NOT EXISTS (SELECT 1 FROM search_documents d WHERE d.url_digest = p.url_digest)
    RETURNING p.url_digest
), unindexed AS (
    DELETE FROM search_pages p USING gone WHERE p.url_digest = gone.url_digest
)
SELECT url_digest FROM gone";

/// Of those held, what nobody finds any more but those who keep it for themselves.
const UNINDEX_PAGES: &str = "\
DELETE FROM search_pages p WHERE p.url_digest = ANY($1)
AND NOT EXISTS (SELECT 1 FROM search_documents d WHERE d.url_digest = p.url_digest AND NOT d.private)";

/// What is known of a page, its row held.
struct Held {
    url: String,
    metadata: Metadata,
}

struct Kept {
    id: Uuid,
    owner: String,
    digest: Digest,
    note: Option<String>,
    /// Others do not see it.
    private: bool,
}

/// In the session's transaction. `cards` are sorted.
pub(in super::super) async fn index_cards(session: &mut Session, cards: &[Uuid]) -> Result<(), Failure> {
    if cards.is_empty() {
        return Ok(());
    }
    // Held until the commit, so that nobody indexes a later row before this one. Read only then: what is read along with a lock
    // that had to be waited for may be older than the lock.
    session.execute(sqlx::query("SELECT 1 FROM cards WHERE id = ANY($1) ORDER BY id FOR SHARE").bind(cards)).await?;
    let sql = "SELECT c.id, c.owner_id, c.url, c.normalised_url, c.url_digest, c.library_link IS NOT NULL AS kept, \
                      c.private OR c.hidden AS private, n.text \
               FROM cards c LEFT JOIN notes n ON n.card_id = c.id WHERE c.id = ANY($1)";
    let (mut kept, mut gone) = (Vec::new(), Vec::new());
    let (mut asked, mut left, mut leavers) = (Asked::default(), Vec::new(), Vec::new());
    let mut urls: BTreeMap<Digest, CardUrl> = BTreeMap::new();
    for row in session.fetch_all(sqlx::query(sql).bind(cards)).await? {
        let (id, digest): (Uuid, Digest) = (get(&row, "id")?, get(&row, "url_digest")?);
        let url = CardUrl::from_stored(get(&row, "url")?, get(&row, "normalised_url")?);
        let owner: String = get(&row, "owner_id")?;
        if get(&row, "kept")? {
            asked.add(digest.clone(), owner.clone(), url.domain());
            let (note, private) = (get(&row, "text")?, get(&row, "private")?);
            kept.push(Kept { id, owner, digest: digest.clone(), note, private });
        } else {
            left.push(digest.clone());
            leavers.push(owner);
            gone.push(id);
        }
        urls.insert(digest, url);
    }
    make_pages(session, &urls).await?;
    let digests: Vec<Digest> = urls.into_keys().collect();
    let pages = hold_pages(session, &digests).await?;
    let before = words::of(session, &digests, cards).await?;
    if !gone.is_empty() {
        session.execute(sqlx::query("DELETE FROM search_documents WHERE card_id = ANY($1)").bind(&gone)).await?;
    }
    let mut now = Words::new();
    put_documents(session, &pages, &kept, &mut now).await?;
    if !gone.is_empty() || kept.iter().any(|card| card.private) {
        session.execute(sqlx::query(UNINDEX_PAGES).bind(&digests)).await?;
    }
    if !gone.is_empty() {
        let dropped = session.fetch_all(sqlx::query(DROP_PAGES).bind(&digests)).await?;
        let mut dropped = dropped.iter().map(|row| get(row, "url_digest")).collect::<Result<Vec<Digest>, Failure>>()?;
        dropped.sort_unstable();
        trends::refresh(session, &dropped).await?;
        fetch_line::leave(session, &left, &leavers).await?;
    }
    fetch_line::join(session, asked).await?;
    put_pages(session, &pages, &mut now).await?;
    words::replace(session, &before, now).await
}

/// Indexes a page of which more is known now, and what holds it for its owner alone. In the session's transaction.
pub(in super::super) async fn index_page(session: &mut Session, digest: &[u8]) -> Result<(), Failure> {
    let pages = hold_pages(session, &[digest.to_vec()]).await?;
    let sql = "SELECT d.card_id, d.owner_id, d.private, n.text \
               FROM search_documents d LEFT JOIN notes n ON n.card_id = d.card_id \
               WHERE d.url_digest = $1 AND (d.private OR n.card_id IS NOT NULL) ORDER BY d.card_id";
    let mut own = Vec::new();
    for row in session.fetch_all(sqlx::query(sql).bind(digest)).await? {
        own.push(Kept {
            id: get(&row, "card_id")?,
            owner: get(&row, "owner_id")?,
            digest: digest.to_vec(),
            note: get(&row, "text")?,
            private: get(&row, "private")?,
        });
    }
    let cards: Vec<Uuid> = own.iter().map(|card| card.id).collect();
    let before = words::of(session, &[digest.to_vec()], &cards).await?;
    let mut now = Words::new();
    put_documents(session, &pages, &own, &mut now).await?;
    put_pages(session, &pages, &mut now).await?;
    words::replace(session, &before, now).await
}

async fn make_pages(session: &mut Session, urls: &BTreeMap<Digest, CardUrl>) -> Result<(), Failure> {
    let (mut digests, mut normalised, mut hosts) = (Vec::new(), Vec::new(), Vec::new());
    for (digest, url) in urls {
        digests.push(digest.clone());
        normalised.push(url.normalised().to_owned());
        hosts.push(url.domain().to_owned());
    }
    session.execute(sqlx::query(MAKE_PAGES).bind(digests).bind(normalised).bind(hosts)).await?;
    Ok(())
}

async fn hold_pages(session: &mut Session, digests: &[Digest]) -> Result<BTreeMap<Digest, Held>, Failure> {
    let rows = session.fetch_all(sqlx::query(HOLD_PAGES).bind(digests)).await?;
    let held = |row| Ok((get(row, "url_digest")?, Held { url: get(row, "url")?, metadata: get_metadata(row)? }));
    rows.iter().map(held).collect()
}

async fn put_documents(
    session: &mut Session,
    pages: &BTreeMap<Digest, Held>,
    kept: &[Kept],
    words: &mut Words,
) -> Result<(), Failure> {
    if kept.is_empty() {
        return Ok(());
    }
    let (mut ids, mut own, mut private) = (Vec::new(), Vec::new(), Vec::new());
    for card in kept {
        let note = card.note.as_deref().or(card.private.then_some(""));
        let vector = note.zip(pages.get(&card.digest)).map(|(note, page)| {
            let vector = Vector::of_note(note, &page.url, &page.metadata);
            let owned = |word| (word, card.owner.clone());
            if card.private {
                words.extend(vector.words().cloned().map(owned));
            } else {
                words.extend(Vector::words_of(note).map(owned));
            }
            vector.literal()
        });
        ids.push(card.id);
        own.push(vector);
        private.push(card.private);
    }
    session.execute(sqlx::query(PUT_DOCUMENTS).bind(ids).bind(own).bind(private).bind(WORDING)).await?;
    Ok(())
}

async fn put_pages(session: &mut Session, pages: &BTreeMap<Digest, Held>, words: &mut Words) -> Result<(), Failure> {
    let (mut digests, mut kinds, mut literals) = (Vec::new(), Vec::new(), Vec::new());
    let mut vectors = BTreeMap::new();
    for (digest, page) in pages {
        let vector = Vector::of_page(&page.url, &page.metadata);
        digests.push(digest.clone());
        kinds.push(page.metadata.kind.map(|kind| kind.name()));
        literals.push(vector.literal());
        vectors.insert(digest.clone(), vector);
    }
    if digests.is_empty() {
        return Ok(());
    }
    for row in session.fetch_all(sqlx::query(PUT_PAGES).bind(digests).bind(kinds).bind(literals)).await? {
        let vector = vectors.get(&get::<Digest>(&row, "url_digest")?);
        words.extend(vector.into_iter().flat_map(Vector::words).map(|word| (word.clone(), String::new())));
    }
    Ok(())
}
