use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::done_by::DoneBy;
use crate::dead_letter::{DeadFilter, DeadSelection};
use crate::queue::Queue;

/// An action on the store's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Puts dead letters back into their queue, with all their attempts restored.
    Redrive {
        queue: Queue,
        which: DeadSelection,
    },
    /// Discards dead letters for good.
    Discard {
        queue: Queue,
        which: DeadSelection,
    },
    /// Nobody claims from the queue or publishes to it until it is resumed. Pausing again changes nothing.
    Pause {
        queue: Queue,
        reason: Option<String>,
    },
    Resume {
        queue: Queue,
    },
    /// Makes everything due that is owed and not dead, so that a relay publishes it again at once.
    Redeliver {
        queue: Queue,
    },
}

impl Action {
    pub fn entry(&self) -> NewEntry {
        let entry =
            |action, queue: &Queue, parameters| NewEntry { action, queue: Some(*queue), target: None, parameters };
        match self {
            Self::Redrive { queue, which } => entry("dead-letters.redrive", queue, told(which)),
            Self::Discard { queue, which } => entry("dead-letters.discard", queue, told(which)),
            Self::Pause { queue, reason } => entry("queue.pause", queue, json!({ "reason": reason })),
            Self::Resume { queue } => entry("queue.resume", queue, json!({})),
            Self::Redeliver { queue } => entry("queue.redeliver", queue, json!({})),
        }
    }
}

fn told(which: &DeadSelection) -> Value {
    match which {
        DeadSelection::All => json!({ "all": true }),
        DeadSelection::Ids(ids) => json!({ "ids": ids }),
        DeadSelection::Group(shape) => json!({ "group": shape }),
        DeadSelection::NotUnderstood(kinds) => json!({ "notUnderstood": kinds }),
        DeadSelection::Matching(DeadFilter { kind, text, error }) => {
            let parts = [("type", kind), ("text", text), ("error", error)];
            let given = parts.into_iter().filter_map(|(name, part)| Some((name.to_owned(), json!(part.as_ref()?))));
            json!({ "matching": Value::Object(given.collect()) })
        }
    }
}

/// The audit entry of an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEntry {
    pub action: &'static str,
    pub queue: Option<Queue>,
    /// What was acted on, unless it is a queue.
    pub target: Option<String>,
    pub parameters: Value,
}

impl NewEntry {
    pub fn flush_window(key: String) -> Self {
        Self { action: "saga.flush", queue: None, target: Some(key), parameters: json!({}) }
    }

    pub fn rebuild_search() -> Self {
        Self { action: "search.rebuild", queue: None, target: None, parameters: json!({}) }
    }

    pub fn rebuild_counts() -> Self {
        Self { action: "analytics.rebuild", queue: None, target: None, parameters: json!({}) }
    }
}

/// Increases from entry to entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AuditId(pub i64);

impl fmt::Display for AuditId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for AuditId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// A requested action.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditEntry {
    pub id: AuditId,
    pub at: Timestamp,
    pub by: DoneBy,
    pub action: String,
    pub queue: Option<Queue>,
    pub target: Option<String>,
    pub parameters: Value,
    /// How many things it has changed so far: events, windows, queues, rebuilds, days, cards, invites
    /// or accounts.
    pub affected: u64,
    /// `None`: it is still running, or the process that ran it was lost.
    pub completed_at: Option<Timestamp>,
}
