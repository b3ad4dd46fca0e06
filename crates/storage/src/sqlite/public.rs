//! Reads of people, collections and links as everybody sees them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use cardwire_domain::feed::{CardView, CollectionName};
use cardwire_domain::public::{
    ListedCollection, Named, Person, PublicRepository, RELATED_NEAR, RELATED_SOURCES, RelatedLink, SAME_COLLECTION,
    SAME_PERSON, SavedCard,
};
use cardwire_domain::url::CardUrl;
use cardwire_domain::{Page, PageRequest, Result, UserId};
use rusqlite::{Connection, Row};

use super::error::Failure;
use super::page_rows::{get_pictures, page_of};
use super::store::SqliteStore;
use super::values::{
    NEWEST, behind, card_id, collection_id, first, get, get_count, get_time, get_user, get_visibility, rows, signed,
    url_digest,
};
use crate::seen::{sees_card, sees_collection};

macro_rules! select_person {
    ($condition:literal) => {
        concat!(
            "SELECT u.id, u.handle, u.suspended_at IS NOT NULL AS is_suspended, u.created_at, p.display_name, p.bio \
             FROM users u LEFT JOIN profiles p ON p.user_id = u.id WHERE u.deleted_at IS NULL AND ",
            $condition
        )
    };
}

/// ?1: the limit. ?2: whose, or of which URL. ?3, ?4: the place behind which the page starts. ?5: the reader, who may be nobody.
macro_rules! select_cards {
    ($($condition:tt)+) => {
        concat!(
            "SELECT c.id, c.url, c.title AS own_title, g.title, g.description, g.cover, g.cover_width, g.cover_height, g.icon, \
                    c.private, c.hidden, c.owner_id, u.handle, c.library_at \
             FROM cards c LEFT JOIN users u ON u.id = c.owner_id LEFT JOIN pages g ON g.url_digest = ",
            page_of!("c"),
            " WHERE c.library_link IS NOT NULL AND u.suspended_at IS NULL AND u.deleted_at IS NULL \
                AND (c.library_at, c.id) < (?3, ?4) AND ",
            $($condition)+,
            " ORDER BY c.library_at DESC, c.id DESC LIMIT ?1"
        )
    };
}

const CARDS_OF: &str = select_cards!("c.owner_id = ?2 AND ", sees_card!("c", "?5"));

const SAVED_BY: &str = select_cards!("c.url_digest = ?2 AND ", sees_card!("c", "?5"));

const COLLECTIONS_OF_CARD: &str = concat!(
    "SELECT k.id, k.name, k.private FROM links l JOIN collections k ON k.id = l.collection_id AND k.deleted_at IS NULL \
     WHERE l.card_id = ?1 AND ",
    sees_collection!("k", "?2"),
    " ORDER BY l.added_at, l.id"
);

/// ?1: the limit. ?2, ?3: the place behind which the page starts.
macro_rules! select_collections {
    ($condition:literal) => {
        concat!(
            "SELECT * FROM ( \
                 SELECT c.id, c.name, c.description, c.author_id, u.handle, coalesce(c.newest_at, c.created_at) AS changed_at \
                 FROM ( \
                     SELECT k.*, ( \
                         SELECT l.added_at FROM links l WHERE l.collection_id = k.id AND l.private = 0 \
                         ORDER BY l.added_at DESC, l.card_id DESC LIMIT 1 \
                     ) AS newest_at FROM collections k WHERE k.private = 0 AND k.deleted_at IS NULL \
                 ) c LEFT JOIN users u ON u.id = c.author_id \
                 WHERE u.suspended_at IS NULL AND u.deleted_at IS NULL AND ",
            $condition,
            ") WHERE (changed_at, id) < (?2, ?3) ORDER BY changed_at DESC, id DESC LIMIT ?1"
        )
    };
}

const COLLECTIONS: &str = select_collections!("c.newest_at IS NOT NULL");

const COLLECTIONS_OF: &str = select_collections!("c.author_id = ?4");

const COUNT: &str = "\
SELECT (SELECT count(*) FROM links WHERE collection_id = ?1)
     - (SELECT count(*) FROM links WHERE collection_id = ?1 AND private) AS count";

/// Those who saved the URL, newest first.
const SAVERS: &str = "\
SELECT c.id, c.owner_id FROM cards c LEFT JOIN users u ON u.id = c.owner_id
WHERE c.url_digest = ?1 AND c.library_link IS NOT NULL AND c.private = 0 AND c.hidden = 0
  AND u.suspended_at IS NULL AND u.deleted_at IS NULL
ORDER BY c.id DESC LIMIT ?2";

const SHELVES: &str = "\
SELECT k.id FROM links l JOIN collections k ON k.id = l.collection_id AND k.private = 0 AND k.deleted_at IS NULL
WHERE l.card_id = ?1";

const NEAR_IN_COLLECTION: &str = "\
SELECT card_id AS id FROM links WHERE collection_id = ?1 AND private = 0 ORDER BY added_at DESC, card_id DESC LIMIT ?2";

const NEAR_OF_PERSON: &str = "\
SELECT id FROM cards WHERE owner_id = ?1 AND library_link IS NOT NULL AND private = 0 AND hidden = 0
ORDER BY library_at DESC, id DESC LIMIT ?2";

const LINK: &str = "\
SELECT c.url, c.url_digest, c.created_at, coalesce(c.title, g.title) AS title FROM cards c LEFT JOIN pages g ON g.url_digest = c.url_digest
WHERE c.id = ?1 AND c.private = 0 AND c.hidden = 0";

#[async_trait]
impl PublicRepository for SqliteStore {
    async fn person(&self, name: Named<'_>) -> Result<Option<Person>> {
        let (sql, name) = match name {
            Named::Handle(handle) => (select_person!("u.handle_key = ?1"), handle.to_ascii_lowercase()),
            Named::Id(id) => (select_person!("u.id = ?1"), id.as_str().to_owned()),
        };
        Ok(self.read(move |connection, _| first(connection, sql, &[&name], read_person)).await?)
    }

    async fn cards_of(&self, owner: &UserId, page: &PageRequest) -> Result<Page<SavedCard>> {
        let (at, id) = behind(page.after.as_ref())?.unwrap_or(NEWEST);
        let (owner, most) = (owner.clone(), signed(page.limit.get() + 1));
        let list = move |connection: &Connection, _| {
            let read = |row: &Row<'_>| read_card(connection, row, None);
            rows(connection, CARDS_OF, &[&most, &owner.as_str(), &at, &id, &None::<&str>], read)
        };
        Ok(Page::cut(self.read(list).await?, page.limit, SavedCard::place))
    }

    async fn public_collections(&self, author: Option<&UserId>, page: &PageRequest) -> Result<Page<ListedCollection>> {
        let (at, id) = behind(page.after.as_ref())?.unwrap_or(NEWEST);
        let (author, most) = (author.cloned(), signed(page.limit.get() + 1));
        let list = move |connection: &Connection, _| {
            let read = |row: &Row<'_>| read_collection(connection, row);
            match author {
                None => rows(connection, COLLECTIONS, &[&most, &at, &id], read),
                Some(author) => rows(connection, COLLECTIONS_OF, &[&most, &at, &id, &author.as_str()], read),
            }
        };
        Ok(Page::cut(self.read(list).await?, page.limit, ListedCollection::place))
    }

    async fn saved_by(&self, url: &CardUrl, reader: Option<&UserId>, page: &PageRequest) -> Result<Page<SavedCard>> {
        let (at, id) = behind(page.after.as_ref())?.unwrap_or(NEWEST);
        let (digest, reader) = (url_digest(url.normalised()), reader.cloned());
        let most = signed(page.limit.get() + 1);
        let list = move |connection: &Connection, _| {
            let reader = reader.as_ref().map(UserId::as_str);
            let read = |row: &Row<'_>| read_card(connection, row, reader);
            rows(connection, SAVED_BY, &[&most, &digest, &at, &id, &reader], read)
        };
        Ok(Page::cut(self.read(list).await?, page.limit, SavedCard::place))
    }

    async fn related(&self, url: &CardUrl, limit: usize) -> Result<Vec<RelatedLink>> {
        let digest = url_digest(url.normalised());
        Ok(self.read(move |connection, _| related(connection, digest, limit)).await?)
    }
}

type Id = [u8; 16];

fn related(connection: &Connection, digest: [u8; 32], limit: usize) -> Result<Vec<RelatedLink>, Failure> {
    let sources = signed(RELATED_SOURCES);
    let savers = rows(connection, SAVERS, &[&digest, &sources], |row| {
        Ok((get::<Id>(row, "id")?, get::<String>(row, "owner_id")?))
    })?;
    let mut shelves: BTreeSet<Id> = BTreeSet::new();
    for (card, _) in &savers {
        shelves.extend(rows(connection, SHELVES, &[card], |row| get::<Id>(row, "id"))?);
    }
    // Sorted by weight and newest card.
    let mut links: BTreeMap<[u8; 32], (i64, (i64, Id), RelatedLink)> = BTreeMap::new();
    let mut add = |near: Vec<Id>, weight: i64| {
        for id in near {
            let read = |row: &Row<'_>| {
                let link = RelatedLink { url: get(row, "url")?, title: get(row, "title")? };
                Ok((get::<[u8; 32]>(row, "url_digest")?, get::<i64>(row, "created_at")?, link))
            };
            let Some((other, at, link)) = first(connection, LINK, &[&id], read)? else { continue };
            if other == digest {
                continue;
            }
            match links.get_mut(&other) {
                Some(known) => {
                    known.0 += weight;
                    if (at, id) > known.1 {
                        (known.1, known.2) = ((at, id), link);
                    }
                }
                None => {
                    links.insert(other, (weight, (at, id), link));
                }
            }
        }
        Ok::<_, Failure>(())
    };
    let most = signed(RELATED_NEAR);
    for shelf in shelves.iter().rev().take(RELATED_SOURCES) {
        add(rows(connection, NEAR_IN_COLLECTION, &[shelf, &most], |row| get(row, "id"))?, SAME_COLLECTION)?;
    }
    for (_, owner) in &savers {
        add(rows(connection, NEAR_OF_PERSON, &[owner, &most], |row| get(row, "id"))?, SAME_PERSON)?;
    }
    let mut best: Vec<_> = links.into_values().collect();
    best.sort_by_key(|(weight, newest, _)| Reverse((*weight, *newest)));
    Ok(best.into_iter().take(limit).map(|(_, _, link)| link).collect())
}

fn read_person(row: &Row<'_>) -> Result<Person, Failure> {
    Ok(Person {
        user: get_user(row, "id", "handle")?,
        display_name: get(row, "display_name")?,
        bio: get(row, "bio")?,
        is_suspended: get(row, "is_suspended")?,
        created_at: get_time(row, "created_at")?,
    })
}

fn read_collection(connection: &Connection, row: &Row<'_>) -> Result<ListedCollection, Failure> {
    let id: Id = get(row, "id")?;
    Ok(ListedCollection {
        id: collection_id(id),
        name: get(row, "name")?,
        description: get(row, "description")?,
        author: get_user(row, "author_id", "handle")?,
        card_count: first(connection, COUNT, &[&id], |row| get_count(row, "count"))?.unwrap_or_default(),
        changed_at: get_time(row, "changed_at")?,
    })
}

fn read_card(connection: &Connection, row: &Row<'_>, reader: Option<&str>) -> Result<SavedCard, Failure> {
    let id: Id = get(row, "id")?;
    let collections = rows(connection, COLLECTIONS_OF_CARD, &[&id, &reader], |row| {
        Ok(CollectionName {
            id: collection_id(get(row, "id")?),
            name: get(row, "name")?,
            visibility: get_visibility(row)?,
        })
    });
    let page_title: Option<String> = get(row, "title")?;
    let own_title: Option<String> = get(row, "own_title")?;
    Ok(SavedCard {
        card: CardView {
            id: card_id(id),
            url: get(row, "url")?,
            title: own_title.or_else(|| page_title.clone()),
            visibility: get_visibility(row)?,
            is_hidden: get(row, "hidden")?,
            pictures: get_pictures(row)?,
        },
        owner: get_user(row, "owner_id", "handle")?,
        page_title,
        description: get(row, "description")?,
        collections: collections?,
        added_at: get_time(row, "library_at")?,
    })
}
