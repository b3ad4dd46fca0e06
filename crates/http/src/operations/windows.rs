//! Windows that gather events and are not in the feed yet.

use cardwire_domain::{Page, PageRequest, Position};
use cardwire_saga::{OpenWindow, Place};
use jiff::Timestamp;

use super::Operations;
use crate::problem::{INVALID_CURSOR, Problem};

impl Operations {
    /// Soonest due first. One that is claimed or given back between two pages moves.
    pub async fn windows(&self, request: &PageRequest) -> Result<Page<OpenWindow>, Problem> {
        let after = request.after.as_ref().map(place).transpose()?;
        let windows = self.saga.open(after.as_ref(), request.limit.get() + 1).await?;
        Ok(Page::cut(windows, request.limit, position))
    }
}

fn position(window: &OpenWindow) -> Position {
    Position { key: window.due_at.as_microsecond(), id: window.key().to_string() }
}

fn place(position: &Position) -> Result<Place, Problem> {
    let due_at = Timestamp::from_microsecond(position.key).ok();
    let key = position.id.parse().ok();
    let place = due_at.zip(key).map(|(due_at, key)| Place { due_at, key });
    place.ok_or_else(|| Problem::new(&INVALID_CURSOR, INVALID_CURSOR.about).field("cursor"))
}
