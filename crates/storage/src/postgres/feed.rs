//! The feed as people read it.

use async_trait::async_trait;
use cardwire_domain::feed::{CardView, CollectionName, FeedItem, FeedRepository, StreamCursor};
use cardwire_domain::{ActivityId, CollectedWindow, EventId, Page, PageRequest, Position, Result, UserId, Visibility};
use sqlx::postgres::PgRow;
use sqlx::types::Uuid;

use super::departed::forget_people;
use super::error::Failure;
use super::flush::flush;
use super::page_rows::get_pictures;
use super::store::PostgresStore;
use super::values::{behind, card_id, collection_id, get, get_time, get_user, ulid};

/// Activities with the links that everybody may still see. For each row shown, a lateral look-up finds a few links by
/// their ids, so the index that orders the list decides how much is read.
macro_rules! select_items {
    ($rest:literal) => {
        concat!(
            "SELECT a.id, a.actor_id, u.handle, a.card_id, c.url, coalesce(c.title, g.title) AS title, g.description, \
                    coalesce(g.state, 'pending') = 'pending' AS is_pending, g.cover, g.cover_width, g.cover_height, g.icon, a.created_at, \
                    a.epoch::text AS epoch, l.collections, l.names \
             FROM activities a \
             JOIN cards c ON c.id = a.card_id \
             LEFT JOIN users u ON u.id = a.actor_id \
             LEFT JOIN pages g ON g.url_digest = c.url_digest \
             CROSS JOIN LATERAL ( \
                 SELECT array_agg(k.id ORDER BY m.n) AS collections, array_agg(k.name ORDER BY m.n) AS names \
                 FROM unnest(a.link_ids) WITH ORDINALITY AS m(link_id, n) \
                 JOIN links ON links.id = m.link_id \
                 JOIN collections k ON k.id = links.collection_id AND k.deleted_at IS NULL AND NOT k.private \
             ) l \
             WHERE (l.collections IS NOT NULL OR c.library_link = ANY(a.link_ids)) AND NOT (c.private OR c.hidden) ",
            $rest
        )
    };
}
pub(super) use select_items;

const FEED: &str = select_items!("ORDER BY a.created_at DESC, a.id DESC LIMIT $1");
const FEED_BEHIND: &str =
    select_items!("AND (a.created_at, a.id) < ($2, $3) ORDER BY a.created_at DESC, a.id DESC LIMIT $1");
const FEED_OF: &str = select_items!("AND a.actor_id = $2 ORDER BY a.created_at DESC, a.id DESC LIMIT $1");
const FEED_OF_BEHIND: &str = select_items!(
    "AND a.actor_id = $2 AND (a.created_at, a.id) < ($3, $4) ORDER BY a.created_at DESC, a.id DESC LIMIT $1"
);

#[async_trait]
impl FeedRepository for PostgresStore {
    async fn add_activities(&self, windows: &[CollectedWindow]) -> Result<usize> {
        let mut session = self.batch_session().await.map_err(Failure::of_effect)?;
        let flushed = flush(&mut session, windows).await.map_err(Failure::of_effect)?;
        if flushed.inserted > 0 {
            // Only a hint: the flush holds without it.
            if let Err(failure) = self.news.tell(&mut session).await {
                tracing::warn!(error = %failure, "readers of the live feed could not be told of new activities");
            }
        }
        Ok(flushed.taken)
    }

    async fn forget_people(&self, events: &[EventId]) -> Result<usize> {
        let mut session = self.batch_session().await.map_err(Failure::of_effect)?;
        forget_people(&mut session, events).await.map_err(Failure::of_effect)
    }

    async fn feed(&self, actor: Option<&UserId>, page: &PageRequest) -> Result<Page<FeedItem>> {
        let limit = page.limit.get() as i64 + 1;
        let (at, id) = behind(page.after.as_ref())?;
        let query = match (actor, page.after.is_some()) {
            (None, false) => sqlx::query(FEED).bind(limit),
            (None, true) => sqlx::query(FEED_BEHIND).bind(limit).bind(at).bind(id),
            (Some(actor), false) => sqlx::query(FEED_OF).bind(limit).bind(actor.as_str()),
            (Some(actor), true) => sqlx::query(FEED_OF_BEHIND).bind(limit).bind(actor.as_str()).bind(at).bind(id),
        };
        let rows = self.session().await?.fetch_all(query).await?;
        let items = rows.iter().map(read_item).collect::<Result<Vec<_>, Failure>>()?;
        Ok(Page::cut(items, page.limit, |item| Position {
            key: item.created_at.as_microsecond(),
            id: item.id.to_string(),
        }))
    }

    async fn stream_end(&self) -> Result<StreamCursor> {
        self.end_of_stream().await
    }

    async fn stream(&self, after: StreamCursor, limit: usize) -> Result<Vec<(StreamCursor, FeedItem)>> {
        self.stream_behind(after, limit).await
    }

    async fn stream_hint(&self) {
        self.news.hint().await;
    }
}

pub(super) fn read_item(row: &PgRow) -> Result<FeedItem, Failure> {
    let ids: Option<Vec<Uuid>> = get(row, "collections")?;
    let names: Option<Vec<String>> = get(row, "names")?;
    Ok(FeedItem {
        id: ActivityId::from_ulid(ulid(get(row, "id")?)),
        actor: get_user(row, "actor_id", "handle")?,
        card: CardView {
            pictures: get_pictures(row)?,
            ..CardView::public(card_id(get(row, "card_id")?), get(row, "url")?, get(row, "title")?)
        },
        collections: collection_names(ids, names, None),
        description: get(row, "description")?,
        is_pending: get(row, "is_pending")?,
        created_at: get_time(row, "created_at")?,
    })
}

/// `private`: whether each one is private; `None`: none of them.
pub(super) fn collection_names(
    ids: Option<Vec<Uuid>>,
    names: Option<Vec<String>>,
    private: Option<Vec<bool>>,
) -> Vec<CollectionName> {
    let private = private.unwrap_or_default().into_iter().chain(std::iter::repeat(false));
    let named = ids.unwrap_or_default().into_iter().zip(names.unwrap_or_default()).zip(private);
    let name =
        |((id, name), private)| CollectionName { id: collection_id(id), name, visibility: Visibility::of(private) };
    named.map(name).collect()
}
