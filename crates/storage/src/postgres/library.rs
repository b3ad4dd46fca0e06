//! Reads about libraries.

use async_trait::async_trait;
use cardwire_domain::exports::ExportedCard;
use cardwire_domain::feed::CardView;
use cardwire_domain::library::{LibraryCard, LibraryFilter, LibraryRepository};
use cardwire_domain::url::CardUrl;
use cardwire_domain::{CardId, Error, Page, PageRequest, Position, Result, UserId};
use sqlx::postgres::PgRow;
use sqlx::types::Uuid;

use super::error::Failure;
use super::feed::collection_names;
use super::page_rows::{get_page, page_of};
use super::store::PostgresStore;
use super::values::{behind, card_id, get, get_note, get_time, get_user, get_visibility, url_digest, uuid, words};
use crate::seen::{sees_card, sees_collection};

/// With the collections that the reader sees.
macro_rules! select_cards {
    ($reader:literal, $($rest:tt)+) => {
        concat!(
            "SELECT c.id, c.url, c.title AS own_title, c.private, c.hidden, c.owner_id, u.handle, n.id AS note_id, n.text AS note_text, c.library_at, \
                    l.collections, l.names, l.are_private, g.state, g.reason, g.retryable, g.fetched_at, g.title, g.description, g.image, \
                    g.site_name, g.author, g.kind, g.language \
             FROM cards c LEFT JOIN pages g ON g.url_digest = ",
            page_of!("c"),
            " LEFT JOIN users u ON u.id = c.owner_id LEFT JOIN notes n ON n.card_id = c.id \
             CROSS JOIN LATERAL ( \
                 SELECT array_agg(k.id ORDER BY links.added_at, links.id) AS collections, \
                        array_agg(k.name ORDER BY links.added_at, links.id) AS names, \
                        array_agg(k.private ORDER BY links.added_at, links.id) AS are_private \
                 FROM links JOIN collections k ON k.id = links.collection_id AND k.deleted_at IS NULL \
                 WHERE links.card_id = c.id AND ",
            sees_collection!("k", $reader),
            ") l \
             WHERE c.library_link IS NOT NULL ",
            $($rest)+
        )
    };
}

const LIBRARY: &str = select_cards!(
    "c.owner_id",
    "AND c.owner_id = $2 AND (NOT $3 OR l.collections IS NULL) \
     AND ($4::timestamptz IS NULL OR (c.library_at, c.id) < ($4, $5)) \
     ORDER BY c.library_at DESC, c.id DESC LIMIT $1"
);

/// Words are found anywhere, as the owner would find them by reading. Those that are frequent in this library fill a page from its
/// newest cards.
const FILTERED_NEWEST: &str = select_cards!(
    "c.owner_id",
    "AND c.id IN ( \
         SELECT id FROM cards WHERE owner_id = $2 AND library_link IS NOT NULL \
         AND ($4::timestamptz IS NULL OR (library_at, id) < ($4, $5)) ORDER BY library_at DESC, id DESC LIMIT 300 \
     ) \
     AND (NOT $3 OR l.collections IS NULL) \
     AND (SELECT bool_and(strpos(lower(concat_ws(' ', c.url, c.title, g.title, n.text)), w) > 0) FROM unnest($6::text[]) w) \
     ORDER BY c.library_at DESC, c.id DESC LIMIT $1"
);

/// The others are found by the trigrams of the longest word.
const FILTERED: &str = select_cards!(
    "c.owner_id",
    "AND c.owner_id = $2 AND (NOT $3 OR l.collections IS NULL) \
     AND ($4::timestamptz IS NULL OR (c.library_at, c.id) < ($4, $5)) \
     AND c.id IN ( \
         SELECT id FROM cards WHERE lower(url) LIKE $7 AND library_link IS NOT NULL AND owner_id = $2 \
         UNION ALL SELECT id FROM cards WHERE lower(title) LIKE $7 AND owner_id = $2 \
         UNION ALL SELECT k.id FROM cards k JOIN pages p ON p.url_digest = k.url_digest \
         WHERE k.owner_id = $2 AND NOT (k.private OR k.hidden) AND lower(p.title) LIKE $7 \
         UNION ALL SELECT k.id FROM cards k JOIN pages p ON p.url_digest = k.url_digest || convert_to(k.owner_id, 'UTF8') \
         WHERE k.owner_id = $2 AND (k.private OR k.hidden) AND lower(p.title) LIKE $7 \
         UNION ALL SELECT o.card_id FROM notes o JOIN cards k ON k.id = o.card_id AND k.owner_id = $2 WHERE lower(o.text) LIKE $7 \
     ) \
     AND (SELECT bool_and(strpos(lower(concat_ws(' ', c.url, c.title, g.title, n.text)), w) > 0) FROM unnest($6::text[]) w) \
     ORDER BY c.library_at DESC, c.id DESC LIMIT $1"
);

#[async_trait]
impl LibraryRepository for PostgresStore {
    async fn library(&self, owner: &UserId, filter: &LibraryFilter, page: &PageRequest) -> Result<Page<LibraryCard>> {
        let (at, id) = behind(page.after.as_ref())?;
        let text = filter.text.as_deref().unwrap_or_default();
        if text.contains('\0') {
            // It occurs in nothing that PostgreSQL holds, and cannot be asked for.
            return Ok(Page { items: Vec::new(), next: None });
        }
        let words = words(text);
        let ask = |sql| {
            let query = sqlx::query(sql).bind(page.limit.get() as i64 + 1).bind(owner.as_str());
            query.bind(filter.uncollected).bind(at).bind(id)
        };
        let mut session = self.session().await?;
        let rows = match words.iter().max_by_key(|word| word.chars().count()).map(|word| like(word)) {
            None => session.fetch_all(ask(LIBRARY)).await?,
            Some(longest) => {
                let newest = session.fetch_all(ask(FILTERED_NEWEST).bind(&words)).await?;
                if newest.len() > page.limit.get() {
                    newest
                } else {
                    // Planned for this word: how frequent it is decides where to look.
                    session.fetch_all(ask(FILTERED).bind(&words).bind(longest).persistent(false)).await?
                }
            }
        };
        let cards = rows.iter().map(|row| read(row, Some(owner))).collect::<Result<Vec<_>, Failure>>()?;
        Ok(Page::cut(cards, page.limit, |card| Position {
            key: card.added_at.as_microsecond(),
            id: card.card.id.to_string(),
        }))
    }

    async fn library_card(&self, id: CardId, reader: Option<&UserId>) -> Result<LibraryCard> {
        let sql = select_cards!("$2", "AND c.id = $1 AND ", sees_card!("c", "$2"));
        let query = sqlx::query(sql).bind(uuid(id.ulid())).bind(reader.map(UserId::as_str));
        let rows = self.session().await?.fetch_all(query).await?;
        let row = rows.first().ok_or_else(|| Error::not_found("card", id))?;
        Ok(read(row, reader)?)
    }

    async fn library_card_by_url(&self, owner: &UserId, url: &CardUrl) -> Result<Option<LibraryCard>> {
        let query = sqlx::query(select_cards!("c.owner_id", "AND c.owner_id = $1 AND c.url_digest = $2"))
            .bind(owner.as_str())
            .bind(url_digest(url.normalised()));
        let rows = self.session().await?.fetch_all(query).await?;
        Ok(rows.first().map(|row| read(row, Some(owner))).transpose()?)
    }

    async fn exported(
        &self,
        owner: &UserId,
        collection: Option<&str>,
        page: &PageRequest,
    ) -> Result<Page<ExportedCard>> {
        self.cards_to_export(owner, collection, page).await
    }

    async fn names_of_collections(&self, owner: &UserId, after: Option<&str>, limit: usize) -> Result<Vec<String>> {
        self.names_to_export(owner, after, limit).await
    }
}

/// A pattern that finds the text anywhere.
fn like(text: &str) -> String {
    let mut pattern = String::from("%");
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

fn read(row: &PgRow, reader: Option<&UserId>) -> Result<LibraryCard, Failure> {
    let owner = get_user(row, "owner_id", "handle")?;
    let ids: Option<Vec<Uuid>> = get(row, "collections")?;
    let names: Option<Vec<String>> = get(row, "names")?;
    let page = get_page(row)?;
    let own_title: Option<String> = get(row, "own_title")?;
    Ok(LibraryCard {
        card: CardView {
            id: card_id(get(row, "id")?),
            url: get(row, "url")?,
            title: own_title.clone().or_else(|| page.metadata.title.clone()),
            visibility: get_visibility(row)?,
            is_hidden: get(row, "hidden")?,
        },
        note: if reader == Some(&owner.id) { get_note(row)? } else { None },
        owner,
        own_title,
        collections: collection_names(ids, names, get(row, "are_private")?),
        page,
        added_at: get_time(row, "library_at")?,
    })
}
