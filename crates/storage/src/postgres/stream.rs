//! The live feed: activities in the order in which they were committed, by their position (`epoch`; see the migration of that name).
//!
//! So nothing can appear later in front of what a reader has seen. Notifications are hints: one is sent after a flush,
//! outside of its transaction, since `NOTIFY` makes commits take turns.

use cardwire_domain::feed::{FeedItem, StreamCursor};
use cardwire_domain::{ActivityId, Result};
use ulid::Ulid;

use super::error::Failure;
use super::feed::{read_item, select_items};
use super::store::PostgresStore;
use super::values::{get, signed, uuid};

const STREAM: &str = select_items!(
    "AND (a.epoch, a.id) > ($2::text::xid8, $3) \
     ORDER BY a.epoch, a.id LIMIT $1"
);

impl PostgresStore {
    pub(super) async fn end_of_stream(&self) -> Result<StreamCursor> {
        let sql = "SELECT a.epoch::text AS epoch FROM activities a ORDER BY a.epoch DESC LIMIT 1";
        let rows = self.session().await?.fetch_all(sqlx::query(sql)).await?;
        let last = rows.first().map_or(Ok(0), |row| epoch(get(row, "epoch")?))?;
        // Before the next position, which somebody may have taken already.
        Ok(StreamCursor { epoch: last + 1, id: ActivityId::from_ulid(Ulid::nil()) })
    }

    pub(super) async fn stream_behind(
        &self,
        after: StreamCursor,
        limit: usize,
    ) -> Result<Vec<(StreamCursor, FeedItem)>> {
        let query = sqlx::query(STREAM).bind(signed(limit)).bind(after.epoch.to_string()).bind(uuid(after.id.ulid()));
        let rows = self.session().await?.fetch_all(query).await?;
        let items = rows.iter().map(|row| {
            let item = read_item(row)?;
            Ok((StreamCursor { epoch: epoch(get(row, "epoch")?)?, id: item.id }, item))
        });
        Ok(items.collect::<Result<_, Failure>>()?)
    }
}

fn epoch(text: &str) -> Result<u64, Failure> {
    text.parse().map_err(|_| Failure::Nonsense(format!("{text:?} is no position")))
}
