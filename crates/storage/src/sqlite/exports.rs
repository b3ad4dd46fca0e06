//! Reading a library for an export.

use cardwire_domain::exports::{ExportedCard, Namesakes};
use cardwire_domain::note::NoteText;
use cardwire_domain::url::CardUrl;
use cardwire_domain::{CollectionId, Page, PageRequest, Position, Result, UserId};
use rusqlite::{Connection, Row};
use serde_json::Value;

use super::error::Failure;
use super::page_rows::page_of;
use super::store::SqliteStore;
use super::values::{NEWEST, behind, card_id, collection_id, first, get, get_time, get_visibility, rows, signed};
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

macro_rules! select_cards {
    ($($filter:tt)*) => {
        concat!(
            "SELECT c.id, c.url, c.normalised_url, coalesce(c.title, g.title) AS title, n.text, c.private, c.library_at \
             FROM cards c LEFT JOIN pages g ON g.url_digest = ",
            page_of!("c"),
            " LEFT JOIN notes n ON n.card_id = c.id \
             WHERE c.library_link IS NOT NULL AND (c.library_at, c.id) < (?3, ?4) AND ",
            $($filter)*,
            " ORDER BY c.library_at DESC, c.id DESC LIMIT ?1"
        )
    };
}

const CARDS: &str = select_cards!("c.owner_id = ?2");

/// ?5: ids. It begins with the collections' links (`+` rules out the libraries' index): somebody may have thousands of
/// collections, and reading the whole library for each takes too long.
const CARDS_OF_FEW: &str = select_cards!(
    "+c.owner_id = ?2 AND c.id IN ( \
         SELECT l.card_id FROM json_each(?5) j CROSS JOIN links l ON l.collection_id = unhex(j.value) \
         CROSS JOIN collections k ON k.id = l.collection_id AND k.deleted_at IS NULL AND ",
    sees_collection!("k", "?2"),
    ")"
);

/// For collections with so many links that reading them all for each page takes too long.
const CARDS_OF_MANY: &str = select_cards!(
    "c.owner_id = ?2 AND EXISTS (SELECT 1 FROM ",
    links_seen!(),
    " AND l.collection_id IN (SELECT unhex(value) FROM json_each(?5)))"
);
const MANY: i64 = 2_000;
const LINKS: &str = "\
SELECT count(*) AS count FROM (
    SELECT 1 FROM json_each(?1) j CROSS JOIN links l ON l.collection_id = unhex(j.value) LIMIT ?2
)";

const NAMES_OF: &str = concat!(
    "SELECT k.name, max(k.private) AS private FROM cards c JOIN ",
    links_seen!(),
    " AND c.id = ?1 GROUP BY k.name"
);

const NAMES: &str = concat!(
    "SELECT k.name, group_concat(DISTINCT hex(k.id)) AS ids FROM cards c JOIN ",
    links_seen!(),
    " AND c.owner_id = ?2 AND c.library_link IS NOT NULL AND (?3 IS NULL OR k.name > ?3) GROUP BY k.name ORDER BY k.name LIMIT ?1"
);

impl SqliteStore {
    pub(super) async fn cards_to_export(
        &self,
        owner: &UserId,
        collections: Option<&[CollectionId]>,
        page: &PageRequest,
    ) -> Result<Page<ExportedCard>> {
        let (at, id) = behind(page.after.as_ref())?.unwrap_or(NEWEST);
        let (owner, most) = (owner.clone(), signed(page.limit.get() + 1));
        let ids = collections.map(|ids| ids.iter().map(|id| hex(*id)).collect::<Value>().to_string());
        let list = move |connection: &Connection, _| {
            let owner = owner.as_str();
            let read = |row: &Row<'_>| read(connection, owner, row);
            let Some(ids) = &ids else { return rows(connection, CARDS, &[&most, &owner, &at, &id], read) };
            let links = first(connection, LINKS, &[ids, &MANY], |row| get::<i64>(row, "count"))?;
            let sql = if links < Some(MANY) { CARDS_OF_FEW } else { CARDS_OF_MANY };
            rows(connection, sql, &[&most, &owner, &at, &id, ids], read)
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
    ) -> Result<Vec<Namesakes>> {
        let (owner, after, limit) = (owner.clone(), after.map(str::to_owned), signed(limit));
        let list =
            move |connection: &Connection, _| rows(connection, NAMES, &[&limit, &owner.as_str(), &after], namesakes);
        Ok(self.read(list).await?)
    }
}

fn hex(id: CollectionId) -> String {
    format!("{:032x}", id.ulid().0)
}

fn namesakes(row: &Row<'_>) -> Result<Namesakes, Failure> {
    let ids: String = get(row, "ids")?;
    let read = |hex| match u128::from_str_radix(hex, 16) {
        Ok(id) => Ok(collection_id(id.to_be_bytes())),
        Err(error) => Err(Failure::Nonsense(format!("{hex} is no id: {error}"))),
    };
    let mut collections = ids.split(',').map(read).collect::<Result<Vec<_>, Failure>>()?;
    collections.sort_unstable();
    Ok(Namesakes { name: get(row, "name")?, collections })
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cardwire_domain::{Limit, SystemClock};
    use cardwire_events::Handover;

    use super::*;

    /// A library of 3,000 cards: 2,500 in the collection 1, every thousandth in the collection 2.
    const LIBRARY: &str = "\
        WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 3000)
        INSERT INTO cards (id, owner_id, url, normalised_url, url_digest, library_link, library_at, created_at)
        SELECT unhex(printf('%032x', n)), 'did:plc:alice', 'https://example.com/' || n, 'https://example.com/' || n,
               unhex(printf('%032x', n)), unhex(printf('%032x', n)), n, n FROM n;
        INSERT INTO collections (id, author_id, name, description, access, created_at, updated_at)
        SELECT unhex(printf('%032x', value)), 'did:plc:alice', 'n' || value, '', 'CLOSED', 1, 1 FROM json_each('[1, 2]');
        INSERT INTO links (id, card_id, collection_id, added_at)
        SELECT randomblob(16), id, unhex(printf('%032x', 1)), 1 FROM cards WHERE library_at <= 2500;
        INSERT INTO links (id, card_id, collection_id, added_at)
        SELECT randomblob(16), id, unhex(printf('%032x', 2)), 1 FROM cards WHERE library_at % 1000 = 0";

    async fn plan(store: &SqliteStore, sql: &'static str) -> String {
        let ask = move |connection: &Connection, _| {
            let no: [u8; 16] = [0; 16];
            let sql = format!("EXPLAIN QUERY PLAN {sql}");
            rows(connection, &sql, &[&1, &"", &0, &no, &"[]"], |row| get::<String>(row, "detail"))
        };
        store.read(ask).await.unwrap().join("\n")
    }

    #[tokio::test]
    async fn few_cards_are_found_by_their_links_and_many_in_the_order_of_the_library() {
        let store = SqliteStore::in_memory(Arc::new(SystemClock), Handover::default()).unwrap();
        store.write(|connection, _| Ok(connection.execute_batch(LIBRARY)?)).await.unwrap();
        let (owner, page) =
            (UserId::parse("did:plc:alice").unwrap(), PageRequest { limit: Limit::new(2).unwrap(), after: None });
        for (collection, newest) in [(1_u128, ["2500", "2499"]), (2, ["3000", "2000"])] {
            let ids = [collection_id(collection.to_be_bytes())];
            let found = store.cards_to_export(&owner, Some(&ids), &page).await.unwrap();
            let urls: Vec<_> = found.items.iter().map(|card| card.url.given().to_owned()).collect();
            assert_eq!(urls, newest.map(|number| format!("https://example.com/{number}")));
            assert!(found.next.is_some());
        }
        let few = plan(&store, CARDS_OF_FEW).await;
        assert!(few.contains("links_collection") && !few.contains("cards_library"), "{few}");
        let many = plan(&store, CARDS_OF_MANY).await;
        assert!(many.contains("cards_library") && !many.contains("ORDER BY"), "{many}");
    }
}
