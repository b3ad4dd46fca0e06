//! Events that will not be run again unless somebody says so.

use cardwire_domain::{EventId, Page, PageRequest, Position};
use cardwire_events::operations::DeadLetterWay;
use cardwire_events::{DeadFilter, DeadLetter, DeadSelection, Queue};

use super::Operations;
use crate::problem::{INVALID_CURSOR, NOT_FOUND, Problem};

/// The longest part of a filter.
pub const MAX_FILTER_CHARS: usize = 200;

impl Operations {
    /// Those that match, in the order in which their events were accepted.
    pub async fn dead_letters(
        &self,
        queue: Queue,
        filter: &DeadFilter,
        request: &PageRequest,
    ) -> Result<Page<DeadLetter>, Problem> {
        let after = request.after.as_ref().map(|position| position.id.parse::<EventId>()).transpose();
        let after = after.map_err(|_| Problem::new(&INVALID_CURSOR, INVALID_CURSOR.about).field("cursor"))?;
        let letters = self.operator.matching(queue, filter, after, request.limit.get() + 1).await?;
        Ok(Page::cut(letters, request.limit, position))
    }

    /// How many match.
    pub async fn count_dead(&self, queue: Queue, filter: &DeadFilter) -> Result<u64, Problem> {
        Ok(self.operator.count_matching(queue, filter).await?)
    }

    /// How many are meant.
    pub async fn count_selected(&self, queue: Queue, which: &DeadSelection) -> Result<u64, Problem> {
        match which {
            DeadSelection::Ids(ids) => Ok(ids.len() as u64),
            DeadSelection::Group(shape) => Ok(self.operator.count_group(queue, shape).await?),
            DeadSelection::Matching(filter) => self.count_dead(queue, filter).await,
            DeadSelection::All | DeadSelection::NotUnderstood(_) => {
                self.count_dead(queue, &DeadFilter::default()).await
            }
        }
    }

    /// One of them, and the way that its event took.
    pub async fn way(&self, queue: Queue, id: &str) -> Result<DeadLetterWay, Problem> {
        let nothing =
            || Problem::new(&NOT_FOUND, "No dead letter of this queue has this id. It may have been retried.");
        let id = id.parse().map_err(|_| nothing())?;
        self.operator.way(queue, id).await?.ok_or_else(nothing)
    }
}

/// The id alone decides; the time only fills its place.
fn position(letter: &DeadLetter) -> Position {
    Position { key: letter.envelope.time.as_microsecond(), id: letter.envelope.id.to_string() }
}

/// A filter of the parts `type`, `text` and `error`; `refuse` says which part breaks which rule.
pub fn filter(
    mut part: impl FnMut(&str) -> Option<String>,
    refuse: impl Fn(&str, &str) -> Problem,
) -> Result<DeadFilter, Problem> {
    let mut checked = |name: &str| match part(name) {
        Some(text) if !(1..=MAX_FILTER_CHARS).contains(&text.chars().count()) || text.contains('\0') => {
            Err(refuse(name, "Use 1 to 200 characters, none of them NUL."))
        }
        text => Ok(text),
    };
    Ok(DeadFilter { kind: checked("type")?, text: checked("text")?, error: checked("error")? })
}
