//! Changing many rows in portions, so that others can write in between.

use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::Connection;

use super::error::Failure;
use super::store::SqliteStore;

/// One job of such work looks at this many rows.
pub(super) const PORTION: usize = 500;

/// The result of one portion.
pub(super) struct Portion<C> {
    pub(super) changed: u64,
    /// The place after which the next one begins; `None`: nothing is left.
    pub(super) next: Option<C>,
}

impl SqliteStore {
    /// Repeats a change until nothing is left; each portion is its own job. Returns how many rows were changed.
    pub(super) async fn in_portions<C, F>(&self, change: F) -> Result<u64, Failure>
    where
        C: Send + 'static,
        F: Fn(&Connection, Timestamp, Option<C>) -> Result<Portion<C>, Failure> + Send + Sync + 'static,
    {
        let change = Arc::new(change);
        let mut changed = 0;
        let mut after = None;
        loop {
            let change = Arc::clone(&change);
            let portion = self.write(move |connection, now| change(connection, now, after)).await?;
            changed += portion.changed;
            match portion.next {
                Some(next) => after = Some(next),
                None => return Ok(changed),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cardwire_domain::{SystemClock, UserId};
    use cardwire_events::operations::{Action, Operator};
    use cardwire_events::{DeadSelection, EventLog, Handover, Queue};
    use ulid::Ulid;

    use super::*;
    use crate::sqlite::values::{blob, run};

    const COUNT: u64 = 2 * PORTION as u64 + PORTION as u64 / 2;

    /// Events of 1970; every `nth` is a dead letter of feeds, and the others are owed to nobody.
    async fn store(nth: u64) -> SqliteStore {
        let store = SqliteStore::in_memory(Arc::new(SystemClock), Handover::default()).unwrap();
        let fill = move |connection: &Connection, _| {
            for number in 0..COUNT {
                let (id, at) = (blob(Ulid(u128::from(number) + 1)), number.cast_signed());
                let sql = "INSERT INTO events (id, type, envelope, occurred_at) VALUES (?1, 'T', '{}', ?2)";
                run(connection, sql, &[&id, &at])?;
                if number % nth == 0 {
                    let sql = "INSERT INTO deliveries (event_id, queue, occurred_at, due_at, dead_at) \
                               VALUES (?1, 'feeds', ?2, ?2, ?2)";
                    run(connection, sql, &[&id, &at])?;
                }
            }
            Ok(())
        };
        store.write(fill).await.unwrap();
        store
    }

    #[tokio::test]
    async fn what_is_old_is_dropped_whatever_is_owed_in_between() {
        let store = store(2).await;
        assert_eq!(store.prune(Duration::from_secs(1)).await.unwrap(), COUNT / 2);
        assert_eq!(store.events().await.unwrap().len() as u64, COUNT / 2);
        assert_eq!(store.prune(Duration::from_secs(1)).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn one_action_on_many_is_one_entry() {
        let (store, queue) = (store(1).await, Queue::Feeds);
        let by = UserId::parse("did:plc:operator").unwrap();
        let redrive = Action::Redrive { queue, which: DeadSelection::All };
        assert_eq!(store.act(&by, &redrive).await.unwrap(), COUNT);
        assert_eq!(store.lease(queue, usize::MAX, None).await.unwrap().events.len() as u64, COUNT);
        assert_eq!(store.act(&by, &Action::Redeliver { queue }).await.unwrap(), COUNT);
        assert_eq!(store.lease(queue, usize::MAX, None).await.unwrap().again, 0, "nothing is in the queue");
        let entries = store.audit(None, 10).await.unwrap();
        let told: Vec<_> = entries.iter().map(|entry| (entry.affected, entry.completed_at.is_some())).collect();
        assert_eq!(told, [(COUNT, true), (COUNT, true)]);
    }
}
