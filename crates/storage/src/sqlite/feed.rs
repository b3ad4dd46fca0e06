//! The feed as people read it.

use std::sync::Arc;

use async_trait::async_trait;
use cardwire_domain::feed::{CardView, CollectionName, FeedItem, FeedRepository, StreamCursor};
use cardwire_domain::{ActivityId, CollectedWindow, EventId, Page, PageRequest, Position, Result, UserId, Visibility};
use rusqlite::{Connection, Row};

use super::departed::forget_people;
use super::error::Failure;
use super::flush::flush;
use super::page_rows::get_pictures;
use super::store::SqliteStore;
use super::values::{behind, blob, card_id, collection_id, get, get_time, get_user, rows, signed, ulid};

/// Activities with a link that everybody may still see. The cross join keeps the order of the tables, so the index that
/// orders the list decides how much is read.
macro_rules! select_items {
    ($rest:literal) => {
        concat!(
            "SELECT a.id, a.actor_id, u.handle, a.card_id, c.url, coalesce(c.title, g.title) AS title, g.description, \
                    coalesce(g.state, 'pending') = 'pending' AS is_pending, g.cover, g.cover_width, g.cover_height, g.icon, a.created_at, \
                    a.position \
             FROM activities a \
             CROSS JOIN cards c ON c.id = a.card_id \
             LEFT JOIN users u ON u.id = a.actor_id \
             LEFT JOIN pages g ON g.url_digest = c.url_digest \
             WHERE c.private = 0 AND c.hidden = 0 AND EXISTS ( \
                 SELECT 1 FROM activity_members m WHERE m.activity_id = a.id AND (m.link_id = c.library_link OR EXISTS ( \
                     SELECT 1 FROM links l JOIN collections k ON k.id = l.collection_id \
                     WHERE l.id = m.link_id AND k.deleted_at IS NULL AND k.private = 0)) \
             ) ",
            $rest
        )
    };
}
pub(super) use select_items;

const FEED: &str = select_items!("AND (a.created_at, a.id) < (?2, ?3) ORDER BY a.created_at DESC, a.id DESC LIMIT ?1");
const FEED_OF: &str = select_items!(
    "AND a.actor_id = ?4 AND (a.created_at, a.id) < (?2, ?3) ORDER BY a.created_at DESC, a.id DESC LIMIT ?1"
);

const COLLECTIONS: &str = "\
SELECT k.id, k.name FROM activity_members m JOIN links l ON l.id = m.link_id JOIN collections k ON k.id = l.collection_id
WHERE m.activity_id = ?1 AND k.deleted_at IS NULL AND k.private = 0 ORDER BY m.occurred_at, m.event_id";

/// Of every activity.
const IN_FRONT: (i64, [u8; 16]) = (i64::MAX, [u8::MAX; 16]);

#[async_trait]
impl FeedRepository for SqliteStore {
    async fn add_activities(&self, windows: &[CollectedWindow]) -> Result<usize> {
        let events = windows.iter().flat_map(|window| &window.members).map(|member| member.event_id).collect();
        let flushed = self.write(|connection, _| flush(connection, events)).await.map_err(Failure::of_effect)?;
        if flushed.inserted > 0 {
            self.news.send_replace(());
        }
        Ok(flushed.taken)
    }

    async fn forget_people(&self, events: &[EventId]) -> Result<usize> {
        let events: Arc<[EventId]> = events.into();
        loop {
            let events = Arc::clone(&events);
            let forget = self.write(move |connection, _| forget_people(connection, &events));
            if let Some(taken) = forget.await.map_err(Failure::of_effect)? {
                return Ok(taken);
            }
        }
    }

    async fn feed(&self, actor: Option<&UserId>, page: &PageRequest) -> Result<Page<FeedItem>> {
        let (at, id) = behind(page.after.as_ref())?.unwrap_or(IN_FRONT);
        let (actor, limit) = (actor.cloned(), signed(page.limit.get() + 1));
        let read = self.read(move |connection, _| {
            let item = |row: &Row<'_>| read_item(connection, row);
            match actor {
                None => rows(connection, FEED, &[&limit, &at, &id], item),
                Some(actor) => rows(connection, FEED_OF, &[&limit, &at, &id, &actor.as_str()], item),
            }
        });
        Ok(Page::cut(read.await?, page.limit, |item| Position {
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
        // An error means that the sender is gone, and `self` holds it.
        let _ = self.news.subscribe().changed().await;
    }
}

/// From a row of [`select_items`].
pub(super) fn read_item(connection: &Connection, row: &Row<'_>) -> Result<FeedItem, Failure> {
    let id = ActivityId::from_ulid(ulid(get(row, "id")?));
    let collections = rows(connection, COLLECTIONS, &[&blob(id.ulid())], |row| {
        let (id, name) = (collection_id(get(row, "id")?), get(row, "name")?);
        Ok(CollectionName { id, name, visibility: Visibility::Public })
    });
    Ok(FeedItem {
        id,
        actor: get_user(row, "actor_id", "handle")?,
        card: CardView {
            pictures: get_pictures(row)?,
            ..CardView::public(card_id(get(row, "card_id")?), get(row, "url")?, get(row, "title")?)
        },
        collections: collections?,
        description: get(row, "description")?,
        is_pending: get(row, "is_pending")?,
        created_at: get_time(row, "created_at")?,
    })
}
