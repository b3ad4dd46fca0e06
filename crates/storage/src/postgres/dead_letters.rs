//! Dead letters: listing them, owing them anew, giving them up.

use cardwire_domain::EventId;
use cardwire_events::{DeadLetter, DeadSelection, Queue};
use sqlx::postgres::PgRow;
use sqlx::types::Uuid;

use super::PostgresStore;
use super::error::Failure;
use super::log::{PORTION, get_envelope, get_queue, in_portions, signed};
use super::values::{event_uuids, get, get_time, uuid};

const LIST: &str = "\
SELECT d.queue, d.tries, d.error, d.dead_at, e.id, e.type, e.envelope, e.occurred_at
FROM deliveries d JOIN events e ON e.id = d.event_id
WHERE d.queue = $1 AND d.dead_at IS NOT NULL AND ($2::uuid IS NULL OR d.event_id > $2)
ORDER BY d.event_id LIMIT $3";

/// Deliveries of `$1` that are dead and, where they are not NULL, among `$2` and not understood although of the types `$3`.
macro_rules! selected {
    ($then:literal) => {
        concat!(
            "WITH selected AS ( \
                 SELECT d.event_id FROM deliveries d \
                 WHERE d.queue = $1 AND d.dead_at IS NOT NULL \
                   AND ($2::uuid[] IS NULL OR d.event_id = ANY($2)) \
                   AND ($3::text[] IS NULL OR ( \
                        (d.error LIKE 'unknown event type%' OR d.error LIKE 'unknown version of event type%') \
                        AND EXISTS (SELECT 1 FROM events e WHERE e.id = d.event_id AND e.type = ANY($3)))) \
                 ORDER BY d.event_id LIMIT $4 FOR UPDATE OF d \
             ) ",
            $then
        )
    };
}

const REDRIVE: &str = selected!(
    "UPDATE deliveries d SET dead_at = NULL, error = NULL, published_at = NULL, claimed_until = NULL, not_before = NULL, \
                             tries = 0, sweeps = 0 \
     FROM selected s WHERE d.queue = $1 AND d.event_id = s.event_id"
);
const DISCARD: &str =
    selected!("DELETE FROM deliveries d USING selected s WHERE d.queue = $1 AND d.event_id = s.event_id");

impl PostgresStore {
    pub(super) async fn list_dead(
        &self,
        queue: Queue,
        after: Option<EventId>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, Failure> {
        let query =
            sqlx::query(LIST).bind(queue.name()).bind(after.map(|after| uuid(after.ulid()))).bind(signed(limit));
        let rows = self.session().await?.fetch_all(query).await?;
        rows.iter().map(read).collect()
    }

    pub(super) async fn redrive_dead(&self, queue: Queue, which: &DeadSelection) -> Result<u64, Failure> {
        self.change_dead(REDRIVE, queue, which).await
    }

    pub(super) async fn discard_dead(&self, queue: Queue, which: &DeadSelection) -> Result<u64, Failure> {
        self.change_dead(DISCARD, queue, which).await
    }

    async fn change_dead(&self, sql: &'static str, queue: Queue, which: &DeadSelection) -> Result<u64, Failure> {
        let (ids, kinds): (Option<Vec<Uuid>>, Option<&[String]>) = match which {
            DeadSelection::All => (None, None),
            DeadSelection::Ids(ids) => (Some(event_uuids(ids)), None),
            DeadSelection::NotUnderstood(kinds) => (None, Some(kinds)),
        };
        let mut session = self.batch_session().await?;
        let change = || sqlx::query(sql).bind(queue.name()).bind(ids.clone()).bind(kinds).bind(PORTION);
        in_portions(&mut session, change).await
    }
}

fn read(row: &PgRow) -> Result<DeadLetter, Failure> {
    let tries: i32 = get(row, "tries")?;
    let error: Option<String> = get(row, "error")?;
    Ok(DeadLetter {
        queue: get_queue(row)?,
        envelope: get_envelope(row)?,
        tries: u32::try_from(tries).map_err(|_| Failure::Nonsense(format!("tries is {tries}")))?,
        error: error.unwrap_or_default(),
        dead_at: get_time(row, "dead_at")?,
    })
}
