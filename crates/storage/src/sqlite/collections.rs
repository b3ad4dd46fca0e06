//! Reads about collections and the people who share them.

use async_trait::async_trait;
use cardwire_domain::collection::{CollectedCard, CollectionRepository, CollectionView};
use cardwire_domain::feed::{CardView, CollectionName};
use cardwire_domain::membership::{Block, Invitation};
use cardwire_domain::user::User;
use cardwire_domain::{CollectionId, Error, Page, PageRequest, Position, Result, UserId};
use rusqlite::{Connection, Row, ToSql};

use super::error::Failure;
use super::page_rows::{get_pictures, page_of};
use super::store::SqliteStore;
use super::values::{
    NEWEST, behind, blob, card_id, collection_id, first, get, get_access, get_count, get_time, get_user,
    get_visibility, rows, signed,
};
use crate::seen::{sees_card, sees_collection};

macro_rules! select_collections {
    ($($rest:tt)+) => {
        concat!(
            "SELECT c.id, c.name, c.description, c.access, c.private, c.author_id, u.handle, c.created_at, c.updated_at \
             FROM collections c LEFT JOIN users u ON u.id = c.author_id ",
            $($rest)+
        )
    };
}

const OWN: &str = select_collections!(
    "WHERE c.author_id = ?1 AND c.deleted_at IS NULL AND (c.created_at, c.id) < (?2, ?3) \
     ORDER BY c.created_at DESC, c.id DESC LIMIT ?4"
);

const OF_OTHERS: &str = select_collections!(
    "WHERE c.id IN (SELECT collection_id FROM collaborators WHERE user_id = ?1) AND c.author_id <> ?1 AND c.deleted_at IS NULL \
     AND (c.created_at, c.id) < (?2, ?3) \
     ORDER BY c.created_at DESC, c.id DESC LIMIT ?4"
);

const COLLABORATORS: &str = "\
SELECT x.user_id, u.handle FROM collaborators x LEFT JOIN users u ON u.id = x.user_id
WHERE x.collection_id = ?1 ORDER BY x.user_id";

const INVITED: &str = "\
SELECT x.user_id, u.handle FROM invitations x LEFT JOIN users u ON u.id = x.user_id
WHERE x.collection_id = ?1 ORDER BY x.user_id";

const INVITATIONS_OF: &str = "\
SELECT c.id, c.name, c.private, c.author_id, u.handle, i.invited_at
FROM invitations i JOIN collections c ON c.id = i.collection_id AND c.deleted_at IS NULL
LEFT JOIN users u ON u.id = c.author_id
WHERE i.user_id = ?1 AND (i.invited_at, i.collection_id) < (?2, ?3)
ORDER BY i.invited_at DESC, i.collection_id DESC LIMIT ?4";

const BLOCKED_BY: &str = "\
SELECT b.blocked_id, u.handle, b.blocked_at FROM blocks b LEFT JOIN users u ON u.id = b.blocked_id
WHERE b.user_id = ?1 AND (b.blocked_at, b.blocked_id) < (?2, ?3)
ORDER BY b.blocked_at DESC, b.blocked_id DESC LIMIT ?4";

const CARDS_IN: &str = concat!(
    "SELECT c.id, c.url, c.private, c.hidden, coalesce(c.title, g.title) AS title, g.cover, g.cover_width, g.cover_height, g.icon, c.owner_id, u.handle, l.added_at \
     FROM links l JOIN cards c ON c.id = l.card_id LEFT JOIN users u ON u.id = c.owner_id \
     LEFT JOIN pages g ON g.url_digest = ",
    page_of!("c"),
    " WHERE l.collection_id = ?1 AND (l.added_at, l.card_id) < (?2, ?3) AND ",
    sees_card!("c", "?5"),
    " ORDER BY l.added_at DESC, l.card_id DESC LIMIT ?4"
);

const IS_SEEN: &str =
    concat!("SELECT 1 FROM collections k WHERE k.id = ?1 AND k.deleted_at IS NULL AND ", sees_collection!("k", "?2"));

const COUNT: &str = "SELECT count(*) AS count FROM links WHERE collection_id = ?1";
/// Rows are read only for those that others do not see.
const COUNT_OF_OTHERS: &str = "\
SELECT count(*) AS count FROM links l JOIN cards c ON c.id = l.card_id
WHERE l.collection_id = ?1 AND l.private AND c.owner_id IS NOT ?2";

#[async_trait]
impl CollectionRepository for SqliteStore {
    async fn collection(&self, id: CollectionId, reader: Option<&UserId>) -> Result<CollectionView> {
        let (key, reader) = (blob(id.ulid()), reader.cloned());
        let find = move |connection: &Connection, _| {
            let sql = select_collections!("WHERE c.id = ?1 AND c.deleted_at IS NULL AND ", sees_collection!("c", "?2"));
            let name = reader.as_ref().map(UserId::as_str);
            first(connection, sql, &[&key, &name], |row| read(connection, row, reader.as_ref()))
        };
        self.read(find).await?.ok_or_else(|| Error::not_found("collection", id))
    }

    async fn cards_in(
        &self,
        id: CollectionId,
        reader: Option<&UserId>,
        page: &PageRequest,
    ) -> Result<Page<CollectedCard>> {
        let (at, after) = behind(page.after.as_ref())?.unwrap_or(NEWEST);
        let (key, reader, most) = (blob(id.ulid()), reader.cloned(), signed(page.limit.get() + 1));
        let list = move |connection: &Connection, _| {
            let reader = reader.as_ref().map(UserId::as_str);
            if first(connection, IS_SEEN, &[&key, &reader], |_| Ok(()))?.is_none() {
                return Ok(None);
            }
            // Only its owner adds a card to a collection.
            let card = |row: &Row<'_>| {
                Ok(CollectedCard {
                    card: CardView {
                        id: card_id(get(row, "id")?),
                        url: get(row, "url")?,
                        title: get(row, "title")?,
                        visibility: get_visibility(row)?,
                        is_hidden: get(row, "hidden")?,
                        pictures: get_pictures(row)?,
                    },
                    added_by: get_user(row, "owner_id", "handle")?,
                    added_at: get_time(row, "added_at")?,
                })
            };
            rows(connection, CARDS_IN, &[&key, &at, &after, &most, &reader], card).map(Some)
        };
        let cards = self.read(list).await?.ok_or_else(|| Error::not_found("collection", id))?;
        Ok(Page::cut(cards, page.limit, |card| Position {
            key: card.added_at.as_microsecond(),
            id: card.card.id.to_string(),
        }))
    }

    async fn collections_of(&self, person: &UserId, page: &PageRequest) -> Result<Page<CollectionView>> {
        let (of_others, position) = page.after.as_ref().map(CollectionView::read_place).unzip();
        let of_others = of_others.unwrap_or_default();
        let (at, after) = behind(position.as_ref())?.unwrap_or(NEWEST);
        let (reader, most) = (person.clone(), page.limit.get() + 1);
        let list = move |connection: &Connection, _| {
            let list = |sql, (at, after): (i64, [u8; 16]), most| {
                let read = |row: &Row<'_>| read(connection, row, Some(&reader));
                rows(connection, sql, &[&reader.as_str(), &at, &after, &signed(most)], read)
            };
            if of_others {
                return list(OF_OTHERS, (at, after), most);
            }
            let mut views = list(OWN, (at, after), most)?;
            if views.len() < most {
                views.extend(list(OF_OTHERS, NEWEST, most - views.len())?);
            }
            Ok(views)
        };
        let views = self.read(list).await?;
        Ok(Page::cut(views, page.limit, |view| view.place(person)))
    }

    async fn invitations_of(&self, person: &UserId, page: &PageRequest) -> Result<Page<Invitation>> {
        let (at, after) = behind(page.after.as_ref())?.unwrap_or(NEWEST);
        let (person, most) = (person.clone(), signed(page.limit.get() + 1));
        let list = move |connection: &Connection, _| {
            rows(connection, INVITATIONS_OF, &[&person.as_str(), &at, &after, &most], |row| {
                Ok(Invitation {
                    collection: CollectionName {
                        id: collection_id(get(row, "id")?),
                        name: get(row, "name")?,
                        visibility: get_visibility(row)?,
                    },
                    author: get_user(row, "author_id", "handle")?,
                    invited_at: get_time(row, "invited_at")?,
                })
            })
        };
        let invitations = self.read(list).await?;
        Ok(Page::cut(invitations, page.limit, |invitation| Position {
            key: invitation.invited_at.as_microsecond(),
            id: invitation.collection.id.to_string(),
        }))
    }

    async fn blocked_by(&self, person: &UserId, page: &PageRequest) -> Result<Page<Block>> {
        let (at, after) = match page.after.clone() {
            Some(Position { key, id }) => (key, id),
            None => (i64::MAX, String::new()),
        };
        let (person, most) = (person.clone(), signed(page.limit.get() + 1));
        let list = move |connection: &Connection, _| {
            rows(connection, BLOCKED_BY, &[&person.as_str(), &at, &after, &most], |row| {
                Ok(Block { person: get_user(row, "blocked_id", "handle")?, blocked_at: get_time(row, "blocked_at")? })
            })
        };
        let blocks = self.read(list).await?;
        Ok(Page::cut(blocks, page.limit, |block| Position {
            key: block.blocked_at.as_microsecond(),
            id: block.person.id.to_string(),
        }))
    }
}

fn read_people(connection: &Connection, sql: &str, collection: [u8; 16]) -> Result<Vec<User>, Failure> {
    rows(connection, sql, &[&collection], |row| get_user(row, "user_id", "handle"))
}

fn read(connection: &Connection, row: &Row<'_>, reader: Option<&UserId>) -> Result<CollectionView, Failure> {
    let id: [u8; 16] = get(row, "id")?;
    let author = get_user(row, "author_id", "handle")?;
    let invited = match reader {
        Some(reader) if *reader == author.id => Some(read_people(connection, INVITED, id)?),
        _ => None,
    };
    let count = |sql, values: &[&dyn ToSql]| first(connection, sql, values, |row| get_count(row, "count"));
    let all = count(COUNT, &[&id])?.unwrap_or_default();
    let of_others = count(COUNT_OF_OTHERS, &[&id, &reader.map(UserId::as_str)])?.unwrap_or_default();
    Ok(CollectionView {
        id: collection_id(id),
        name: get(row, "name")?,
        description: get(row, "description")?,
        access: get_access(row)?,
        visibility: get_visibility(row)?,
        author,
        collaborators: read_people(connection, COLLABORATORS, id)?,
        invited,
        card_count: all.saturating_sub(of_others),
        created_at: get_time(row, "created_at")?,
        updated_at: get_time(row, "updated_at")?,
    })
}
