//! Reads about collections and the people who share them.

use async_trait::async_trait;
use cardwire_domain::collection::{CollectedCard, CollectionRepository, CollectionView};
use cardwire_domain::feed::{CardView, CollectionName};
use cardwire_domain::membership::{Block, Invitation};
use cardwire_domain::user::User;
use cardwire_domain::{CollectionId, Error, Page, PageRequest, Position, Result, UserId};
use sqlx::postgres::PgRow;

use super::error::Failure;
use super::page_rows::{get_pictures, page_of};
use super::store::PostgresStore;
use super::values::{
    behind, card_id, collection_id, get, get_access, get_count, get_time, get_user, get_visibility, key_time, user_id,
    uuid,
};
use crate::seen::{sees_card, sees_collection};

/// `$2` is the reader. Cards are counted in an index; rows are read only for cards that not everybody sees.
macro_rules! select_collections {
    ($($rest:tt)+) => {
        concat!(
            "SELECT c.id, c.name, c.description, c.access, c.private, c.author_id, u.handle, c.created_at, c.updated_at, \
                    (SELECT count(*) FROM links WHERE collection_id = c.id) - ( \
                        SELECT count(*) FROM links l JOIN cards k ON k.id = l.card_id \
                        WHERE l.collection_id = c.id AND l.private AND k.owner_id IS DISTINCT FROM $2 \
                    ) AS card_count, p.people, p.handles, i.people AS invited, i.handles AS invited_handles \
             FROM collections c LEFT JOIN users u ON u.id = c.author_id \
             CROSS JOIN LATERAL ( \
                 SELECT array_agg(x.user_id ORDER BY x.user_id) AS people, array_agg(h.handle ORDER BY x.user_id) AS handles \
                 FROM collaborators x LEFT JOIN users h ON h.id = x.user_id WHERE x.collection_id = c.id \
             ) p \
             CROSS JOIN LATERAL ( \
                 SELECT array_agg(x.user_id ORDER BY x.user_id) AS people, array_agg(h.handle ORDER BY x.user_id) AS handles \
                 FROM invitations x LEFT JOIN users h ON h.id = x.user_id WHERE x.collection_id = c.id \
             ) i ",
            $($rest)+
        )
    };
}

const COLLECTIONS_OF: &str = select_collections!(
    "JOIN ( \
         (SELECT id, false AS of_others FROM collections \
          WHERE author_id = $2 AND deleted_at IS NULL \
            AND NOT $5 AND ($3::timestamptz IS NULL OR (created_at, id) < ($3, $4)) \
          ORDER BY created_at DESC, id DESC LIMIT $1) \
         UNION ALL \
         (SELECT k.id, true FROM collaborators x JOIN collections k ON k.id = x.collection_id \
          WHERE x.user_id = $2 AND k.author_id <> $2 AND k.deleted_at IS NULL \
            AND (NOT $5 OR (k.created_at, k.id) < ($3, $4)) \
          ORDER BY k.created_at DESC, k.id DESC LIMIT $1) \
     ) AS listed ON listed.id = c.id \
     ORDER BY listed.of_others, c.created_at DESC, c.id DESC LIMIT $1"
);

const INVITATIONS_OF: &str = "\
SELECT c.id, c.name, c.private, c.author_id, u.handle, i.invited_at
FROM invitations i JOIN collections c ON c.id = i.collection_id AND c.deleted_at IS NULL
LEFT JOIN users u ON u.id = c.author_id
WHERE i.user_id = $2 AND ($3::timestamptz IS NULL OR (i.invited_at, i.collection_id) < ($3, $4))
ORDER BY i.invited_at DESC, i.collection_id DESC LIMIT $1";

const BLOCKED_BY: &str = "\
SELECT b.blocked_id, u.handle, b.blocked_at FROM blocks b LEFT JOIN users u ON u.id = b.blocked_id
WHERE b.user_id = $2 AND ($3::timestamptz IS NULL OR (b.blocked_at, b.blocked_id) < ($3, $4))
ORDER BY b.blocked_at DESC, b.blocked_id DESC LIMIT $1";

const CARDS_IN: &str = concat!(
    "SELECT c.id, c.url, c.private, c.hidden, coalesce(c.title, g.title) AS title, g.cover, g.cover_width, g.cover_height, g.icon, c.owner_id, u.handle, l.added_at \
     FROM links l JOIN collections k ON k.id = l.collection_id AND k.deleted_at IS NULL \
     JOIN cards c ON c.id = l.card_id LEFT JOIN users u ON u.id = c.owner_id \
     LEFT JOIN pages g ON g.url_digest = ",
    page_of!("c"),
    " WHERE l.collection_id = $2 AND ($3::timestamptz IS NULL OR (l.added_at, l.card_id) < ($3, $4)) AND ",
    sees_collection!("k", "$5"),
    " AND ",
    sees_card!("c", "$5"),
    " ORDER BY l.added_at DESC, l.card_id DESC LIMIT $1"
);

const IS_SEEN: &str =
    concat!("SELECT 1 FROM collections k WHERE k.id = $1 AND k.deleted_at IS NULL AND ", sees_collection!("k", "$2"));

#[async_trait]
impl CollectionRepository for PostgresStore {
    async fn collection(&self, id: CollectionId, reader: Option<&UserId>) -> Result<CollectionView> {
        let sql = select_collections!("WHERE c.id = $1 AND c.deleted_at IS NULL AND ", sees_collection!("c", "$2"));
        let query = sqlx::query(sql).bind(uuid(id.ulid())).bind(reader.map(UserId::as_str));
        let rows = self.session().await?.fetch_all(query).await?;
        let row = rows.first().ok_or_else(|| Error::not_found("collection", id))?;
        Ok(read(row, reader)?)
    }

    async fn cards_in(
        &self,
        id: CollectionId,
        reader: Option<&UserId>,
        page: &PageRequest,
    ) -> Result<Page<CollectedCard>> {
        let (at, after) = behind(page.after.as_ref())?;
        let reader = reader.map(UserId::as_str);
        let mut session = self.session().await?;
        let query = sqlx::query(CARDS_IN).bind(page.limit.get() as i64 + 1).bind(uuid(id.ulid())).bind(at).bind(after);
        let rows = session.fetch_all(query.bind(reader)).await?;
        if rows.is_empty() {
            let there = sqlx::query(IS_SEEN).bind(uuid(id.ulid())).bind(reader);
            if session.fetch_all(there).await?.is_empty() {
                return Err(Error::not_found("collection", id));
            }
        }
        // Only its owner adds a card to a collection.
        let card = |row: &PgRow| {
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
        let cards = rows.iter().map(card).collect::<Result<Vec<_>, Failure>>()?;
        Ok(Page::cut(cards, page.limit, |card| Position {
            key: card.added_at.as_microsecond(),
            id: card.card.id.to_string(),
        }))
    }

    async fn collections_of(&self, person: &UserId, page: &PageRequest) -> Result<Page<CollectionView>> {
        let place = page.after.as_ref().map(CollectionView::read_place);
        let (at, after) = behind(place.as_ref().map(|(_, position)| position))?;
        let query = sqlx::query(COLLECTIONS_OF).bind(page.limit.get() as i64 + 1).bind(person.as_str());
        let query = query.bind(at).bind(after).bind(place.is_some_and(|(of_others, _)| of_others));
        let rows = self.session().await?.fetch_all(query).await?;
        let collections = rows.iter().map(|row| read(row, Some(person))).collect::<Result<Vec<_>, Failure>>()?;
        Ok(Page::cut(collections, page.limit, |collection| collection.place(person)))
    }

    async fn invitations_of(&self, person: &UserId, page: &PageRequest) -> Result<Page<Invitation>> {
        let (at, after) = behind(page.after.as_ref())?;
        let query = sqlx::query(INVITATIONS_OF).bind(page.limit.get() as i64 + 1).bind(person.as_str());
        let rows = self.session().await?.fetch_all(query.bind(at).bind(after)).await?;
        let invitation = |row| {
            Ok(Invitation {
                collection: CollectionName {
                    id: collection_id(get(row, "id")?),
                    name: get(row, "name")?,
                    visibility: get_visibility(row)?,
                },
                author: get_user(row, "author_id", "handle")?,
                invited_at: get_time(row, "invited_at")?,
            })
        };
        let invitations = rows.iter().map(invitation).collect::<Result<Vec<_>, Failure>>()?;
        Ok(Page::cut(invitations, page.limit, |invitation| Position {
            key: invitation.invited_at.as_microsecond(),
            id: invitation.collection.id.to_string(),
        }))
    }

    async fn blocked_by(&self, person: &UserId, page: &PageRequest) -> Result<Page<Block>> {
        let (at, after) = match &page.after {
            Some(Position { key, id }) => (Some(key_time(*key)?), Some(id)),
            None => (None, None),
        };
        let query = sqlx::query(BLOCKED_BY).bind(page.limit.get() as i64 + 1).bind(person.as_str());
        let rows = self.session().await?.fetch_all(query.bind(at).bind(after)).await?;
        let block = |row| {
            Ok(Block { person: get_user(row, "blocked_id", "handle")?, blocked_at: get_time(row, "blocked_at")? })
        };
        let blocks = rows.iter().map(block).collect::<Result<Vec<_>, Failure>>()?;
        Ok(Page::cut(blocks, page.limit, |block| Position {
            key: block.blocked_at.as_microsecond(),
            id: block.person.id.to_string(),
        }))
    }
}

fn read_people(row: &PgRow, ids: &str, handles: &str) -> Result<Vec<User>, Failure> {
    let ids: Option<Vec<String>> = get(row, ids)?;
    let handles: Option<Vec<Option<String>>> = get(row, handles)?;
    let people = ids.unwrap_or_default().into_iter().zip(handles.unwrap_or_default());
    let user = |(id, handle): (String, Option<String>)| {
        let id = user_id(&id)?;
        Ok(match handle {
            Some(handle) => User { id, handle },
            None => User::unregistered(id),
        })
    };
    people.map(user).collect()
}

fn read(row: &PgRow, reader: Option<&UserId>) -> Result<CollectionView, Failure> {
    let author = get_user(row, "author_id", "handle")?;
    let invited = match reader {
        Some(reader) if *reader == author.id => Some(read_people(row, "invited", "invited_handles")?),
        _ => None,
    };
    Ok(CollectionView {
        id: collection_id(get(row, "id")?),
        name: get(row, "name")?,
        description: get(row, "description")?,
        access: get_access(row)?,
        visibility: get_visibility(row)?,
        author,
        collaborators: read_people(row, "people", "handles")?,
        invited,
        card_count: get_count(row, "card_count")?,
        created_at: get_time(row, "created_at")?,
        updated_at: get_time(row, "updated_at")?,
    })
}
