//! Reading a library for an export.

use std::collections::BTreeMap;

use cardwire_domain::exports::{ExportedCard, Namesakes};
use cardwire_domain::note::NoteText;
use cardwire_domain::url::CardUrl;
use cardwire_domain::{CollectionId, Page, PageRequest, Position, Result, UserId, Visibility};
use sqlx::postgres::PgRow;
use sqlx::types::Uuid;

use super::error::Failure;
use super::page_rows::page_of;
use super::store::PostgresStore;
use super::values::{behind, card_id, collection_id, get, get_time, get_visibility, signed, uuid};
use crate::seen::sees_collection;

/// Links of a card `c` to collections that the person `$2` sees.
macro_rules! links_seen {
    () => {
        concat!(
            "links l JOIN collections k ON k.id = l.collection_id AND k.deleted_at IS NULL AND ",
            sees_collection!("k", "$2"),
            " WHERE l.card_id = c.id"
        )
    };
}

macro_rules! select_cards {
    ($($filter:tt)*) => {
        concat!(
            "SELECT c.id, c.url, c.normalised_url, coalesce(c.title, g.title) AS title, n.text, c.private, c.library_at, \
                    (SELECT coalesce(jsonb_object_agg(x.name, x.private), '{}') FROM ( \
                         SELECT k.name, bool_or(k.private) AS private FROM ",
            links_seen!(),
            " GROUP BY k.name) x) AS names \
             FROM cards c LEFT JOIN pages g ON g.url_digest = ",
            page_of!("c"),
            " LEFT JOIN notes n ON n.card_id = c.id \
             WHERE c.owner_id = $2 AND c.library_link IS NOT NULL \
               AND ($3::timestamptz IS NULL OR (c.library_at, c.id) < ($3, $4))",
            $($filter)*,
            " ORDER BY c.library_at DESC, c.id DESC LIMIT $1"
        )
    };
}

const CARDS: &str = select_cards!("");

/// The plan can begin with the collections' links. Somebody may have thousands of collections, and reading the whole
/// library for each takes too long.
const CARDS_IN: &str = select_cards!(
    " AND c.id IN (SELECT l.card_id FROM links l JOIN collections k ON k.id = l.collection_id AND k.deleted_at IS NULL AND ",
    sees_collection!("k", "$2"),
    " WHERE l.collection_id = ANY($5))"
);

const NAMES: &str = concat!(
    "SELECT x.name, array_agg(DISTINCT x.id) AS ids FROM cards c CROSS JOIN LATERAL (SELECT k.name COLLATE \"C\" AS name, k.id FROM ",
    links_seen!(),
    ") x \
     WHERE c.owner_id = $2 AND c.library_link IS NOT NULL AND ($3::text IS NULL OR x.name > $3) \
     GROUP BY x.name ORDER BY x.name LIMIT $1"
);

impl PostgresStore {
    pub(super) async fn cards_to_export(
        &self,
        owner: &UserId,
        collections: Option<&[CollectionId]>,
        page: &PageRequest,
    ) -> Result<Page<ExportedCard>> {
        let (at, id) = behind(page.after.as_ref())?;
        let most = signed(page.limit.get() + 1);
        let ask = |sql: &'static str| sqlx::query(sql).bind(most).bind(owner.as_str()).bind(at).bind(id);
        let query = match collections {
            None => ask(CARDS),
            // Planned for these parameters: the number of cards decides where to look.
            Some(ids) => ask(CARDS_IN).bind(ids.iter().map(|id| uuid(id.ulid())).collect::<Vec<_>>()).persistent(false),
        };
        let rows = self.session().await?.fetch_all(query).await?;
        let cards = rows.iter().map(read).collect::<Result<Vec<_>, Failure>>()?;
        Ok(Page::cut(cards, page.limit, |card| Position {
            key: card.added_at.as_microsecond(),
            id: card.id.to_string(),
        }))
    }

    pub(super) async fn names_to_export(
        &self,
        owner: &UserId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Namesakes>> {
        let query = sqlx::query(NAMES).bind(signed(limit)).bind(owner.as_str()).bind(after);
        let rows = self.session().await?.fetch_all(query).await?;
        let namesakes = |row| {
            let ids: Vec<Uuid> = get(row, "ids")?;
            Ok(Namesakes { name: get(row, "name")?, collections: ids.into_iter().map(collection_id).collect() })
        };
        Ok(rows.iter().map(namesakes).collect::<Result<_, Failure>>()?)
    }
}

fn read(row: &PgRow) -> Result<ExportedCard, Failure> {
    let names: BTreeMap<String, bool> =
        serde_json::from_value(get(row, "names")?).map_err(|error| Failure::Nonsense(error.to_string()))?;
    Ok(ExportedCard {
        id: card_id(get(row, "id")?),
        url: CardUrl::from_stored(get(row, "url")?, get(row, "normalised_url")?),
        title: get(row, "title")?,
        note: get::<Option<String>>(row, "text")?.map(NoteText::from_stored),
        collections: names.into_iter().map(|(name, is_private)| (name, Visibility::of(is_private))).collect(),
        visibility: get_visibility(row)?,
        added_at: get_time(row, "library_at")?,
    })
}
