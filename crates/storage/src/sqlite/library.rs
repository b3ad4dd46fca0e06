//! Reads about libraries.

use std::collections::BTreeSet;

use async_trait::async_trait;
use cardwire_domain::exports::{ExportedCard, Namesakes};
use cardwire_domain::feed::{CardView, CollectionName};
use cardwire_domain::library::{LibraryCard, LibraryFilter, LibraryOrder, LibraryRepository};
use cardwire_domain::page::no_cursor;
use cardwire_domain::search::SearchQuery;
use cardwire_domain::url::CardUrl;
use cardwire_domain::{CardId, CollectionId, Error, Page, PageRequest, Position, Result, UserId};
use rusqlite::{Connection, Row, params};
use ulid::{ULID_LEN, Ulid};

use super::error::Failure;
use super::page_rows::{get_page, get_pictures, page_of};
use super::search::Kept;
use super::store::SqliteStore;
use super::values::{
    NEWEST, behind, blob, card_id, collection_id, first, get, get_count, get_note, get_time, get_user, get_visibility,
    rows, url_digest,
};
use crate::seen::{sees_card, sees_collection};

macro_rules! select_cards {
    ($($rest:tt)+) => {
        concat!(
            "SELECT c.id, c.url, c.title AS own_title, c.private, c.hidden, c.owner_id, u.handle, n.id AS note_id, n.text AS note_text, c.library_at, \
                    g.number AS page, g.state, g.reason, g.retryable, g.fetched_at, g.title, g.description, g.image, g.icon_url, g.cover, g.cover_width, g.cover_height, g.icon, g.site_name, \
                    g.author, g.kind, g.language \
             FROM cards c LEFT JOIN pages g ON g.url_digest = ",
            page_of!("c"),
            " LEFT JOIN users u ON u.id = c.owner_id \
             LEFT JOIN notes n ON n.card_id = c.id \
             WHERE c.library_link IS NOT NULL ",
            $($rest)+
        )
    };
}

/// Without a limit: it is read until a page is full.
pub(super) const LIBRARY: &str = select_cards!(
    "AND c.owner_id = ?1 AND (c.library_at, c.id) < (?2, ?3) \
     AND NOT (?4 AND EXISTS ( \
         SELECT 1 FROM links l JOIN collections k ON k.id = l.collection_id AND k.deleted_at IS NULL \
         WHERE l.card_id = c.id AND ",
    sees_collection!("k", "?1"),
    ")) ORDER BY c.library_at DESC, c.id DESC"
);

const COLLECTIONS: &str = concat!(
    "SELECT k.id, k.name, k.private FROM links l JOIN collections k ON k.id = l.collection_id AND k.deleted_at IS NULL \
     WHERE l.card_id = ?1 AND ",
    sees_collection!("k", "?2"),
    " ORDER BY l.added_at, l.id"
);

#[async_trait]
impl LibraryRepository for SqliteStore {
    async fn library(&self, owner: &UserId, filter: &LibraryFilter, page: &PageRequest) -> Result<Page<LibraryCard>> {
        if filter.order != LibraryOrder::Newest {
            return self.sorted_library(owner, filter, page).await;
        }
        let (at, id) = behind(page.after.as_ref())?.unwrap_or(NEWEST);
        let text = filter.text.as_deref().filter(|text| !text.trim().is_empty());
        let query = match text.map(SearchQuery::parse) {
            Some(None) => return Ok(Page { items: Vec::new(), next: None }),
            query => query.flatten(),
        };
        let (owner, uncollected, most) = (owner.clone(), filter.uncollected, page.limit.get() + 1);
        let list = move |connection: &Connection, _| {
            let mut matching = Matching::new(connection, &owner, query.as_ref());
            let mut statement = connection.prepare_cached(LIBRARY)?;
            let mut found = statement.query(params![owner.as_str(), at, id, uncollected])?;
            let mut cards = Vec::new();
            while cards.len() < most
                && let Some(row) = found.next()?
            {
                if matching.has(row)? {
                    cards.push(read(connection, row, Some(&owner))?);
                }
            }
            Ok(cards)
        };
        let cards = self.read(list).await?;
        Ok(Page::cut(cards, page.limit, |card| Position {
            key: card.added_at.as_microsecond(),
            id: card.card.id.to_string(),
        }))
    }

    async fn library_size(&self, owner: &UserId) -> Result<u64> {
        let owner = owner.clone();
        let count = move |connection: &Connection, _| {
            let sql = "SELECT count(*) AS n FROM cards WHERE owner_id = ?1 AND library_link IS NOT NULL";
            first(connection, sql, &[&owner.as_str()], |row| get_count(row, "n"))
        };
        Ok(self.read(count).await?.unwrap_or_default())
    }

    async fn library_card(&self, id: CardId, reader: Option<&UserId>) -> Result<LibraryCard> {
        let (key, reader) = (blob(id.ulid()), reader.cloned());
        let find = move |connection: &Connection, _| {
            let sql = select_cards!("AND c.id = ?1 AND ", sees_card!("c", "?2"));
            let name = reader.as_ref().map(UserId::as_str);
            first(connection, sql, &[&key, &name], |row| read(connection, row, reader.as_ref()))
        };
        self.read(find).await?.ok_or_else(|| Error::not_found("card", id))
    }

    async fn library_card_by_url(&self, owner: &UserId, url: &CardUrl) -> Result<Option<LibraryCard>> {
        let (owner, digest) = (owner.clone(), url_digest(url.normalised()));
        let find = move |connection: &Connection, _| {
            let sql = select_cards!("AND c.owner_id = ?1 AND c.url_digest = ?2");
            first(connection, sql, &[&owner.as_str(), &digest], |row| read(connection, row, Some(&owner)))
        };
        Ok(self.read(find).await?)
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

/// In an order other than newest first, words find at most this many cards.
const MOST_SORTED: usize = 10_000;

/// A place in an order other than newest first: by time or by text, then by id.
type SortedPlace = (i64, String, [u8; 16]);

impl SqliteStore {
    async fn sorted_library(
        &self,
        owner: &UserId,
        filter: &LibraryFilter,
        page: &PageRequest,
    ) -> Result<Page<LibraryCard>> {
        let order = filter.order;
        let after = page.after.as_ref().map(|position| sorted_place(order, position)).transpose()?;
        let text = filter.text.as_deref().filter(|text| !text.trim().is_empty());
        let query = match text.map(SearchQuery::parse) {
            Some(None) => return Ok(Page { items: Vec::new(), next: None }),
            query => query.flatten(),
        };
        let (owner, uncollected, limit) = (owner.clone(), filter.uncollected, page.limit.get());
        let list = move |connection: &Connection, _| {
            let mut matching = Matching::new(connection, &owner, query.as_ref());
            let mut statement = connection.prepare_cached(LIBRARY)?;
            let (newest, highest) = NEWEST;
            let mut found = statement.query(params![owner.as_str(), newest, highest, uncollected])?;
            // The first ones after the place, and one more to see whether the list continues.
            let mut first_ones: BTreeSet<SortedPlace> = BTreeSet::new();
            let mut matched = 0;
            while let Some(row) = found.next()? {
                if query.is_some() && matched == MOST_SORTED {
                    break;
                }
                if !matching.has(row)? {
                    continue;
                }
                matched += 1;
                let place = place_of(order, row)?;
                if after.as_ref().is_none_or(|after| place > *after) {
                    first_ones.insert(place);
                    if first_ones.len() > limit + 1 {
                        first_ones.pop_last();
                    }
                }
            }
            let mut cards = Vec::new();
            for (_, _, id) in first_ones.iter().take(limit) {
                let sql = select_cards!("AND c.id = ?1");
                cards.extend(first(connection, sql, &[id], |row| read(connection, row, Some(&owner)))?);
            }
            let last = (first_ones.len() > limit).then(|| first_ones.into_iter().nth(limit - 1)).flatten();
            Ok((cards, last))
        };
        let (items, last) = self.read(list).await?;
        let next = last.map(|(at, key, id)| Position { key: at, id: format!("{}{key}", card_id(id)) });
        Ok(Page { items, next })
    }
}

fn place_of(order: LibraryOrder, row: &Row<'_>) -> Result<SortedPlace, Failure> {
    let id: [u8; 16] = get(row, "id")?;
    if order.is_by_time() {
        return Ok((get_time(row, "library_at")?.as_microsecond(), String::new(), id));
    }
    let own_title: Option<String> = get(row, "own_title")?;
    let title = match own_title {
        Some(title) => Some(title),
        None => get(row, "title")?,
    };
    Ok((0, order.key(&get::<String>(row, "url")?, title.as_deref()), id))
}

/// The position after which a list in this order continues.
fn sorted_place(order: LibraryOrder, position: &Position) -> Result<SortedPlace> {
    let (id, key) = position.id.split_at_checked(ULID_LEN).ok_or_else(no_cursor)?;
    let id = blob(Ulid::from_string(id).map_err(|_| no_cursor())?);
    let at = if order.is_by_time() { position.key } else { 0 };
    Ok((at, key.to_owned(), id))
}

/// This many of the newest cards are searched directly, because they may not be indexed yet. The index finds the
/// others.
const LOOKED_AT: usize = 300;

/// A search among the cards of a library.
struct Matching<'a> {
    connection: &'a Connection,
    owner: &'a UserId,
    /// `None`: everything.
    query: Option<&'a SearchQuery>,
    looked_at: usize,
    kept: Option<Kept>,
}

impl<'a> Matching<'a> {
    fn new(connection: &'a Connection, owner: &'a UserId, query: Option<&'a SearchQuery>) -> Self {
        Self { connection, owner, query, looked_at: 0, kept: None }
    }

    fn has(&mut self, row: &Row<'_>) -> Result<bool, Failure> {
        let Some(query) = self.query else { return Ok(true) };
        self.looked_at += 1;
        if self.looked_at > LOOKED_AT {
            if self.kept.is_none() {
                self.kept = Some(Kept::by(self.connection, self.owner, query)?);
            }
            let page: Option<i64> = get(row, "page")?;
            if !self.kept.as_ref().zip(page).is_some_and(|(kept, page)| kept.has(page)) {
                return Ok(false);
            }
        }
        let mut texts: Vec<String> = Vec::new();
        for column in ["own_title", "title", "site_name", "author", "description", "note_text"] {
            texts.extend(get::<Option<String>>(row, column)?);
        }
        Ok(query.is_in(texts.iter().map(String::as_str), &get::<String>(row, "url")?))
    }
}

fn read(connection: &Connection, row: &Row<'_>, reader: Option<&UserId>) -> Result<LibraryCard, Failure> {
    let owner = get_user(row, "owner_id", "handle")?;
    let id: [u8; 16] = get(row, "id")?;
    let page = get_page(row)?;
    let own_title: Option<String> = get(row, "own_title")?;
    Ok(LibraryCard {
        card: CardView {
            id: card_id(id),
            url: get(row, "url")?,
            title: own_title.clone().or_else(|| page.metadata.title.clone()),
            visibility: get_visibility(row)?,
            is_hidden: get(row, "hidden")?,
            pictures: get_pictures(row)?,
        },
        note: if reader == Some(&owner.id) { get_note(row)? } else { None },
        owner,
        own_title,
        collections: rows(connection, COLLECTIONS, &[&id, &reader.map(UserId::as_str)], |row| {
            Ok(CollectionName {
                id: collection_id(get(row, "id")?),
                name: get(row, "name")?,
                visibility: get_visibility(row)?,
            })
        })?,
        page,
        added_at: get_time(row, "library_at")?,
    })
}
