//! Being written.
use super::error::Failure;
use super::pool::Session;
use super::values::{event_id, event_uuids, get};
use cardwire_domain::EventId;
use cardwire_events::Queue;

pub(super) async fn take(session: &mut Session, queue: Queue, ids: &[EventId]) -> Result<Vec<EventId>, Failure> {
    let query = sqlx::query("DELETE FROM deliveries WHERE queue = $1 AND event_id = ANY($2) RETURNING event_id")
        .bind(queue.name())
        .bind(event_uuids(ids));
    session.fetch_all(query).await?.iter().map(|row| Ok(event_id(get(row, "event_id")?))).collect()
}
