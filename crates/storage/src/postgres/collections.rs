//! Reads about collections.

use async_trait::async_trait;
use cardwire_domain::collection::{CollectedCard, CollectionRepository, CollectionView};
use cardwire_domain::feed::CardView;
use cardwire_domain::user::User;
use cardwire_domain::{CollectionId, Error, Page, PageRequest, Position, Result, UserId};
use sqlx::postgres::PgRow;

use super::error::Failure;
use super::store::PostgresStore;
use super::transaction::read_access;
use super::values::{behind, card_id, collection_id, get, get_count, get_time, get_user, user_id, uuid};

macro_rules! select_collections {
    ($rest:literal) => {
        concat!(
            "SELECT c.id, c.name, c.description, c.access, c.author_id, u.handle, c.created_at, c.updated_at, \
                    (SELECT count(*) FROM links WHERE collection_id = c.id) AS card_count, p.people, p.handles \
             FROM collections c LEFT JOIN users u ON u.id = c.author_id \
             CROSS JOIN LATERAL ( \
                 SELECT array_agg(x.user_id ORDER BY x.user_id) AS people, array_agg(h.handle ORDER BY x.user_id) AS handles \
                 FROM collaborators x LEFT JOIN users h ON h.id = x.user_id WHERE x.collection_id = c.id \
             ) p ",
            $rest
        )
    };
}

const COLLECTIONS_OF: &str = select_collections!(
    "WHERE c.deleted_at IS NULL AND c.id IN (SELECT id FROM collections WHERE author_id = $2 \
                    UNION SELECT collection_id FROM collaborators WHERE user_id = $2) \
     AND ($3::timestamptz IS NULL OR (c.created_at, c.id) < ($3, $4)) \
     ORDER BY c.created_at DESC, c.id DESC LIMIT $1"
);

const CARDS_IN: &str = "\
SELECT c.id, c.url, g.title, c.owner_id, u.handle, l.added_at
FROM links l JOIN collections k ON k.id = l.collection_id AND k.deleted_at IS NULL
JOIN cards c ON c.id = l.card_id LEFT JOIN users u ON u.id = c.owner_id
LEFT JOIN pages g ON g.url_digest = c.url_digest
WHERE l.collection_id = $2 AND ($3::timestamptz IS NULL OR (l.added_at, l.card_id) < ($3, $4))
ORDER BY l.added_at DESC, l.card_id DESC LIMIT $1";

#[async_trait]
impl CollectionRepository for PostgresStore {
    async fn collection(&self, id: CollectionId) -> Result<CollectionView> {
        let query = sqlx::query(select_collections!("WHERE c.id = $1 AND c.deleted_at IS NULL")).bind(uuid(id.ulid()));
        let rows = self.session().await?.fetch_all(query).await?;
        let row = rows.first().ok_or_else(|| Error::not_found("collection", id))?;
        Ok(read(row)?)
    }

    async fn cards_in(&self, id: CollectionId, page: &PageRequest) -> Result<Page<CollectedCard>> {
        let (at, after) = behind(page.after.as_ref())?;
        let mut session = self.session().await?;
        let query = sqlx::query(CARDS_IN).bind(page.limit.get() as i64 + 1).bind(uuid(id.ulid())).bind(at).bind(after);
        let rows = session.fetch_all(query).await?;
        if rows.is_empty() {
            let there =
                sqlx::query("SELECT 1 FROM collections WHERE id = $1 AND deleted_at IS NULL").bind(uuid(id.ulid()));
            if session.fetch_all(there).await?.is_empty() {
                return Err(Error::not_found("collection", id));
            }
        }
        // Only its owner adds a card to a collection.
        let card = |row: &PgRow| {
            Ok(CollectedCard {
                card: CardView { id: card_id(get(row, "id")?), url: get(row, "url")?, title: get(row, "title")? },
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
        let (at, after) = behind(page.after.as_ref())?;
        let query =
            sqlx::query(COLLECTIONS_OF).bind(page.limit.get() as i64 + 1).bind(person.as_str()).bind(at).bind(after);
        let rows = self.session().await?.fetch_all(query).await?;
        let collections = rows.iter().map(read).collect::<Result<Vec<_>, Failure>>()?;
        Ok(Page::cut(collections, page.limit, |collection| Position {
            key: collection.created_at.as_microsecond(),
            id: collection.id.to_string(),
        }))
    }
}

fn read(row: &PgRow) -> Result<CollectionView, Failure> {
    let people: Option<Vec<String>> = get(row, "people")?;
    let handles: Option<Vec<Option<String>>> = get(row, "handles")?;
    let collaborators = people.unwrap_or_default().into_iter().zip(handles.unwrap_or_default());
    let collaborators = collaborators.map(|(id, handle)| {
        let id = user_id(&id)?;
        Ok(match handle {
            Some(handle) => User { id, handle },
            None => User::unregistered(id),
        })
    });
    Ok(CollectionView {
        id: collection_id(get(row, "id")?),
        name: get(row, "name")?,
        description: get(row, "description")?,
        access: read_access(row)?,
        author: get_user(row, "author_id", "handle")?,
        collaborators: collaborators.collect::<Result<_, Failure>>()?,
        card_count: get_count(row, "card_count")?,
        created_at: get_time(row, "created_at")?,
        updated_at: get_time(row, "updated_at")?,
    })
}
