//! Dead letters: listing them, queueing them again, giving them up.

use cardwire_domain::EventId;
use cardwire_events::{DeadFilter, DeadLetter, DeadSelection, Queue};
use sqlx::Postgres;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::types::Uuid;

use super::error::Failure;
use super::portions::{PORTION, in_portions};
use super::store::PostgresStore;
use super::values::{event_uuids, get, get_count, get_envelope, get_queue, get_time, signed, uuid};

/// Deliveries of `$1` that are dead and, where they are not NULL, of the type `$2`, with `$3` in a text value and `$4` in the error.
macro_rules! matching {
    () => {
        "FROM deliveries d JOIN events e ON e.id = d.event_id \
         WHERE d.queue = $1 AND d.dead_at IS NOT NULL \
           AND ($2::text IS NULL OR e.type = $2) \
           AND ($3::text IS NULL OR EXISTS ( \
                SELECT 1 FROM jsonb_path_query(e.envelope, '$.** ? (@.type() == \"string\")') AS v(value) \
                WHERE strpos(lower(v.value #>> '{}'), $3) > 0)) \
           AND ($4::text IS NULL OR strpos(lower(d.error), $4) > 0) "
    };
}

const LIST: &str = concat!(
    "SELECT d.queue, d.tries, d.error, d.dead_at, e.id, e.type, e.envelope, e.occurred_at ",
    matching!(),
    "AND ($5::uuid IS NULL OR d.event_id > $5) ORDER BY d.event_id LIMIT $6"
);

const COUNT: &str = concat!("SELECT count(*) AS letters ", matching!());

/// Those that match and, if these are not NULL, are among `$5` and were not understood although they have one of the
/// types `$6`. None that died after `$8`: otherwise letters that die again meanwhile would be selected endlessly.
macro_rules! selected {
    ($then:literal) => {
        concat!(
            "WITH selected AS (SELECT d.event_id ",
            matching!(),
            "AND ($5::uuid[] IS NULL OR d.event_id = ANY($5)) \
             AND ($6::text[] IS NULL OR ( \
                  (d.error LIKE 'unknown event type%' OR d.error LIKE 'unknown version of event type%') \
                  AND e.type = ANY($6))) \
             AND d.dead_at <= $8 \
             ORDER BY d.event_id LIMIT $7 FOR UPDATE OF d) ",
            $then
        )
    };
}

pub(super) const REDRIVE: &str = selected!(
    ", steps AS ( \
         INSERT INTO delivery_steps (queue, event_id, kind, detail) SELECT $1, event_id, 'redriven', '' FROM selected) \
     UPDATE deliveries d SET dead_at = NULL, error = NULL, error_group = NULL, failed_at = NULL, published_at = NULL, \
         due_at = now(), tries = 0, sweeps = 0 \
     FROM selected s WHERE d.queue = $1 AND d.event_id = s.event_id"
);
pub(super) const DISCARD: &str =
    selected!("DELETE FROM deliveries d USING selected s WHERE d.queue = $1 AND d.event_id = s.event_id");

/// What is bound to [`REDRIVE`] and [`DISCARD`].
pub(super) struct Selected<'a> {
    queue: Queue,
    filter: DeadFilter,
    ids: Option<Vec<Uuid>>,
    not_understood: Option<&'a [String]>,
    until: jiff_sqlx::Timestamp,
}

impl<'a> Selected<'a> {
    /// `until`: the server's time before the first portion.
    pub(super) fn of(queue: Queue, which: &'a DeadSelection, until: jiff_sqlx::Timestamp) -> Self {
        let all = Self { queue, filter: DeadFilter::default(), ids: None, not_understood: None, until };
        match which {
            DeadSelection::All => all,
            // Handled by separate statements, not by these.
            DeadSelection::Group(_) => Self { ids: Some(Vec::new()), ..all },
            DeadSelection::Ids(ids) => Self { ids: Some(event_uuids(ids)), ..all },
            DeadSelection::NotUnderstood(kinds) => Self { not_understood: Some(kinds), ..all },
            DeadSelection::Matching(filter) => Self { filter: filter.clone(), ..all },
        }
    }

    /// Changes up to [`PORTION`] of them.
    pub(super) fn query(&self, sql: &'static str) -> Query<'a, Postgres, PgArguments> {
        let query = filtered(sql, self.queue, &self.filter).bind(self.ids.clone()).bind(self.not_understood);
        query.bind(PORTION).bind(self.until)
    }
}

fn filtered<'q>(sql: &'static str, queue: Queue, filter: &DeadFilter) -> Query<'q, Postgres, PgArguments> {
    let lower = |text: &Option<String>| text.as_deref().map(str::to_lowercase);
    sqlx::query(sql).bind(queue.name()).bind(filter.kind.clone()).bind(lower(&filter.text)).bind(lower(&filter.error))
}

impl PostgresStore {
    pub(super) async fn list_dead(
        &self,
        queue: Queue,
        filter: &DeadFilter,
        after: Option<EventId>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, Failure> {
        let query = filtered(LIST, queue, filter).bind(after.map(|after| uuid(after.ulid()))).bind(signed(limit));
        let rows = self.batch_session().await?.fetch_all(query).await?;
        rows.iter().map(read).collect()
    }

    pub(super) async fn count_dead(&self, queue: Queue, filter: &DeadFilter) -> Result<u64, Failure> {
        let rows = self.batch_session().await?.fetch_all(filtered(COUNT, queue, filter)).await?;
        rows.first().map_or(Ok(0), |row| get_count(row, "letters"))
    }

    /// By nobody in particular, so it is not recorded.
    pub(super) async fn change_dead(
        &self,
        sql: &'static str,
        queue: Queue,
        which: &DeadSelection,
    ) -> Result<u64, Failure> {
        let selected = Selected::of(queue, which, self.server_time().await?);
        let mut session = self.batch_session().await?;
        in_portions(&mut session, || selected.query(sql)).await
    }
}

pub(super) fn read(row: &PgRow) -> Result<DeadLetter, Failure> {
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
