//! What failed, by the kind of error; and entries of queues that are no events.

use cardwire_domain::{Page, PageRequest, Position};
use cardwire_events::operations::{FailureGroup, RejectedEntry, RejectedId};
use cardwire_events::{DeadSelection, MAX_SHAPE_CHARS, Queue};

use super::Operations;
use crate::problem::Problem;

impl Operations {
    /// Those with the most events first, at most [`MAX_GROUPS`](cardwire_events::operations::MAX_GROUPS).
    pub async fn failures(&self, queue: Queue) -> Result<Vec<FailureGroup>, Problem> {
        Ok(self.operator.failures(queue).await?)
    }

    /// Newest first.
    pub async fn rejected(&self, queue: Option<Queue>, request: &PageRequest) -> Result<Page<RejectedEntry>, Problem> {
        let before = request.after.as_ref().map(|position| RejectedId(position.key));
        let entries = self.operator.rejected(queue, before, request.limit.get() + 1).await?;
        Ok(Page::cut(entries, request.limit, |entry| Position { key: entry.id.0, id: String::new() }))
    }
}

/// All that failed of errors of this shape.
pub fn group(shape: &str) -> Result<DeadSelection, Problem> {
    match shape.chars().count() {
        1..=MAX_SHAPE_CHARS if !shape.contains('\0') => Ok(DeadSelection::Group(shape.to_owned())),
        _ => {
            Err(Problem::invalid("group", "Give the group as the list of failures shows it, 1 to 200 characters long."))
        }
    }
}
