//! Cards whose URL differs from the one in the index: they move from page to page.

use std::collections::BTreeMap;

use cardwire_domain::url::CardUrl;
use sqlx::types::Uuid;

use super::super::error::Failure;
use super::super::pool::Session;
use super::super::values::get;

/// For a page.
type Key = Vec<u8>;

const PAGES: &str = "SELECT url_digest, keeper, url FROM pages WHERE url_digest = ANY($1)";

/// A page's data is carried over to its new URL until that is fetched. Never from one person's page to another
/// person's, or to everybody's.
const CARRY: &str = "\
UPDATE pages n SET state = o.state, reason = o.reason, retryable = o.retryable, fetched_at = o.fetched_at,
    next_fetch_at = o.next_fetch_at, not_before = o.not_before, title = o.title, description = o.description, image = o.image,
    icon_url = o.icon_url, cover = o.cover, cover_width = o.cover_width, cover_height = o.cover_height, icon = o.icon,
    pictures_at = o.pictures_at, pictured_at = o.pictured_at,
    site_name = o.site_name, author = o.author, kind = o.kind, language = o.language
FROM unnest($1::bytea[], $2::bytea[]) AS m(after, before) JOIN pages o ON o.url_digest = m.before
WHERE n.url_digest = m.after AND n.keeper IS NOT DISTINCT FROM o.keeper AND o.state = 'ready'";

/// The owners' other cards that are indexed where these are now. They have moved as well, which an event reports.
const IN_THE_WAY: &str = "\
SELECT d.card_id FROM cards c JOIN search_documents d ON d.owner_id = c.owner_id AND d.url_digest = c.url_digest
WHERE c.id = ANY($1) AND d.card_id <> c.id";

/// The existing pages among these: their keys, owners and URLs.
pub(super) async fn pages(session: &mut Session, keys: &[Key]) -> Result<Vec<(Key, Option<String>, CardUrl)>, Failure> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let rows = session.fetch_all(sqlx::query(PAGES).bind(keys)).await?;
    let page = |row| {
        let url = CardUrl::from_stored(String::new(), get(row, "url")?);
        Ok((get(row, "url_digest")?, get(row, "keeper")?, url))
    };
    rows.iter().map(page).collect()
}

/// For new pages and their predecessors. The session's transaction has locked both.
pub(super) async fn carry(session: &mut Session, followed: &BTreeMap<Key, Key>) -> Result<(), Failure> {
    if followed.is_empty() {
        return Ok(());
    }
    let (pages, from): (Vec<Key>, Vec<Key>) = followed.iter().map(|(page, from)| (page.clone(), from.clone())).unzip();
    session.execute(sqlx::query(CARRY).bind(pages).bind(from)).await?;
    Ok(())
}

/// Cards that are indexed in the place of these.
pub(super) async fn in_the_way(session: &mut Session, cards: Vec<Uuid>) -> Result<Vec<Uuid>, Failure> {
    let rows = session.fetch_all(sqlx::query(IN_THE_WAY).bind(cards)).await?;
    rows.iter().map(|row| get(row, "card_id")).collect()
}
