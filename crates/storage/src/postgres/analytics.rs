//! Totals by day, counted in the transaction that takes the event off the ledger. They name nobody, and stay when a
//! card is removed. Cards that others do not see are not counted.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use cardwire_domain::analytics::{Analytics, DayCounts, KindCount, TopDomain, TopUrl, WeekCounts};
use cardwire_domain::{DomainEvent, EventId, RecordedEvent, Result, Visibility};
use cardwire_events::envelope::Incomprehensible;
use cardwire_events::{Message, Queue};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use sqlx::postgres::PgRow;
use sqlx::types::Uuid;

use super::departed::{delete_curators, people};
use super::error::Failure;
use super::log::{recorded, take};
use super::pool::Session;
use super::store::PostgresStore;
use super::trends;
use super::values::{get, get_count, get_envelope, get_time, time, uuid};

const CURATORS: &str = "\
WITH new AS (
    INSERT INTO daily_curators (day, user_id)
    SELECT DISTINCT (s.at AT TIME ZONE 'UTC')::date AS day, s.user_id
    FROM unnest($1::timestamptz[], $2::text[]) AS s(at, user_id) ORDER BY day, user_id
    ON CONFLICT DO NOTHING RETURNING day
)
SELECT day, count(*) AS curators FROM new GROUP BY day";

/// A card and the event of its first save have the same time, that of their transaction.
const TOTALS: &str = "\
INSERT INTO daily_totals AS known (day, saves, active_curators, new_cards)
SELECT s.day, s.saves, coalesce(n.curators, 0), s.new_cards
FROM (
    SELECT (a.at AT TIME ZONE 'UTC')::date AS day, count(*) AS saves, count(*) FILTER (WHERE c.created_at = a.at) AS new_cards
    FROM unnest($1::timestamptz[], $4::uuid[]) AS a(at, card_id) LEFT JOIN cards c ON c.id = a.card_id GROUP BY 1
) s
LEFT JOIN unnest($2::date[], $3::bigint[]) AS n(day, curators) ON n.day = s.day
ORDER BY s.day
ON CONFLICT (day) DO UPDATE
SET saves = known.saves + excluded.saves, active_curators = known.active_curators + excluded.active_curators,
    new_cards = known.new_cards + excluded.new_cards";

const SUMMARY: &str = "\
SELECT d.day, coalesce(t.saves, 0) AS saves, coalesce(t.active_curators, 0) AS active_curators,
       coalesce(t.new_cards, 0) AS new_cards
FROM (SELECT (now() AT TIME ZONE 'UTC')::date - ago AS day FROM generate_series(0, $1::int - 1) AS ago) d
LEFT JOIN daily_totals t ON t.day = d.day ORDER BY d.day";

const WEEKS: &str = "\
SELECT w.first_day, t.saves, t.new_cards, c.curators
FROM (SELECT (now() AT TIME ZONE 'UTC')::date - 7 * ago - 6 AS first_day FROM generate_series(0, $1::int - 1) AS ago) w
CROSS JOIN LATERAL (
    SELECT coalesce(sum(saves), 0)::bigint AS saves, coalesce(sum(new_cards), 0)::bigint AS new_cards
    FROM daily_totals WHERE day BETWEEN w.first_day AND w.first_day + 6
) t
CROSS JOIN LATERAL (
    SELECT count(DISTINCT user_id) AS curators FROM daily_curators WHERE day BETWEEN w.first_day AND w.first_day + 6
) c
ORDER BY w.first_day";

const WHOLE_DAYS: &str = "\
SELECT DISTINCT (e.occurred_at AT TIME ZONE 'UTC')::date AS day FROM events e, event_log_horizon h
WHERE (e.occurred_at AT TIME ZONE 'UTC')::date > coalesce((nullif(h.pruned_until, '-infinity') AT TIME ZONE 'UTC')::date, '-infinity')
ORDER BY day";

/// A counting transaction has taken its events off the ledger before it waits for this table. Until it commits, they
/// are still owed here.
const HOLD_COUNTERS: &str = "LOCK TABLE daily_curators IN SHARE ROW EXCLUSIVE MODE";

const SAVES_OF_DAY: &str = "\
SELECT e.id, e.type, e.envelope, e.occurred_at FROM events e
WHERE e.occurred_at >= $1::date::timestamp AT TIME ZONE 'UTC' AND e.occurred_at < ($1::date + 1)::timestamp AT TIME ZONE 'UTC'
  AND e.type LIKE 'CardAddedToLibrary.%' AND (e.occurred_at, e.id) > ($2, $3)
  AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.queue = 'analytics' AND d.event_id = e.id)
ORDER BY e.occurred_at, e.id LIMIT $4";

#[async_trait]
impl Analytics for PostgresStore {
    async fn count(&self, events: &[RecordedEvent]) -> Result<usize> {
        let mut session = self.batch_session().await.map_err(Failure::of_effect)?;
        count(&mut session, events).await.map_err(Failure::of_effect)
    }

    async fn summary(&self, days: u16) -> Result<Vec<DayCounts>> {
        let rows = self.session().await?.fetch_all(sqlx::query(SUMMARY).bind(i32::from(days))).await?;
        let counts = |row: &PgRow| {
            Ok(DayCounts {
                day: get::<jiff_sqlx::Date>(row, "day")?.to_jiff(),
                saves: get_count(row, "saves")?,
                active_curators: get_count(row, "active_curators")?,
                new_cards: get_count(row, "new_cards")?,
            })
        };
        Ok(rows.iter().map(counts).collect::<Result<_, Failure>>()?)
    }

    async fn top_urls(&self, days: u16, limit: usize) -> Result<Vec<TopUrl>> {
        Ok(trends::top_urls(&mut self.session().await?, days, limit).await?)
    }

    async fn weeks(&self, weeks: u16) -> Result<Vec<WeekCounts>> {
        let rows = self.session().await?.fetch_all(sqlx::query(WEEKS).bind(i32::from(weeks))).await?;
        let counts = |row: &PgRow| {
            Ok(WeekCounts {
                first_day: get::<jiff_sqlx::Date>(row, "first_day")?.to_jiff(),
                saves: get_count(row, "saves")?,
                active_curators: get_count(row, "curators")?,
                new_cards: get_count(row, "new_cards")?,
            })
        };
        Ok(rows.iter().map(counts).collect::<Result<_, Failure>>()?)
    }

    async fn top_domains(&self, days: u16, limit: usize) -> Result<Vec<TopDomain>> {
        Ok(trends::top_domains(&mut self.session().await?, days, limit).await?)
    }

    async fn by_kind(&self, days: u16) -> Result<Vec<KindCount>> {
        Ok(trends::by_kind(&mut self.session().await?, days).await?)
    }

    async fn whole_days(&self) -> Result<Vec<Date>> {
        let rows = self.batch_session().await?.fetch_all(sqlx::query(WHOLE_DAYS)).await?;
        let day = |row: &PgRow| Ok(get::<jiff_sqlx::Date>(row, "day")?.to_jiff());
        Ok(rows.iter().map(day).collect::<Result<_, Failure>>()?)
    }

    async fn rebuild(&self, day: Date) -> Result<u64> {
        let mut session = self.batch_session().await?;
        Ok(rebuild(&mut session, day).await?)
    }

    async fn rebuild_trends(&self) -> Result<()> {
        let mut session = self.session_within(REBUILD_PATIENCE).await?;
        Ok(trends::rebuild(&mut session).await?)
    }
}

/// Rows are written in the order of their keys, table after table, so that concurrent counts do not deadlock.
async fn count(session: &mut Session, events: &[RecordedEvent]) -> Result<usize, Failure> {
    if events.is_empty() {
        return Ok(0);
    }
    trends::roll(session).await?;
    let ids: Vec<EventId> = events.iter().map(|event| event.id).collect();
    let known = recorded(session, &ids).await?;
    let ids: Vec<EventId> = known.iter().map(|event| event.id).collect();
    session.begin().await?;
    let taken: BTreeSet<EventId> = take(session, Queue::Analytics, &ids).await?.into_iter().collect();
    let ours: Vec<&RecordedEvent> = known.iter().filter(|event| taken.contains(&event.id)).collect();
    let urls = urls(session, &ours).await?;
    trends::refresh(session, &urls).await?;
    // Last, since all counts of a day wait for its one row.
    add(session, &ours).await?;
    delete_curators(session, &people(ours.iter().copied())).await?;
    session.commit().await?;
    Ok(taken.len())
}

/// Returns how many saves were counted.
async fn add(session: &mut Session, events: &[&RecordedEvent]) -> Result<u64, Failure> {
    let (mut times, mut people, mut cards) = (Vec::new(), Vec::new(), Vec::new());
    for event in events {
        if let DomainEvent::CardAddedToLibrary { card_id, actor_id, visibility: Visibility::Public, .. } = &event.event
        {
            times.push(time(event.occurred_at));
            people.push(actor_id.as_str());
            cards.push(uuid(card_id.ulid()));
        }
    }
    if times.is_empty() {
        return Ok(0);
    }
    let (mut days, mut curators) = (Vec::new(), Vec::new());
    for row in session.fetch_all(sqlx::query(CURATORS).bind(&times).bind(&people)).await? {
        days.push(get::<jiff_sqlx::Date>(&row, "day")?);
        curators.push(get::<i64>(&row, "curators")?);
    }
    session.execute(sqlx::query(TOTALS).bind(&times).bind(days).bind(curators).bind(&cards)).await?;
    Ok(times.len() as u64)
}

/// Digests of the URLs that the events are about, and of the cards' earlier URLs.
async fn urls(session: &mut Session, events: &[&RecordedEvent]) -> Result<Vec<Vec<u8>>, Failure> {
    let cards: Vec<Uuid> = events.iter().filter_map(|event| event.event.card_id()).map(|id| uuid(id.ulid())).collect();
    let sql = "SELECT url_digest FROM cards WHERE id = ANY($1) \
               UNION SELECT former_digest FROM cards WHERE id = ANY($1) AND former_digest IS NOT NULL ORDER BY url_digest";
    session.fetch_all(sqlx::query(sql).bind(cards)).await?.iter().map(|row| get(row, "url_digest")).collect()
}

fn nonsense(error: impl std::fmt::Display) -> Failure {
    Failure::Nonsense(error.to_string())
}

/// How long a recount of all trends may take.
const REBUILD_PATIENCE: Duration = Duration::from_secs(30 * 60);

/// Events of a day are read in portions of this many.
const PORTION: i64 = 20_000;

async fn rebuild(session: &mut Session, day: Date) -> Result<u64, Failure> {
    session.begin().await?;
    session.execute(sqlx::query(HOLD_COUNTERS)).await?;
    let day = day.to_sqlx();
    for sql in ["DELETE FROM daily_curators WHERE day = $1", "DELETE FROM daily_totals WHERE day = $1"] {
        session.execute(sqlx::query(sql).bind(day)).await?;
    }
    // Below every event.
    let mut after = (time(Timestamp::UNIX_EPOCH), Uuid::nil());
    let mut saves = 0;
    loop {
        session.start_again();
        let rows =
            session.fetch_all(sqlx::query(SAVES_OF_DAY).bind(day).bind(after.0).bind(after.1).bind(PORTION)).await?;
        let Some(last) = rows.last() else { break };
        after = (get(last, "occurred_at")?, get(last, "id")?);
        let mut events = Vec::with_capacity(rows.len());
        for row in &rows {
            events.extend(saved(row)?);
        }
        saves += add(session, &events.iter().collect::<Vec<_>>()).await?;
    }
    session.commit().await?;
    Ok(saves)
}

/// `None`: no build can decode it, so it was never counted. If another build understands it, the rebuild ends with an
/// error instead.
fn saved(row: &PgRow) -> Result<Option<RecordedEvent>, Failure> {
    let message = Message::parse(&get_envelope(row)?.to_entry()).map_err(nonsense)?;
    match message.decode() {
        // The column decides the day.
        Ok(event) => Ok(Some(RecordedEvent { occurred_at: get_time(row, "occurred_at")?, ..event })),
        Err(error @ Incomprehensible::Data { .. }) => {
            tracing::warn!(%error, "an event without sense is not counted");
            Ok(None)
        }
        Err(error) => Err(nonsense(error)),
    }
}
