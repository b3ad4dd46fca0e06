//! Writing the index: cards' current rows, and pages when more is known about them.
//!
//! All code locks cards, then pages, then writes documents, then words, each in the order of their keys. A transaction
//! that writes a page's part of the index holds the page's row. A page and its words exist while a document needs them:
//! they are deleted with the last document, and a fetch still running then finds no page to store its result in.
//!
//! A page's public index data exists while a card that everybody sees needs it. A card that others do not see has its
//! own page ([`page_keys`](crate::page_keys)), and is found by its own words, which include those of that page. When a
//! card's visibility changes, its new page starts with what the old one knew, unless the new page already exists. A
//! card that gets another URL takes its page's data along too, but never from its owner's own page to everybody's. A
//! card that everybody sees and that has its own title is found by its own row as well.

use std::collections::{BTreeMap, BTreeSet};

use cardwire_domain::metadata::Metadata;
use cardwire_domain::search::WORDING;
use cardwire_domain::url::CardUrl;
use sqlx::postgres::PgRow;
use sqlx::types::Uuid;

use super::super::error::Failure;
use super::super::fetch_line::{self, Asked};
use super::super::page_rows::get_metadata;
use super::super::pool::Session;
use super::super::trends;
use super::super::values::get;
use super::renamed;
use super::vector::Vector;
use super::words::{self, Words};
use crate::page_keys::{everybodys, page_key};
use crate::titles::says_more;

/// For a page.
type Key = Vec<u8>;

/// Locks existing pages without changing them. Waits for one that is being deleted, and creates it again. Includes the
/// pages that cards leave, so that all are locked in one order. Returns which were created.
const MAKE_PAGES: &str = "\
INSERT INTO pages (url_digest, keeper, url, host)
SELECT n.* FROM unnest($1::bytea[], $2::text[], $3::text[], $4::text[]) AS n(url_digest, keeper, url, host) ORDER BY n.url_digest
ON CONFLICT (url_digest) DO UPDATE SET host = excluded.host WHERE false
RETURNING url_digest";

/// They are fetched again anyway.
const TAKE_ALONG: &str = "\
UPDATE pages p SET state = b.state, fetched_at = b.fetched_at, title = b.title, description = b.description, image = b.image,
    icon_url = b.icon_url, cover = b.cover, cover_width = b.cover_width, cover_height = b.cover_height, icon = b.icon,
    site_name = b.site_name, author = b.author, kind = b.kind, language = b.language
FROM unnest($1::bytea[], $2::bytea[]) AS n(url_digest, before) JOIN pages b ON b.url_digest = n.before
WHERE p.url_digest = n.url_digest AND b.state = 'ready'";

const HOLD_PAGES: &str = "\
SELECT url_digest, url, title, description, image, icon_url, site_name, author, kind, language FROM pages
WHERE url_digest = ANY($1) ORDER BY url_digest FOR UPDATE";

const PUT_DOCUMENTS: &str = "\
INSERT INTO search_documents (card_id, owner_id, url, url_digest, own_words, private, version)
SELECT c.id, c.owner_id, c.url, c.url_digest, n.own_words::tsvector, n.private, $4
FROM unnest($1::uuid[], $2::text[], $3::bool[]) AS n(card_id, own_words, private) JOIN cards c ON c.id = n.card_id
ORDER BY n.card_id
ON CONFLICT (card_id) DO UPDATE SET url = excluded.url, url_digest = excluded.url_digest,
    own_words = excluded.own_words, private = excluded.private, version = excluded.version";

/// For documents that stay where they are, even if their cards are gone.
const PUT_WORDS: &str = "\
UPDATE search_documents d SET own_words = n.own_words::tsvector, version = $4
FROM unnest($1::uuid[], $2::text[], $3::bool[]) AS n(card_id, own_words, private) WHERE d.card_id = n.card_id";

/// Counted each time, so that it cannot drift: all in one index, minus those in another that others do not see.
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

/// `$1`: cards that were found by a title; only those also in `$2` still are.
const PUT_TITLES: &str = "\
WITH gone AS (
    DELETE FROM search_titles WHERE card_id = ANY($1) AND card_id <> ALL($2)
)
INSERT INTO search_titles (card_id, owner_id, url_digest, words)
SELECT n.card_id, n.owner_id, n.url_digest, n.words::tsvector
FROM unnest($2::uuid[], $3::text[], $4::bytea[], $5::text[]) AS n(card_id, owner_id, url_digest, words)
ORDER BY n.card_id
ON CONFLICT (card_id) DO UPDATE SET url_digest = excluded.url_digest, words = excluded.words";

/// For a page `p`: no document needs it.
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

/// `taken`: another of the owner's cards is indexed where this one is now. That card has moved as well.
const CARDS: &str = "\
SELECT c.id, c.owner_id, c.url, c.normalised_url, c.url_digest, c.library_link IS NOT NULL AS kept, c.private OR c.hidden AS private,
       c.title, n.text, d.url_digest AS was_at, d.private AS was_private, o.private AS taken,
       EXISTS (SELECT 1 FROM search_titles t WHERE t.card_id = c.id) AS is_titled
FROM cards c LEFT JOIN notes n ON n.card_id = c.id LEFT JOIN search_documents d ON d.card_id = c.id
LEFT JOIN search_documents o ON o.owner_id = c.owner_id AND o.url_digest = c.url_digest AND o.card_id <> c.id
WHERE c.id = ANY($1)";

/// For a page that everybody sees: the cards with a note or their own title. A title is left out if the card has become
/// private and that is not indexed yet: others may never have seen it.
const WORDED: &str = "\
SELECT d.card_id, d.owner_id, d.private, n.text, CASE WHEN NOT (c.private OR c.hidden) THEN c.title END AS title,
       t.card_id IS NOT NULL AS is_titled
FROM search_documents d LEFT JOIN cards c ON c.id = d.card_id LEFT JOIN notes n ON n.card_id = d.card_id
LEFT JOIN search_titles t ON t.card_id = d.card_id
WHERE d.url_digest = $1 AND NOT d.private AND (n.card_id IS NOT NULL OR c.title IS NOT NULL OR t.card_id IS NOT NULL)
ORDER BY d.card_id";

/// For a page that one person sees: their card.
const KEPT_ALONE: &str = "\
SELECT d.card_id, d.owner_id, d.private, n.text, c.title, false AS is_titled
FROM pages p
JOIN search_documents d ON d.owner_id = p.keeper AND d.url_digest = substring(p.url_digest FROM 1 FOR 32) AND d.private
LEFT JOIN cards c ON c.id = d.card_id LEFT JOIN notes n ON n.card_id = d.card_id
WHERE p.url_digest = $1";

/// A page that must exist.
struct Wanted {
    url: CardUrl,
    keeper: Option<String>,
}

/// What is known about a page whose row is locked.
struct Held {
    url: String,
    metadata: Metadata,
}

struct Kept {
    id: Uuid,
    owner: String,
    page: Key,
    title: Option<String>,
    note: Option<String>,
    /// Others do not see it.
    private: bool,
}

/// The changes for some cards, and for the pages that they show and leave.
#[derive(Default)]
struct Plan {
    kept: Vec<Kept>,
    gone: Vec<Uuid>,
    /// Cards that are found by a title according to the index, or may be.
    titled: Vec<Uuid>,
    /// All affected pages. All are locked before anything else is written.
    wanted: BTreeMap<Key, Wanted>,
    /// From a card's page to the one that it had before.
    before: BTreeMap<Key, Key>,
    /// The same, if the card has another URL and the same people see it.
    followed: BTreeMap<Key, Key>,
    /// Pages of URLs that the cards no longer have.
    renamed: Vec<Key>,
    /// Whether other cards are indexed where some of these are now.
    is_taken: bool,
    asked: Asked,
    /// Pages that cards leave, and their owners.
    left: (Vec<Key>, Vec<String>),
}

impl Plan {
    /// `row` is one of [`CARDS`].
    fn add(&mut self, row: &PgRow) -> Result<(), Failure> {
        let digest: Vec<u8> = get(row, "url_digest")?;
        let url = CardUrl::from_stored(get(row, "url")?, get(row, "normalised_url")?);
        let owner: String = get(row, "owner_id")?;
        let mut want = |private: bool| {
            let key = page_key(&digest, private.then_some(owner.as_str()));
            let keeper = private.then(|| owner.clone());
            self.wanted.entry(key.clone()).or_insert_with(|| Wanted { url: url.clone(), keeper });
            key
        };
        let (is_kept, private): (bool, bool) = (get(row, "kept")?, get(row, "private")?);
        let page = is_kept.then(|| want(private));
        let taken: Option<bool> = get(row, "taken")?;
        let mut left: Vec<Key> = taken.filter(|_| is_kept).map(&mut want).into_iter().collect();
        self.is_taken |= !left.is_empty();
        let was_at: Option<Vec<u8>> = get(row, "was_at")?;
        let was_private: bool = get::<Option<bool>>(row, "was_private")?.unwrap_or_default();
        let is_renamed = was_at.as_ref().is_some_and(|at| *at != digest);
        let was = was_at.map(|at| page_key(&at, was_private.then_some(owner.as_str())));
        if let Some(was) = was.filter(|was| page.as_ref() != Some(was)) {
            if is_renamed {
                self.renamed.push(was.clone());
            } else {
                want(was_private);
            }
            if let Some(page) = page.clone() {
                if is_renamed && was_private == private {
                    self.followed.insert(page, was.clone());
                } else if !is_renamed || private {
                    // Data of somebody's own page is passed on to others only under the URL for which it was fetched.
                    self.before.insert(page, was.clone());
                }
            }
            left.push(was);
        }
        self.left.1.extend(left.iter().map(|_| owner.clone()));
        self.left.0.extend(left);
        let id = get(row, "id")?;
        if get(row, "is_titled")? {
            self.titled.push(id);
        }
        match page {
            Some(page) => {
                self.asked.add(page.clone(), owner.clone(), url.domain());
                let (title, note) = (get(row, "title")?, get(row, "text")?);
                self.kept.push(Kept { id, owner, page, title, note, private });
            }
            None => self.gone.push(id),
        }
        Ok(())
    }

    /// Locks the pages, which start with the data of their predecessors. Only then looks for the cards that are in the
    /// way: moving one locks the page that it leaves.
    async fn hold(&mut self, session: &mut Session) -> Result<BTreeMap<Key, Held>, Failure> {
        for (key, keeper, url) in renamed::pages(session, &self.renamed).await? {
            self.wanted.entry(key).or_insert(Wanted { url, keeper });
        }
        let made = make_pages(session, &self.wanted).await?;
        self.before.retain(|page, _| made.contains(page));
        self.followed.retain(|page, _| made.contains(page));
        take_along(session, &self.before).await?;
        renamed::carry(session, &self.followed).await?;
        if self.is_taken {
            let kept = self.kept.iter().map(|card| card.id).collect();
            let in_the_way = renamed::in_the_way(session, kept).await?;
            self.titled.extend(&in_the_way);
            self.gone.extend(in_the_way);
        }
        hold_pages(session, &self.wanted.keys().cloned().collect::<Vec<_>>()).await
    }

    /// Deletes pages that no card shows any more.
    async fn let_go(&self, session: &mut Session) -> Result<(), Failure> {
        let (left, leavers) = &self.left;
        if left.is_empty() {
            return Ok(());
        }
        let dropped = session.fetch_all(sqlx::query(DROP_PAGES).bind(left)).await?;
        let dropped = dropped.iter().map(|row| get(row, "url_digest")).collect::<Result<Vec<Key>, Failure>>()?;
        // Their known type may differ from the one that was counted.
        let changed = dropped.iter().chain(self.before.keys()).chain(self.followed.keys());
        let changed: BTreeSet<&Key> = changed.filter(|key| everybodys(key).is_some()).collect();
        trends::refresh(session, &changed.into_iter().cloned().collect::<Vec<_>>()).await?;
        fetch_line::leave(session, left, leavers).await
    }
}

/// In the session's transaction. `cards` are sorted.
pub(in super::super) async fn index_cards(session: &mut Session, cards: &[Uuid]) -> Result<(), Failure> {
    if cards.is_empty() {
        return Ok(());
    }
    // Locked until the commit, so that nobody indexes a later row before this one. Lock first, then read: a row read in
    // the same statement as a lock that had to wait may be older than the lock.
    session.execute(sqlx::query("SELECT 1 FROM cards WHERE id = ANY($1) ORDER BY id FOR SHARE").bind(cards)).await?;
    let mut plan = Plan::default();
    for row in session.fetch_all(sqlx::query(CARDS).bind(cards)).await? {
        plan.add(&row)?;
    }
    let pages = plan.hold(session).await?;
    let keys: Vec<Key> = plan.wanted.keys().cloned().collect();
    let indexed: Vec<Uuid> = cards.iter().chain(&plan.gone).copied().collect();
    let before = words::of(session, &keys, &indexed).await?;
    if !plan.gone.is_empty() {
        session.execute(sqlx::query("DELETE FROM search_documents WHERE card_id = ANY($1)").bind(&plan.gone)).await?;
    }
    let mut now = Words::new();
    put_documents(session, PUT_DOCUMENTS, &pages, &plan.kept, &mut now).await?;
    put_titles(session, &pages, &plan.kept, &plan.titled, &mut now).await?;
    plan.let_go(session).await?;
    fetch_line::join(session, plan.asked).await?;
    put_pages(session, &pages, &mut now).await?;
    words::replace(session, &before, now).await
}

/// Indexes a page about which more is known now, and the private entries that contain it. In the session's transaction.
pub(in super::super) async fn index_page(session: &mut Session, key: &[u8]) -> Result<(), Failure> {
    let keys = [key.to_vec()];
    let pages = hold_pages(session, &keys).await?;
    let (mut own, mut titled) = (Vec::new(), Vec::new());
    let cards = if everybodys(key).is_some() { WORDED } else { KEPT_ALONE };
    for row in session.fetch_all(sqlx::query(cards).bind(key)).await? {
        if get(&row, "is_titled")? {
            titled.push(get(&row, "card_id")?);
        }
        own.push(Kept {
            id: get(&row, "card_id")?,
            owner: get(&row, "owner_id")?,
            page: key.to_vec(),
            title: get(&row, "title")?,
            note: get(&row, "text")?,
            private: get(&row, "private")?,
        });
    }
    let cards: Vec<Uuid> = own.iter().map(|card| card.id).collect();
    let before = words::of(session, &keys, &cards).await?;
    let mut now = Words::new();
    put_documents(session, PUT_WORDS, &pages, &own, &mut now).await?;
    put_titles(session, &pages, &own, &titled, &mut now).await?;
    put_pages(session, &pages, &mut now).await?;
    words::replace(session, &before, now).await
}

/// Deletes every page that no document needs, once all cards are indexed. In the session's transaction.
pub(in super::super) async fn drop_stray_pages(session: &mut Session) -> Result<(), Failure> {
    session.execute(sqlx::query(DROP_STRAYS)).await?;
    Ok(())
}

/// Returns those that are new.
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

/// `put` is [`PUT_DOCUMENTS`] or [`PUT_WORDS`].
async fn put_documents(
    session: &mut Session,
    put: &'static str,
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
            let vector = Vector::of_note(note, card.title.as_deref(), &page.url, &page.metadata);
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
    session.execute(sqlx::query(put).bind(ids).bind(own).bind(private).bind(WORDING)).await?;
    Ok(())
}

/// The public entries of cards with their own titles. `titled`: those that had some.
async fn put_titles(
    session: &mut Session,
    pages: &BTreeMap<Key, Held>,
    kept: &[Kept],
    titled: &[Uuid],
    words: &mut Words,
) -> Result<(), Failure> {
    let (mut ids, mut owners, mut digests, mut literals) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for card in kept.iter().filter(|card| !card.private) {
        let Some((title, page)) = card.title.as_deref().zip(pages.get(&card.page)) else { continue };
        if !says_more(title, page.metadata.title.as_deref()) {
            continue;
        }
        let vector = Vector::of_title(title, &page.url, &page.metadata);
        words.extend(vector.words().map(|word| (word.clone(), String::new())));
        ids.push(card.id);
        owners.push(card.owner.clone());
        // This is everybody's page.
        digests.push(card.page.clone());
        literals.push(vector.literal());
    }
    if ids.is_empty() && titled.is_empty() {
        return Ok(());
    }
    let query = sqlx::query(PUT_TITLES).bind(titled).bind(ids).bind(owners).bind(digests).bind(literals);
    session.execute(query).await?;
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
