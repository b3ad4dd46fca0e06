//! Finds cards whose URLs were read by earlier rules, and gives cards their URLs by the current ones.

use cardwire_domain::CardId;
use cardwire_domain::store::OutdatedCard;
use cardwire_domain::url::CardUrl;
use rusqlite::{Connection, Row};

use super::error::Failure;
use super::values::{blob, card_id, get, rows, run, signed, url_digest, user_id};

const _: () = assert!(CardUrl::RULES == 1, "OUTDATED and its index name the rules");

const OUTDATED: &str = "\
SELECT id, owner_id, url, normalised_url FROM cards
WHERE identity_version < 1 AND id > ?1 AND NOT EXISTS (SELECT 1 FROM leaving WHERE user_id = owner_id) ORDER BY id LIMIT ?2";

/// A card that these rules renamed earlier is being retired. Its replacement reports only the URL that it has now, and
/// nothing about the one before.
const IDENTIFY: &str = "\
UPDATE cards SET url = ?2, normalised_url = ?3, url_digest = ?4, identity_version = ?5, version = version + 1,
    former_digest = CASE WHEN url_digest = ?4 THEN former_digest
                         WHEN identity_version < ?5 THEN url_digest
                         ELSE coalesce(former_digest, url_digest) END
WHERE id = ?1";

pub(super) fn outdated(
    connection: &Connection,
    after: Option<CardId>,
    limit: usize,
) -> Result<Vec<OutdatedCard>, Failure> {
    // Nothing sorts before the empty string.
    let after = after.map(|card| blob(card.ulid()).to_vec()).unwrap_or_default();
    rows(connection, OUTDATED, &[&after, &signed(limit)], |row: &Row<'_>| {
        Ok(OutdatedCard {
            id: card_id(get(row, "id")?),
            owner: user_id(&get::<String>(row, "owner_id")?)?,
            url: CardUrl::from_stored(get(row, "url")?, get(row, "normalised_url")?),
        })
    })
}

/// For a card that exists.
pub(super) fn identify(connection: &Connection, card: CardId, url: &CardUrl) -> Result<(), Failure> {
    let (id, digest) = (blob(card.ulid()), url_digest(url.normalised()));
    let changed = run(connection, IDENTIFY, &[&id, &url.given(), &url.normalised(), &digest, &CardUrl::RULES])?;
    if changed == 1 { Ok(()) } else { Err(Failure::Changed) }
}
