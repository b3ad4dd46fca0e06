//! Reads of people, collections and links as everybody sees them.

use async_trait::async_trait;
use cardwire_domain::feed::CardView;
use cardwire_domain::public::{
    ListedCollection, Named, Person, PublicRepository, RELATED_NEAR, RELATED_SOURCES, RelatedLink, SAME_COLLECTION,
    SAME_PERSON, SavedCard,
};
use cardwire_domain::url::CardUrl;
use cardwire_domain::{Page, PageRequest, Result, UserId};
use sqlx::postgres::PgRow;
use sqlx::types::Uuid;

use super::error::Failure;
use super::feed::collection_names;
use super::page_rows::{get_pictures, page_of};
use super::store::PostgresStore;
use super::values::{
    behind, card_id, collection_id, get, get_count, get_time, get_user, get_visibility, signed, url_digest,
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

/// $1: the limit. $2: whose, or of which URL. $3, $4: the place behind which the page starts. $5: the reader, who may be nobody.
macro_rules! select_cards {
    ($($condition:tt)+) => {
        concat!(
            "SELECT c.id, c.url, c.title AS own_title, g.title, g.description, g.cover, g.cover_width, g.cover_height, g.icon, \
                    c.private, c.hidden, c.owner_id, u.handle, c.library_at, l.collections, l.names, l.are_private \
             FROM cards c LEFT JOIN users u ON u.id = c.owner_id LEFT JOIN pages g ON g.url_digest = ",
            page_of!("c"),
            " CROSS JOIN LATERAL ( \
                 SELECT array_agg(k.id ORDER BY links.added_at, links.id) AS collections, \
                        array_agg(k.name ORDER BY links.added_at, links.id) AS names, \
                        array_agg(k.private ORDER BY links.added_at, links.id) AS are_private \
                 FROM links JOIN collections k ON k.id = links.collection_id AND k.deleted_at IS NULL \
                 WHERE links.card_id = c.id AND ",
            sees_collection!("k", "$5"),
            ") l \
             WHERE c.library_link IS NOT NULL AND u.suspended_at IS NULL AND u.deleted_at IS NULL \
               AND ($3::timestamptz IS NULL OR (c.library_at, c.id) < ($3, $4)) AND ",
            $($condition)+,
            " ORDER BY c.library_at DESC, c.id DESC LIMIT $1"
        )
    };
}

const CARDS_OF: &str = select_cards!("c.owner_id = $2 AND ", sees_card!("c", "$5"));

const SAVED_BY: &str = select_cards!("c.url_digest = $2 AND ", sees_card!("c", "$5"));

/// $1: the limit. $2, $3: the place behind which the page starts. Cards are counted in an index.
macro_rules! select_collections {
    ($condition:literal) => {
        concat!(
            "SELECT c.id, c.name, c.description, c.author_id, u.handle, coalesce(n.added_at, c.created_at) AS changed_at, \
                    (SELECT count(*) FROM links WHERE collection_id = c.id) \
                    - (SELECT count(*) FROM links WHERE collection_id = c.id AND private) AS card_count \
             FROM collections c LEFT JOIN users u ON u.id = c.author_id \
             LEFT JOIN LATERAL ( \
                 SELECT l.added_at FROM links l WHERE l.collection_id = c.id AND NOT l.private \
                 ORDER BY l.added_at DESC, l.card_id DESC LIMIT 1 \
             ) n ON true \
             WHERE NOT c.private AND c.deleted_at IS NULL AND u.suspended_at IS NULL AND u.deleted_at IS NULL \
               AND ($2::timestamptz IS NULL OR (coalesce(n.added_at, c.created_at), c.id) < ($2, $3)) AND ",
            $condition,
            " ORDER BY coalesce(n.added_at, c.created_at) DESC, c.id DESC LIMIT $1"
        )
    };
}

const COLLECTIONS: &str = select_collections!("n.added_at IS NOT NULL");

const COLLECTIONS_OF: &str = select_collections!("c.author_id = $4");

/// $1: the digest. $2: the limit. $3: how many sources. $4: how many of each. $5, $6: what being in the same collection counts, and being
/// saved by the same person. Of a link, the newest card tells what it is called.
const RELATED: &str = "\
WITH savers AS (
    SELECT c.id, c.owner_id FROM cards c LEFT JOIN users u ON u.id = c.owner_id
    WHERE c.url_digest = $1 AND c.library_link IS NOT NULL AND NOT (c.private OR c.hidden)
      AND u.suspended_at IS NULL AND u.deleted_at IS NULL
    ORDER BY c.id DESC LIMIT $3
), shelves AS (
    SELECT DISTINCT k.id FROM savers s JOIN links l ON l.card_id = s.id
    JOIN collections k ON k.id = l.collection_id AND NOT k.private AND k.deleted_at IS NULL
    ORDER BY k.id DESC LIMIT $3
), near AS (
    SELECT x.card_id, $5::bigint AS weight FROM shelves s CROSS JOIN LATERAL (
        SELECT card_id FROM links WHERE collection_id = s.id AND NOT private ORDER BY added_at DESC, card_id DESC LIMIT $4
    ) x
    UNION ALL
    SELECT x.id, $6 FROM savers s CROSS JOIN LATERAL (
        SELECT id FROM cards WHERE owner_id = s.owner_id AND library_link IS NOT NULL AND NOT (private OR hidden)
        ORDER BY library_at DESC, id DESC LIMIT $4
    ) x
), best AS (
    SELECT sum(n.weight) AS weight, max(c.created_at) AS newest_at, (array_agg(c.id ORDER BY c.created_at DESC, c.id DESC))[1] AS id
    FROM near n JOIN cards c ON c.id = n.card_id
    WHERE c.url_digest <> $1 AND NOT (c.private OR c.hidden) GROUP BY c.url_digest
    ORDER BY 1 DESC, 2 DESC, 3 DESC LIMIT $2
)
SELECT c.url, coalesce(c.title, g.title) AS title
FROM best b JOIN cards c ON c.id = b.id LEFT JOIN pages g ON g.url_digest = c.url_digest
ORDER BY b.weight DESC, b.newest_at DESC, b.id DESC";

#[async_trait]
impl PublicRepository for PostgresStore {
    async fn person(&self, name: Named<'_>) -> Result<Option<Person>> {
        let query = match name {
            Named::Handle(handle) => sqlx::query(select_person!("lower(u.handle) = lower($1)")).bind(handle),
            Named::Id(id) => sqlx::query(select_person!("u.id = $1")).bind(id.as_str()),
        };
        let rows = self.session().await?.fetch_all(query).await?;
        Ok(rows.first().map(read_person).transpose()?)
    }

    async fn cards_of(&self, owner: &UserId, page: &PageRequest) -> Result<Page<SavedCard>> {
        let (at, id) = behind(page.after.as_ref())?;
        let query = sqlx::query(CARDS_OF).bind(page.limit.get() as i64 + 1).bind(owner.as_str()).bind(at).bind(id);
        let rows = self.session().await?.fetch_all(query.bind(None::<&str>)).await?;
        saved_cards(&rows, page)
    }

    async fn public_collections(&self, author: Option<&UserId>, page: &PageRequest) -> Result<Page<ListedCollection>> {
        let (at, id) = behind(page.after.as_ref())?;
        let limit = page.limit.get() as i64 + 1;
        let query = match author {
            None => sqlx::query(COLLECTIONS).bind(limit).bind(at).bind(id),
            Some(author) => sqlx::query(COLLECTIONS_OF).bind(limit).bind(at).bind(id).bind(author.as_str()),
        };
        let rows = self.session().await?.fetch_all(query).await?;
        let read = |row: &PgRow| {
            Ok(ListedCollection {
                id: collection_id(get(row, "id")?),
                name: get(row, "name")?,
                description: get(row, "description")?,
                author: get_user(row, "author_id", "handle")?,
                card_count: get_count(row, "card_count")?,
                changed_at: get_time(row, "changed_at")?,
            })
        };
        let collections = rows.iter().map(read).collect::<Result<Vec<_>, Failure>>()?;
        Ok(Page::cut(collections, page.limit, ListedCollection::place))
    }

    async fn saved_by(&self, url: &CardUrl, reader: Option<&UserId>, page: &PageRequest) -> Result<Page<SavedCard>> {
        let (at, id) = behind(page.after.as_ref())?;
        let query = sqlx::query(SAVED_BY).bind(page.limit.get() as i64 + 1).bind(url_digest(url.normalised()));
        let query = query.bind(at).bind(id).bind(reader.map(UserId::as_str));
        let rows = self.session().await?.fetch_all(query).await?;
        saved_cards(&rows, page)
    }

    async fn related(&self, url: &CardUrl, limit: usize) -> Result<Vec<RelatedLink>> {
        let query = sqlx::query(RELATED).bind(url_digest(url.normalised())).bind(signed(limit));
        let query = query.bind(signed(RELATED_SOURCES)).bind(signed(RELATED_NEAR));
        let query = query.bind(SAME_COLLECTION).bind(SAME_PERSON);
        let rows = self.session().await?.fetch_all(query).await?;
        let read = |row: &PgRow| Ok(RelatedLink { url: get(row, "url")?, title: get(row, "title")? });
        Ok(rows.iter().map(read).collect::<Result<Vec<_>, Failure>>()?)
    }
}

fn read_person(row: &PgRow) -> Result<Person, Failure> {
    Ok(Person {
        user: get_user(row, "id", "handle")?,
        display_name: get(row, "display_name")?,
        bio: get(row, "bio")?,
        is_suspended: get(row, "is_suspended")?,
        created_at: get_time(row, "created_at")?,
    })
}

fn saved_cards(rows: &[PgRow], page: &PageRequest) -> Result<Page<SavedCard>> {
    let cards = rows.iter().map(read_card).collect::<Result<Vec<_>, Failure>>()?;
    Ok(Page::cut(cards, page.limit, SavedCard::place))
}

fn read_card(row: &PgRow) -> Result<SavedCard, Failure> {
    let ids: Option<Vec<Uuid>> = get(row, "collections")?;
    let names: Option<Vec<String>> = get(row, "names")?;
    let page_title: Option<String> = get(row, "title")?;
    let own_title: Option<String> = get(row, "own_title")?;
    Ok(SavedCard {
        card: CardView {
            id: card_id(get(row, "id")?),
            url: get(row, "url")?,
            title: own_title.or_else(|| page_title.clone()),
            visibility: get_visibility(row)?,
            is_hidden: get(row, "hidden")?,
            pictures: get_pictures(row)?,
        },
        owner: get_user(row, "owner_id", "handle")?,
        page_title,
        description: get(row, "description")?,
        collections: collection_names(ids, names, get(row, "are_private")?),
        added_at: get_time(row, "library_at")?,
    })
}
