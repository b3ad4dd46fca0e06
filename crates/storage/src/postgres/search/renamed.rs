//! Cards that have another URL than the one under which they are indexed: they move from page to page.

use cardwire_domain::url::CardUrl;
use sqlx::types::Uuid;

use super::super::error::Failure;
use super::super::pool::Session;
use super::super::values::get;

/// Of a page.
type Key = Vec<u8>;

/// As far as they are there.
const LEFT: &str = "SELECT url_digest, keeper, url FROM pages WHERE url_digest = ANY($1)";

/// What is known of a page is known of it under its new URL, until that is fetched. Never from one person's page to another's, or everybody's.
const CARRY: &str = "\
UPDATE pages n SET state = o.state, reason = o.reason, retryable = o.retryable, fetched_at = o.fetched_at,
    next_fetch_at = o.next_fetch_at, title = o.title, description = o.description, image = o.image,
    site_name = o.site_name, author = o.author, kind = o.kind, language = o.language,
    turn = NULL, asked_by = NULL, domain = NULL, by_person = NULL, by_domain = NULL
FROM unnest($1::bytea[], $2::bytea[]) AS m(before, after) JOIN pages o ON o.url_digest = m.before
WHERE n.url_digest = m.after AND n.keeper IS NOT DISTINCT FROM o.keeper
  AND n.state = 'pending' AND n.lease IS NULL AND o.state = 'ready'";

/// Other cards of the owners that are indexed where these are now. They have moved on themselves, and an event says so.
const IN_THE_WAY: &str = "\
SELECT d.card_id FROM cards c JOIN search_documents d ON d.owner_id = c.owner_id AND d.url_digest = c.url_digest
WHERE c.id = ANY($1) AND d.card_id <> c.id";

/// What moved, of some cards.
#[derive(Default)]
pub(super) struct Renamed {
    /// The pages that the cards were at.
    left: Vec<Key>,
    /// From page to page, of cards that are kept and are seen by the same people as before.
    before: Vec<Key>,
    after: Vec<Key>,
}

impl Renamed {
    /// A card was at this page.
    pub(super) fn leave(&mut self, page: Key) {
        self.left.push(page);
    }

    /// The same people see the card at another page.
    pub(super) fn follow(&mut self, before: Key, after: Key) {
        self.before.push(before);
        self.after.push(after);
    }

    /// The pages of which more may be known than before.
    pub(super) fn after(&self) -> &[Key] {
        &self.after
    }

    /// The pages that were left, as far as they are there: their keys, whose they are, and their URLs.
    pub(super) async fn left(&self, session: &mut Session) -> Result<Vec<(Key, Option<String>, CardUrl)>, Failure> {
        if self.left.is_empty() {
            return Ok(Vec::new());
        }
        let rows = session.fetch_all(sqlx::query(LEFT).bind(&self.left)).await?;
        let page = |row| {
            let url = CardUrl::from_stored(String::new(), get(row, "url")?);
            Ok((get(row, "url_digest")?, get(row, "keeper")?, url))
        };
        rows.iter().map(page).collect()
    }

    /// The session's transaction holds the pages.
    pub(super) async fn carry(&self, session: &mut Session) -> Result<(), Failure> {
        if !self.after.is_empty() {
            session.execute(sqlx::query(CARRY).bind(&self.before).bind(&self.after)).await?;
        }
        Ok(())
    }
}

/// Cards that are indexed in the place of these.
pub(super) async fn in_the_way(session: &mut Session, cards: Vec<Uuid>) -> Result<Vec<Uuid>, Failure> {
    let rows = session.fetch_all(sqlx::query(IN_THE_WAY).bind(cards)).await?;
    rows.iter().map(|row| get(row, "card_id")).collect()
}
