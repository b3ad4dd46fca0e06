//! Reads about libraries.

use async_trait::async_trait;
use cardwire_domain::exports::{ExportedCard, Namesakes};
use cardwire_domain::feed::CardView;
use cardwire_domain::library::{LibraryCard, LibraryFilter, LibraryOrder, LibraryRepository};
use cardwire_domain::page::no_cursor;
use cardwire_domain::search::SearchQuery;
use cardwire_domain::url::CardUrl;
use cardwire_domain::{CardId, CollectionId, Error, Page, PageRequest, Position, Result, UserId};
use sqlx::postgres::PgRow;
use sqlx::types::Uuid;
use tokio::task::spawn_blocking;
use ulid::{ULID_LEN, Ulid};

use super::error::Failure;
use super::feed::collection_names;
use super::page_rows::{get_page, get_pictures, page_of};
use super::pool::Session;
use super::search::{Lookup, begun, inside};
use super::store::PostgresStore;
use super::values::{behind, card_id, get, get_note, get_time, get_user, get_visibility, signed, url_digest, uuid};
use crate::seen::{sees_card, sees_collection};

/// With the collections that the reader sees.
macro_rules! select_cards {
    ($reader:literal, $($rest:tt)+) => {
        concat!(
            "SELECT c.id, c.url, c.title AS own_title, c.private, c.hidden, c.owner_id, u.handle, n.id AS note_id, n.text AS note_text, c.library_at, \
                    l.collections, l.names, l.are_private, g.state, g.reason, g.retryable, g.fetched_at, g.title, g.description, g.image, g.icon_url, g.cover, g.cover_width, g.cover_height, g.icon, \
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

/// The cards of a page of the list, whose ids are known.
const THESE: &str = select_cards!("c.owner_id", "AND c.id = ANY($1) ORDER BY c.library_at DESC, c.id DESC");

/// The owner's cards after a place; on request, only those in no collection that they see.
macro_rules! behind_place {
    () => {
        concat!(
            "c.owner_id = $1 AND c.library_link IS NOT NULL AND ($3::timestamptz IS NULL OR (c.library_at, c.id) < ($3, $4)) \
             AND (NOT $2 OR NOT EXISTS ( \
                 SELECT 1 FROM links l JOIN collections k ON k.id = l.collection_id AND k.deleted_at IS NULL \
                 WHERE l.card_id = c.id AND ",
            sees_collection!("k", "c.owner_id"),
            "))"
        )
    };
}

/// The newest cards themselves are searched. They may not be indexed yet.
const NEWEST: &str = concat!(
    "SELECT c.id, c.library_at, c.url, c.title AS own_title, n.text, g.title, g.site_name, g.author, g.description \
     FROM cards c LEFT JOIN notes n ON n.card_id = c.id LEFT JOIN pages g ON g.url_digest = ",
    page_of!("c"),
    " WHERE ",
    behind_place!(),
    " ORDER BY c.library_at DESC, c.id DESC LIMIT $5"
);

/// By the words in the index. Each card is checked by the entry with most of its words, so that no excluded word is
/// missed.
const INDEXED: &str = concat!(
    "SELECT c.id FROM ( \
         SELECT d.card_id FROM search_pages p JOIN search_documents d ON d.owner_id = $1 AND d.url_digest = p.url_digest \
         WHERE p.words @@ $6::tsquery AND d.own_words IS NULL \
           AND NOT EXISTS (SELECT 1 FROM search_titles t WHERE t.card_id = d.card_id) \
         UNION ALL \
         SELECT d.card_id FROM search_titles t JOIN search_documents d ON d.card_id = t.card_id AND d.owner_id = $1 \
         WHERE t.words @@ $6::tsquery AND d.own_words IS NULL \
         UNION ALL \
         SELECT d.card_id FROM search_documents d WHERE d.owner_id = $1 AND d.own_words @@ $6::tsquery \
     ) f JOIN cards c ON c.id = f.card_id WHERE ",
    behind_place!(),
    " ORDER BY c.library_at DESC, c.id DESC LIMIT $5"
);

/// The sort key of cards in an order other than time, as made by [`LibraryOrder::key`].
macro_rules! sort_key {
    (title) => {
        r#"lower(coalesce(c.title, g.title, regexp_replace(c.url, '^[^:]*://', '')) COLLATE "C")"#
    };
    (site) => {
        concat!(
            r#"(regexp_replace(lower(c.url COLLATE "C"), '^[^:]*://(www\.)?([^/?#:]*).*$', '\2') || chr(1) || "#,
            sort_key!(title),
            ")"
        )
    };
    (cut $by:ident) => {
        concat!("left(", sort_key!($by), ", 200)")
    };
}

/// Ids of the owner's cards after a place, in an order other than newest first; on request, only those in no collection
/// that they see, or only among these.
macro_rules! sorted {
    ([$($key:tt)+], $kind:literal) => {
        concat!(
            "SELECT c.id, c.library_at, ",
            $($key)+,
            " AS sort_key FROM cards c LEFT JOIN pages g ON g.url_digest = ",
            page_of!("c"),
            " WHERE c.owner_id = $1 AND c.library_link IS NOT NULL AND ($3::",
            $kind,
            " IS NULL OR (",
            $($key)+,
            ", c.id) > ($3::",
            $kind,
            ", $4)) AND ($5::uuid[] IS NULL OR c.id = ANY($5)) AND (NOT $2 OR NOT EXISTS ( \
                 SELECT 1 FROM links l JOIN collections k ON k.id = l.collection_id AND k.deleted_at IS NULL \
                 WHERE l.card_id = c.id AND ",
            sees_collection!("k", "c.owner_id"),
            ")) ORDER BY ",
            $($key)+,
            ", c.id LIMIT $6"
        )
    };
}

const OLDEST: &str = sorted!(["c.library_at"], "timestamptz");
const BY_TITLE: &str = sorted!([sort_key!(cut title)], "text");
const BY_SITE: &str = sorted!([sort_key!(cut site)], "text");

/// In an order other than newest first, words find at most this many cards.
const MOST_SORTED: usize = 10_000;

/// This many cards are searched directly.
const LOOKED_AT: usize = 300;

#[async_trait]
impl LibraryRepository for PostgresStore {
    async fn library(&self, owner: &UserId, filter: &LibraryFilter, page: &PageRequest) -> Result<Page<LibraryCard>> {
        if filter.order != LibraryOrder::Newest {
            return self.sorted_library(owner, filter, page).await;
        }
        let place = behind(page.after.as_ref())?;
        let most = page.limit.get() + 1;
        let mut session = self.session().await?;
        let rows = match filter.text.as_deref().filter(|text| !text.trim().is_empty()) {
            None => {
                let query = sqlx::query(LIBRARY).bind(signed(most)).bind(owner.as_str()).bind(filter.uncollected);
                session.fetch_all(query.bind(place.0).bind(place.1)).await?
            }
            Some(text) => {
                let Some(query) = SearchQuery::parse(text) else { return Ok(Page { items: Vec::new(), next: None }) };
                let ids = matching(&mut session, owner, &query, filter.uncollected, place, most).await?;
                session.fetch_all(sqlx::query(THESE).bind(ids)).await?
            }
        };
        let cards = rows.iter().map(|row| read(row, Some(owner))).collect::<Result<Vec<_>, Failure>>()?;
        Ok(Page::cut(cards, page.limit, |card| Position {
            key: card.added_at.as_microsecond(),
            id: card.card.id.to_string(),
        }))
    }

    async fn library_size(&self, owner: &UserId) -> Result<u64> {
        let query = sqlx::query("SELECT count(*) AS n FROM cards WHERE owner_id = $1 AND library_link IS NOT NULL");
        let rows = self.session().await?.fetch_all(query.bind(owner.as_str())).await?;
        let count: Option<i64> = rows.first().map(|row| get(row, "n")).transpose()?;
        Ok(count.and_then(|count| u64::try_from(count).ok()).unwrap_or_default())
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
        collections: Option<&[CollectionId]>,
        page: &PageRequest,
    ) -> Result<Page<ExportedCard>> {
        self.cards_to_export(owner, collections, page).await
    }

    async fn names_of_collections(&self, owner: &UserId, after: Option<&str>, limit: usize) -> Result<Vec<Namesakes>> {
        self.names_to_export(owner, after, limit).await
    }
}

impl PostgresStore {
    async fn sorted_library(
        &self,
        owner: &UserId,
        filter: &LibraryFilter,
        page: &PageRequest,
    ) -> Result<Page<LibraryCard>> {
        let mut session = self.session().await?;
        let among = match filter.text.as_deref().filter(|text| !text.trim().is_empty()) {
            None => None,
            Some(text) => {
                let Some(query) = SearchQuery::parse(text) else { return Ok(Page { items: Vec::new(), next: None }) };
                Some(matching(&mut session, owner, &query, filter.uncollected, (None, None), MOST_SORTED).await?)
            }
        };
        let sql = match filter.order {
            LibraryOrder::Newest | LibraryOrder::Oldest => OLDEST,
            LibraryOrder::Title => BY_TITLE,
            LibraryOrder::Site => BY_SITE,
        };
        let query = sqlx::query(sql).bind(owner.as_str()).bind(filter.uncollected);
        let query = if filter.order.is_by_time() {
            let (at, id) = behind(page.after.as_ref())?;
            query.bind(at).bind(id)
        } else {
            let (key, id) = behind_key(page.after.as_ref())?;
            query.bind(key).bind(id)
        };
        let found = session.fetch_all(query.bind(among).bind(signed(page.limit.get() + 1))).await?;
        let mut ids: Vec<Uuid> = Vec::new();
        let mut places = Vec::new();
        for row in &found {
            let id: Uuid = get(row, "id")?;
            ids.push(id);
            places.push(if filter.order.is_by_time() {
                let at = get_time(row, "library_at")?;
                Position { key: at.as_microsecond(), id: card_id(id).to_string() }
            } else {
                Position { key: 0, id: format!("{}{}", card_id(id), get::<String>(row, "sort_key")?) }
            });
        }
        let rows = session.fetch_all(sqlx::query(THESE).bind(&ids)).await?;
        let mut cards = rows.iter().map(|row| read(row, Some(owner))).collect::<Result<Vec<_>, Failure>>()?;
        let place_of = |card: &LibraryCard| ids.iter().position(|id| card_id(*id) == card.card.id);
        cards.sort_by_key(place_of);
        // A card may have been removed since its id was found, so the rows read here do not show whether there is more.
        let next = (places.len() > page.limit.get()).then(|| places.swap_remove(page.limit.get() - 1));
        cards.retain(|card| place_of(card).is_some_and(|place| place < page.limit.get()));
        Ok(Page { items: cards, next })
    }
}

/// The position after which a list by a text and an id continues.
fn behind_key(after: Option<&Position>) -> Result<(Option<String>, Option<Uuid>)> {
    let Some(position) = after else { return Ok((None, None)) };
    let (id, key) = position.id.split_at_checked(ULID_LEN).ok_or_else(no_cursor)?;
    let id = Ulid::from_string(id).map_err(|_| no_cursor())?;
    Ok((Some(key.to_owned()), Some(uuid(id))))
}

type Place = (Option<jiff_sqlx::Timestamp>, Option<Uuid>);

/// The ids of up to this many matching cards after the place, newest first.
async fn matching(
    session: &mut Session,
    owner: &UserId,
    query: &SearchQuery,
    uncollected: bool,
    place: Place,
    most: usize,
) -> Result<Vec<Uuid>, Failure> {
    let ask =
        |sql: &'static str, (at, id): Place| sqlx::query(sql).bind(owner.as_str()).bind(uncollected).bind(at).bind(id);
    let newest = session.fetch_all(ask(NEWEST, place).bind(signed(LOOKED_AT))).await?;
    let older: Option<Place> = match newest.last() {
        Some(last) if newest.len() == LOOKED_AT => Some((Some(get(last, "library_at")?), Some(get(last, "id")?))),
        _ => None,
    };
    let mut ids = having(query.clone(), newest, most).await?;
    let Some(place) = older.filter(|_| ids.len() < most) else { return Ok(ids) };
    let longer = inside(&mut Lookup { session, reader: Some(owner) }, query).await?;
    // Planned for these words: their frequency decides where to look.
    let older = ask(INDEXED, place).bind(signed(most - ids.len())).bind(begun(query, &longer)).persistent(false);
    for row in session.fetch_all(older).await? {
        ids.push(get(&row, "id")?);
    }
    Ok(ids)
}

/// The ids of the first of these cards that match. Notes are long, so this may take longer than is fair on a thread
/// that answers other requests.
async fn having(query: SearchQuery, cards: Vec<PgRow>, most: usize) -> Result<Vec<Uuid>, Failure> {
    let look = move || -> Result<Vec<Uuid>, Failure> {
        let mut ids = Vec::new();
        for card in &cards {
            if ids.len() < most && has(&query, card)? {
                ids.push(get(card, "id")?);
            }
        }
        Ok(ids)
    };
    let looked = spawn_blocking(look).await;
    looked.unwrap_or_else(|error| Err(Failure::Nonsense(format!("the cards could not be looked at: {error}"))))
}

fn has(query: &SearchQuery, row: &PgRow) -> Result<bool, Failure> {
    let mut texts: Vec<&str> = Vec::new();
    for column in ["own_title", "title", "site_name", "author", "description", "text"] {
        texts.extend(get::<Option<&str>>(row, column)?);
    }
    Ok(query.is_in(texts, get(row, "url")?))
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
            pictures: get_pictures(row)?,
        },
        note: if reader == Some(&owner.id) { get_note(row)? } else { None },
        owner,
        own_title,
        collections: collection_names(ids, names, get(row, "are_private")?),
        page,
        added_at: get_time(row, "library_at")?,
    })
}
