//! Cards that have another URL than the one under which they may be indexed: they move from page to page.

use std::collections::BTreeMap;

use cardwire_domain::url::CardUrl;
use sqlx::types::Uuid;

use super::super::error::Failure;
use super::super::pool::Session;
use super::super::values::get;

type Digest = Vec<u8>;

/// Pages at which these cards were, as far as they are still there.
const LEFT: &str = "\
SELECT c.owner_id, p.url_digest, p.url FROM cards c
CROSS JOIN LATERAL (
    SELECT c.former_digest AS digest UNION SELECT d.url_digest FROM search_documents d WHERE d.card_id = c.id
) b
JOIN pages p ON p.url_digest = b.digest
WHERE c.id = ANY($1) AND b.digest <> c.url_digest";

/// What is known of a page is known of it under its new URL, until that is fetched.
const CARRY: &str = "\
UPDATE pages n SET state = o.state, reason = o.reason, retryable = o.retryable, fetched_at = o.fetched_at,
    next_fetch_at = o.next_fetch_at, title = o.title, description = o.description, image = o.image,
    site_name = o.site_name, author = o.author, kind = o.kind, language = o.language,
    turn = NULL, asked_by = NULL, domain = NULL, by_person = NULL, by_domain = NULL
FROM unnest($1::bytea[], $2::bytea[]) AS m(before, after) JOIN pages o ON o.url_digest = m.before
WHERE n.url_digest = m.after AND n.state = 'pending' AND n.lease IS NULL AND o.state = 'ready'";

/// Other cards of the owners that are indexed where these are now. They have moved on themselves, and an event says so.
const IN_THE_WAY: &str = "\
SELECT d.card_id FROM unnest($1::text[], $2::bytea[], $3::uuid[]) AS n(owner_id, url_digest, card_id)
JOIN search_documents d ON d.owner_id = n.owner_id AND d.url_digest = n.url_digest
WHERE d.card_id <> n.card_id";

/// What moved, of some cards.
#[derive(Default)]
pub(super) struct Renamed {
    cards: Vec<Uuid>,
    /// Of those that are kept.
    before: Vec<Digest>,
    after: Vec<Digest>,
}

impl Renamed {
    pub(super) fn is_empty(&self) -> bool {
        self.cards.is_empty()
    }

    pub(super) fn add(&mut self, card: Uuid, before: Digest, after: Digest, is_kept: bool) {
        self.cards.push(card);
        if is_kept {
            self.before.push(before);
            self.after.push(after);
        }
    }

    /// The pages that they are at now.
    pub(super) fn pages(&self) -> &[Digest] {
        &self.after
    }

    /// Adds the pages that they left to `urls`, and who left which.
    pub(super) async fn left(
        &self,
        session: &mut Session,
        urls: &mut BTreeMap<Digest, CardUrl>,
    ) -> Result<Vec<(Digest, String)>, Failure> {
        let mut left = Vec::new();
        if self.is_empty() {
            return Ok(left);
        }
        for row in session.fetch_all(sqlx::query(LEFT).bind(&self.cards)).await? {
            let digest: Digest = get(&row, "url_digest")?;
            let url = CardUrl::from_stored(String::new(), get(&row, "url")?);
            urls.entry(digest.clone()).or_insert(url);
            left.push((digest, get(&row, "owner_id")?));
        }
        Ok(left)
    }

    /// The session's transaction holds the pages.
    pub(super) async fn carry(&self, session: &mut Session) -> Result<(), Failure> {
        if !self.after.is_empty() {
            session.execute(sqlx::query(CARRY).bind(&self.before).bind(&self.after)).await?;
        }
        Ok(())
    }
}

/// Cards that are indexed in the place of others, given as columns.
pub(super) async fn in_the_way(
    session: &mut Session,
    owners: Vec<&str>,
    digests: Vec<&[u8]>,
    cards: Vec<Uuid>,
) -> Result<Vec<Uuid>, Failure> {
    let rows = session.fetch_all(sqlx::query(IN_THE_WAY).bind(owners).bind(digests).bind(cards)).await?;
    rows.iter().map(|row| get(row, "card_id")).collect()
}
