//! Finds cards whose URLs were read by earlier rules, and gives cards their URLs by the current ones.

use cardwire_domain::CardId;
use cardwire_domain::store::OutdatedCard;
use cardwire_domain::url::CardUrl;
use sqlx::types::Uuid;

use super::error::Failure;
use super::pool::Session;
use super::values::{card_id, get, signed, url_digest, user_id, uuid};

const _: () = assert!(CardUrl::RULES == 1, "OUTDATED and its index name the rules");

/// If several look at once, each card goes to one of them.
const OUTDATED: &str = "\
SELECT c.id, c.owner_id, c.url, c.normalised_url FROM cards c
WHERE c.identity_version < 1 AND c.id > $1 AND NOT EXISTS (SELECT FROM leaving l WHERE l.user_id = c.owner_id)
ORDER BY c.id LIMIT $2 FOR NO KEY UPDATE OF c SKIP LOCKED";

/// A card that these rules renamed earlier is being retired. Its replacement reports only the URL that it has now, and
/// nothing about the one before.
const IDENTIFY: &str = "\
UPDATE cards c SET url = n.url, normalised_url = n.normalised_url, url_digest = n.url_digest, identity_version = $5,
    former_digest = CASE WHEN c.url_digest = n.url_digest THEN c.former_digest
                         WHEN c.identity_version < $5 THEN c.url_digest
                         ELSE coalesce(c.former_digest, c.url_digest) END
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[]) AS n(id, url, normalised_url, url_digest)
WHERE c.id = n.id";

/// In a transaction, which locks them.
pub(super) async fn outdated(
    session: &mut Session,
    after: Option<CardId>,
    limit: usize,
) -> Result<Vec<OutdatedCard>, Failure> {
    session.begin().await?;
    let after = after.map_or(Uuid::nil(), |card| uuid(card.ulid()));
    let rows = session.fetch_all(sqlx::query(OUTDATED).bind(after).bind(signed(limit))).await?;
    let card = |row| {
        Ok(OutdatedCard {
            id: card_id(get(row, "id")?),
            owner: user_id(get(row, "owner_id")?)?,
            url: CardUrl::from_stored(get(row, "url")?, get(row, "normalised_url")?),
        })
    };
    rows.iter().map(card).collect()
}

/// Existing cards, each once. In the session's transaction.
pub(super) async fn identify(session: &mut Session, cards: &[(Uuid, CardUrl)]) -> Result<(), Failure> {
    if cards.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = cards.iter().map(|(id, _)| *id).collect();
    let given: Vec<&str> = cards.iter().map(|(_, url)| url.given()).collect();
    let normalised: Vec<&str> = cards.iter().map(|(_, url)| url.normalised()).collect();
    let digests: Vec<Vec<u8>> = normalised.iter().map(|url| url_digest(url)).collect();
    let query = sqlx::query(IDENTIFY).bind(ids).bind(given).bind(normalised).bind(digests).bind(CardUrl::RULES);
    let done = session.execute(query).await?;
    if done == cards.len() as u64 { Ok(()) } else { Err(Failure::Changed) }
}
