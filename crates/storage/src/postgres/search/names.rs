//! People and public collections, by their names.

use cardwire_domain::search::{Alternatives, CollectionFound, MAX_NAMES, PersonFound, SearchQuery};
use sqlx::postgres::PgRow;

use super::super::error::Failure;
use super::super::pool::Session;
use super::super::values::{collection_id, get, get_count, get_user, signed};
use super::asked::{begun, whole};

/// $1: all words whole. $2: or as prefixes. Of very many, only some are ranked.
const PEOPLE: &str = "\
WITH found AS (
    (SELECT id FROM users WHERE words @@ $1::tsquery AND suspended_at IS NULL AND deleted_at IS NULL LIMIT 1000)
    UNION
    (SELECT id FROM users WHERE words @@ $2::tsquery AND suspended_at IS NULL AND deleted_at IS NULL LIMIT 1000)
)
SELECT u.id, u.handle, p.display_name
FROM found f JOIN users u ON u.id = f.id LEFT JOIN profiles p ON p.user_id = u.id
ORDER BY (u.words @@ $1::tsquery) DESC, ts_rank('{0.1, 0.3, 0.5, 1.0}', u.words, $2::tsquery) DESC, lower(u.handle) LIMIT $3";

/// Cards are counted in an index.
const COLLECTIONS: &str = "\
WITH found AS (
    (SELECT id FROM collections WHERE words @@ $1::tsquery AND NOT private AND deleted_at IS NULL LIMIT 1000)
    UNION
    (SELECT id FROM collections WHERE words @@ $2::tsquery AND NOT private AND deleted_at IS NULL LIMIT 1000)
), best AS (
    SELECT c.id, c.name, c.description, c.author_id, u.handle, c.words @@ $1::tsquery AS is_whole,
           ts_rank('{0.1, 0.3, 0.5, 1.0}', c.words, $2::tsquery) AS rank, c.updated_at
    FROM found f JOIN collections c ON c.id = f.id LEFT JOIN users u ON u.id = c.author_id
    WHERE u.suspended_at IS NULL AND u.deleted_at IS NULL
    ORDER BY is_whole DESC, rank DESC, c.updated_at DESC, c.id LIMIT $3
)
SELECT b.id, b.name, b.description, b.author_id, b.handle,
       (SELECT count(*) FROM links l WHERE l.collection_id = b.id)
       - (SELECT count(*) FROM links l WHERE l.collection_id = b.id AND l.private) AS card_count
FROM best b ORDER BY b.is_whole DESC, b.rank DESC, b.updated_at DESC, b.id";

pub(super) async fn people(session: &mut Session, query: &SearchQuery) -> Result<Vec<PersonFound>, Failure> {
    let read =
        |row: &PgRow| Ok(PersonFound { user: get_user(row, "id", "handle")?, display_name: get(row, "display_name")? });
    ask(session, PEOPLE, query).await?.iter().map(read).collect()
}

pub(super) async fn collections(session: &mut Session, query: &SearchQuery) -> Result<Vec<CollectionFound>, Failure> {
    let read = |row: &PgRow| {
        Ok(CollectionFound {
            id: collection_id(get(row, "id")?),
            name: get(row, "name")?,
            description: get(row, "description")?,
            author: get_user(row, "author_id", "handle")?,
            card_count: get_count(row, "card_count")?,
        })
    };
    ask(session, COLLECTIONS, query).await?.iter().map(read).collect()
}

async fn ask(session: &mut Session, sql: &'static str, query: &SearchQuery) -> Result<Vec<PgRow>, Failure> {
    let begun = begun(query, &Alternatives::new());
    let query = sqlx::query(sql).bind(whole(query)).bind(begun).bind(signed(MAX_NAMES));
    // Planned for these words.
    session.fetch_all(query.persistent(false)).await
}
