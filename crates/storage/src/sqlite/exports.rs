//! A library as it is exported.

use cardwire_domain::exports::ExportedCard;
use cardwire_domain::note::NoteText;
use cardwire_domain::url::CardUrl;
use cardwire_domain::{Page, PageRequest, Position, Result, UserId};
use rusqlite::{Connection, Row};

use super::error::Failure;
use super::page_rows::page_of;
use super::store::SqliteStore;
use super::values::{NEWEST, behind, card_id, get, get_time, get_visibility, rows, signed};
use crate::seen::sees_collection;

/// Links of a card `c` to collections that the person `?2` sees.
macro_rules! links_seen {
    () => {
        concat!(
            "links l JOIN collections k ON k.id = l.collection_id AND k.deleted_at IS NULL AND ",
            sees_collection!("k", "?2"),
            " WHERE l.card_id = c.id"
        )
    };
}

const CARDS: &str = concat!(
    "SELECT c.id, c.url, c.normalised_url, coalesce(c.title, g.title) AS title, n.text, c.private, c.library_at \
     FROM cards c LEFT JOIN pages g ON g.url_digest = ",
    page_of!("c"),
    " LEFT JOIN notes n ON n.card_id = c.id \
     WHERE c.owner_id = ?2 AND c.library_link IS NOT NULL AND (c.library_at, c.id) < (?3, ?4) \
       AND (?5 IS NULL OR EXISTS (SELECT 1 FROM ",
    links_seen!(),
    " AND k.name = ?5)) ORDER BY c.library_at DESC, c.id DESC LIMIT ?1"
);

const NAMES_OF: &str = concat!(
    "SELECT k.name, max(k.private) AS private FROM cards c JOIN ",
    links_seen!(),
    " AND c.id = ?1 GROUP BY k.name"
);

const NAMES: &str = concat!(
    "SELECT DISTINCT k.name FROM cards c JOIN ",
    links_seen!(),
    " AND c.owner_id = ?2 AND c.library_link IS NOT NULL AND (?3 IS NULL OR k.name > ?3) ORDER BY k.name LIMIT ?1"
);

impl SqliteStore {
    pub(super) async fn cards_to_export(
        &self,
        owner: &UserId,
        collection: Option<&str>,
        page: &PageRequest,
    ) -> Result<Page<ExportedCard>> {
        let (at, id) = behind(page.after.as_ref())?.unwrap_or(NEWEST);
        let (owner, collection, most) = (owner.clone(), collection.map(str::to_owned), signed(page.limit.get() + 1));
        let list = move |connection: &Connection, _| {
            let owner = owner.as_str();
            rows(connection, CARDS, &[&most, &owner, &at, &id, &collection], |row| read(connection, owner, row))
        };
        Ok(Page::cut(self.read(list).await?, page.limit, |card| Position {
            key: card.added_at.as_microsecond(),
            id: card.id.to_string(),
        }))
    }

    pub(super) async fn names_to_export(
        &self,
        owner: &UserId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>> {
        let (owner, after, limit) = (owner.clone(), after.map(str::to_owned), signed(limit));
        let list = move |connection: &Connection, _| {
            rows(connection, NAMES, &[&limit, &owner.as_str(), &after], |row| get(row, "name"))
        };
        Ok(self.read(list).await?)
    }
}

fn read(connection: &Connection, owner: &str, row: &Row<'_>) -> Result<ExportedCard, Failure> {
    let id: [u8; 16] = get(row, "id")?;
    let names =
        rows(connection, NAMES_OF, &[&id, &owner], |row| Ok((get::<String>(row, "name")?, get_visibility(row)?)))?;
    Ok(ExportedCard {
        id: card_id(id),
        url: CardUrl::from_stored(get(row, "url")?, get(row, "normalised_url")?),
        title: get(row, "title")?,
        note: get::<Option<String>>(row, "text")?.map(NoteText::from_stored),
        collections: names.into_iter().collect(),
        visibility: get_visibility(row)?,
        added_at: get_time(row, "library_at")?,
    })
}
