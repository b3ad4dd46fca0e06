//! Writing the index: cards' current rows, and pages when more is known of them.
//!
//! Everybody locks cards, then pages, then writes documents, then words, each in the order of their keys. Whoever writes a page's part
//! of the index holds the page's row. A page, and its words, are there while a document needs them: the last document takes them along,
//! and a fetch that is still on its way finds no page to store its result in.
//!
//! What everybody finds a page by is there while a card that everybody sees needs it. A card that others do not see has a page of its own
//! ([`page_keys`](crate::page_keys)) and is found by its own words, which hold those of that page. When others stop seeing a card, or begin to, its
//! new page begins with what is known of the one before, unless that page is there already.

use std::collections::{BTreeMap, BTreeSet};

use cardwire_domain::metadata::Metadata;
use cardwire_domain::search::tokens;
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
use crate::page_keys::{everybodys, page_key};

/// Of a page.
type Key = Vec<u8>;

/// Changes no page that is there but locks it. One that is being deleted is waited for, and made again. Also those that cards leave, so
/// that all are locked in one order. Tells which were made.
const MAKE_PAGES: &str = "\
INSERT INTO pages (url_digest, keeper, url, host)
SELECT n.* FROM unnest($1::bytea[], $2::text[], $3::text[], $4::text[]) AS n(url_digest, keeper, url, host) ORDER BY n.url_digest
ON CONFLICT (url_digest) DO UPDATE SET host = excluded.host WHERE false
RETURNING url_digest";

/// They are fetched again all the same.
const TAKE_ALONG: &str = "\
UPDATE pages p SET state = b.state, fetched_at = b.fetched_at, title = b.title, description = b.description, image = b.image,
    site_name = b.site_name, author = b.author, kind = b.kind, language = b.language
FROM unnest($1::bytea[], $2::bytea[]) AS n(url_digest, before) JOIN pages b ON b.url_digest = n.before
WHERE p.url_digest = n.url_digest AND b.state = 'ready'";

const HOLD_PAGES: &str = "\
SELECT url_digest, url, title, description, image, site_name, author, kind, language FROM pages
WHERE url_digest = ANY($1) ORDER BY url_digest FOR UPDATE";

const PUT_DOCUMENTS: &str = "\
INSERT INTO search_documents (card_id, owner_id, url, url_digest, own_words, private)
SELECT c.id, c.owner_id, c.url, c.url_digest, n.own_words::tsvector, n.private
FROM unnest($1::uuid[], $2::text[], $3::bool[]) AS n(card_id, own_words, private) JOIN cards c ON c.id = n.card_id
ORDER BY n.card_id
ON CONFLICT (card_id) DO UPDATE SET own_words = excluded.own_words, private = excluded.private";

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

/// Of a page `p`: no document needs it.
macro_rules! is_stray {
    () => {
        "NOT CASE WHEN p.keeper IS NULL \
             THEN EXISTS (SELECT FROM search_documents d WHERE d.url_digest = p.url_digest AND NOT d.private) \
             ELSE EXISTS (SELECT FROM search_documents d WHERE d.owner_id = p.keeper \
                          AND d.url_digest = substring(p.url_digest FROM 1 FOR 32) AND d.private) END"
    };
}

/// Of those held.
const DROP_PAGES: &str = concat!(
    "WITH gone AS ( \
         DELETE FROM pages p WHERE p.url_digest = ANY($1) AND ",
    is_stray!(),
    " RETURNING p.url_digest \
     ), unindexed AS ( \
         DELETE FROM search_pages p USING gone WHERE p.url_digest = gone.url_digest \
     ) \
     SELECT url_digest FROM gone"
);

const DROP_STRAYS: &str = concat!("DELETE FROM pages p WHERE ", is_stray!());

const CARDS: &str = "\
SELECT c.id, c.owner_id, c.url, c.normalised_url, c.url_digest, c.library_link IS NOT NULL AS kept, c.private OR c.hidden AS private,
       n.text, d.private AS was_private
FROM cards c LEFT JOIN notes n ON n.card_id = c.id LEFT JOIN search_documents d ON d.card_id = c.id
WHERE c.id = ANY($1)";

/// Of a page that everybody sees: the cards with a note.
const NOTED: &str = "\
SELECT d.card_id, d.owner_id, d.private, n.text
FROM search_documents d JOIN notes n ON n.card_id = d.card_id
WHERE d.url_digest = $1 AND NOT d.private
ORDER BY d.card_id";

/// Of a page that one person sees: their card.
const KEPT_ALONE: &str = "\
SELECT d.card_id, d.owner_id, d.private, n.text
FROM pages p
JOIN search_documents d ON d.owner_id = p.keeper AND d.url_digest = substring(p.url_digest FROM 1 FOR 32) AND d.private
LEFT JOIN notes n ON n.card_id = d.card_id
WHERE p.url_digest = $1";

/// A page that is to be there.
struct Wanted {
    url: CardUrl,
    keeper: Option<String>,
}

/// What is known of a page, its row held.
struct Held {
    url: String,
    metadata: Metadata,
}

struct Kept {
    id: Uuid,
    owner: String,
    page: Key,
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
    let (mut kept, mut gone) = (Vec::new(), Vec::new());
    let (mut asked, mut left, mut leavers) = (Asked::default(), Vec::new(), Vec::new());
    let mut wanted: BTreeMap<Key, Wanted> = BTreeMap::new();
    // From the page of a card to the one that it had before.
    let mut before: BTreeMap<Key, Key> = BTreeMap::new();
    for row in session.fetch_all(sqlx::query(CARDS).bind(cards)).await? {
        let (id, digest): (Uuid, Vec<u8>) = (get(&row, "id")?, get(&row, "url_digest")?);
        let url = CardUrl::from_stored(get(&row, "url")?, get(&row, "normalised_url")?);
        let owner: String = get(&row, "owner_id")?;
        let mut want = |private: bool| {
            let key = page_key(&digest, private.then_some(owner.as_str()));
            let keeper = private.then(|| owner.clone());
            wanted.entry(key.clone()).or_insert_with(|| Wanted { url: url.clone(), keeper });
            key
        };
        let (is_kept, private): (bool, bool) = (get(&row, "kept")?, get(&row, "private")?);
        let was: Option<bool> = get(&row, "was_private")?;
        let page = is_kept.then(|| want(private));
        if let Some(was) = was.filter(|was| !is_kept || *was != private).map(&mut want) {
            before.extend(page.clone().map(|page| (page, was.clone())));
            left.push(was);
            leavers.push(owner.clone());
        }
        match page {
            Some(page) => {
                asked.add(page.clone(), owner.clone(), url.domain());
                kept.push(Kept { id, owner, page, note: get(&row, "text")?, private });
            }
            None => gone.push(id),
        }
    }
    let made = make_pages(session, &wanted).await?;
    before.retain(|page, _| made.contains(page));
    take_along(session, &before).await?;
    let keys: Vec<Key> = wanted.into_keys().collect();
    let pages = hold_pages(session, &keys).await?;
    let words_before = words::of(session, &keys, cards).await?;
    if !gone.is_empty() {
        session.execute(sqlx::query("DELETE FROM search_documents WHERE card_id = ANY($1)").bind(&gone)).await?;
    }
    let mut now = Words::new();
    put_documents(session, &pages, &kept, &mut now).await?;
    if !left.is_empty() {
        let dropped = session.fetch_all(sqlx::query(DROP_PAGES).bind(&left)).await?;
        let dropped = dropped.iter().map(|row| get(row, "url_digest")).collect::<Result<Vec<Key>, Failure>>()?;
        // Of these, another type may be known than was counted.
        let changed: BTreeSet<&Key> =
            dropped.iter().chain(before.keys()).filter(|key| everybodys(key).is_some()).collect();
        trends::refresh(session, &changed.into_iter().cloned().collect::<Vec<_>>()).await?;
        fetch_line::leave(session, &left, &leavers).await?;
    }
    fetch_line::join(session, asked).await?;
    put_pages(session, &pages, &mut now).await?;
    words::replace(session, &words_before, now).await
}

/// Indexes a page of which more is known now, and what holds it for its owner alone. In the session's transaction.
pub(in super::super) async fn index_page(session: &mut Session, key: &[u8]) -> Result<(), Failure> {
    let keys = [key.to_vec()];
    let pages = hold_pages(session, &keys).await?;
    let mut own = Vec::new();
    let cards = if everybodys(key).is_some() { NOTED } else { KEPT_ALONE };
    for row in session.fetch_all(sqlx::query(cards).bind(key)).await? {
        own.push(Kept {
            id: get(&row, "card_id")?,
            owner: get(&row, "owner_id")?,
            page: key.to_vec(),
            note: get(&row, "text")?,
            private: get(&row, "private")?,
        });
    }
    let cards: Vec<Uuid> = own.iter().map(|card| card.id).collect();
    let before = words::of(session, &keys, &cards).await?;
    let mut now = Words::new();
    put_documents(session, &pages, &own, &mut now).await?;
    put_pages(session, &pages, &mut now).await?;
    words::replace(session, &before, now).await
}

/// Drops every page that no document needs, once all cards are indexed. In the session's transaction.
pub(in super::super) async fn drop_stray_pages(session: &mut Session) -> Result<(), Failure> {
    session.execute(sqlx::query(DROP_STRAYS)).await?;
    Ok(())
}

/// Returns those that were not there.
async fn make_pages(session: &mut Session, wanted: &BTreeMap<Key, Wanted>) -> Result<BTreeSet<Key>, Failure> {
    let (mut keys, mut keepers, mut normalised, mut hosts) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (key, Wanted { url, keeper }) in wanted {
        keys.push(key.clone());
        keepers.push(keeper.clone());
        normalised.push(url.normalised().to_owned());
        hosts.push(url.domain().to_owned());
    }
    let query = sqlx::query(MAKE_PAGES).bind(keys).bind(keepers).bind(normalised).bind(hosts);
    session.fetch_all(query).await?.iter().map(|row| get(row, "url_digest")).collect()
}

async fn take_along(session: &mut Session, before: &BTreeMap<Key, Key>) -> Result<(), Failure> {
    if before.is_empty() {
        return Ok(());
    }
    let (pages, from): (Vec<Key>, Vec<Key>) = before.iter().map(|(page, from)| (page.clone(), from.clone())).unzip();
    session.execute(sqlx::query(TAKE_ALONG).bind(pages).bind(from)).await?;
    Ok(())
}

async fn hold_pages(session: &mut Session, keys: &[Key]) -> Result<BTreeMap<Key, Held>, Failure> {
    let rows = session.fetch_all(sqlx::query(HOLD_PAGES).bind(keys)).await?;
    let held = |row| Ok((get(row, "url_digest")?, Held { url: get(row, "url")?, metadata: get_metadata(row)? }));
    rows.iter().map(held).collect()
}

async fn put_documents(
    session: &mut Session,
    pages: &BTreeMap<Key, Held>,
    kept: &[Kept],
    words: &mut Words,
) -> Result<(), Failure> {
    if kept.is_empty() {
        return Ok(());
    }
    let (mut ids, mut own, mut private) = (Vec::new(), Vec::new(), Vec::new());
    for card in kept {
        let note = card.note.as_deref().or(card.private.then_some(""));
        let vector = note.zip(pages.get(&card.page)).map(|(note, page)| {
            let vector = Vector::of_note(note, &page.url, &page.metadata);
            let owned = |word| (word, card.owner.clone());
            if card.private {
                words.extend(vector.words().cloned().map(owned));
            } else {
                words.extend(tokens(note).map(owned));
            }
            vector.literal()
        });
        ids.push(card.id);
        own.push(vector);
        private.push(card.private);
    }
    session.execute(sqlx::query(PUT_DOCUMENTS).bind(ids).bind(own).bind(private)).await?;
    Ok(())
}

async fn put_pages(session: &mut Session, pages: &BTreeMap<Key, Held>, words: &mut Words) -> Result<(), Failure> {
    let (mut digests, mut kinds, mut literals) = (Vec::new(), Vec::new(), Vec::new());
    let mut vectors = BTreeMap::new();
    for (digest, page) in pages.iter().filter(|(key, _)| everybodys(key).is_some()) {
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
        let vector = vectors.get(&get::<Key>(&row, "url_digest")?);
        words.extend(vector.into_iter().flat_map(Vector::words).map(|word| (word.clone(), String::new())));
    }
    Ok(())
}
