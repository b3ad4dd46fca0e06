//! Daily roll-ups, counted in the transaction that takes the event off the ledger.

use std::collections::BTreeSet;

use async_trait::async_trait;
use cardwire_domain::analytics::{Analytics, DayCounts, TopUrl};
use cardwire_domain::{DomainEvent, EventId, RecordedEvent, Result};
use cardwire_events::Queue;
use sqlx::postgres::PgRow;
use sqlx::types::Uuid;

use super::PostgresStore;
use super::error::Failure;
use super::log::{signed, take};
use super::pool::Session;
use super::values::{get, get_count, time, uuid};

const CURATORS: &str = "\
WITH new AS (
    INSERT INTO daily_curators (day, user_id)
    SELECT DISTINCT (s.at AT TIME ZONE 'UTC')::date AS day, s.user_id
    FROM unnest($1::timestamptz[], $2::text[]) AS s(at, user_id) ORDER BY day, user_id
    ON CONFLICT DO NOTHING RETURNING day
)
SELECT day, count(*) AS curators FROM new GROUP BY day";

const URLS: &str = "\
INSERT INTO daily_urls AS known (day, url_digest, card_id, saves)
SELECT (s.at AT TIME ZONE 'UTC')::date AS day, c.url_digest, (array_agg(c.id ORDER BY c.id))[1], count(*)
FROM unnest($1::timestamptz[], $2::uuid[]) AS s(at, card_id) JOIN cards c ON c.id = s.card_id
GROUP BY day, c.url_digest ORDER BY day, c.url_digest
ON CONFLICT (day, url_digest) DO UPDATE
SET saves = known.saves + excluded.saves, card_id = least(known.card_id, excluded.card_id)";

const TOTALS: &str = "\
INSERT INTO daily_totals AS known (day, saves, active_curators)
SELECT s.day, s.saves, coalesce(n.curators, 0)
FROM (SELECT (at AT TIME ZONE 'UTC')::date AS day, count(*) AS saves FROM unnest($1::timestamptz[]) AS at GROUP BY 1) s
LEFT JOIN unnest($2::date[], $3::bigint[]) AS n(day, curators) ON n.day = s.day
ORDER BY s.day
ON CONFLICT (day) DO UPDATE
SET saves = known.saves + excluded.saves, active_curators = known.active_curators + excluded.active_curators";

const SUMMARY: &str = "\
SELECT d.day, coalesce(t.saves, 0) AS saves, coalesce(t.active_curators, 0) AS active_curators
FROM (SELECT (now() AT TIME ZONE 'UTC')::date - ago AS day FROM generate_series(0, $1::int - 1) AS ago) d
LEFT JOIN daily_totals t ON t.day = d.day ORDER BY d.day";

const TOP_URLS: &str = "\
SELECT c.url, u.saves FROM (
    SELECT (array_agg(card_id ORDER BY card_id))[1] AS card_id, sum(saves)::bigint AS saves FROM daily_urls
    WHERE day BETWEEN (now() AT TIME ZONE 'UTC')::date - ($1::int - 1) AND (now() AT TIME ZONE 'UTC')::date
    GROUP BY url_digest
) u JOIN cards c ON c.id = u.card_id
ORDER BY u.saves DESC, c.url COLLATE \"C\" LIMIT $2";

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
            })
        };
        Ok(rows.iter().map(counts).collect::<Result<_, Failure>>()?)
    }

    async fn top_urls(&self, days: u16, limit: usize) -> Result<Vec<TopUrl>> {
        let query = sqlx::query(TOP_URLS).bind(i32::from(days)).bind(signed(limit));
        let rows = self.session().await?.fetch_all(query).await?;
        let top = |row: &PgRow| Ok(TopUrl { url: get(row, "url")?, saves: get_count(row, "saves")? });
        Ok(rows.iter().map(top).collect::<Result<_, Failure>>()?)
    }
}

/// Rows are written in the order of their keys, table after table, so that counts at once do not wait in a circle.
async fn count(session: &mut Session, events: &[RecordedEvent]) -> Result<usize, Failure> {
    if events.is_empty() {
        return Ok(0);
    }
    session.begin().await?;
    let ids: Vec<EventId> = events.iter().map(|event| event.id).collect();
    let mut taken: BTreeSet<EventId> = take(session, Queue::Analytics, &ids).await?.into_iter().collect();
    let count = taken.len();
    let (mut times, mut people, mut cards) = (Vec::new(), Vec::new(), Vec::new());
    // Removed as it is used: an event named twice counts once.
    for event in events.iter().filter(|event| taken.remove(&event.id)) {
        if let DomainEvent::CardAddedToLibrary { card_id, actor_id, .. } = &event.event {
            times.push(time(event.occurred_at));
            people.push(actor_id.as_str());
            cards.push(uuid(card_id.ulid()));
        }
    }
    if !times.is_empty() {
        add(session, &times, &people, &cards).await?;
    }
    session.commit().await?;
    Ok(count)
}

async fn add(
    session: &mut Session,
    times: &[jiff_sqlx::Timestamp],
    people: &[&str],
    cards: &[Uuid],
) -> Result<(), Failure> {
    let (mut days, mut curators) = (Vec::new(), Vec::new());
    for row in session.fetch_all(sqlx::query(CURATORS).bind(times).bind(people)).await? {
        days.push(get::<jiff_sqlx::Date>(&row, "day")?);
        curators.push(get::<i64>(&row, "curators")?);
    }
    session.execute(sqlx::query(URLS).bind(times).bind(cards)).await?;
    session.execute(sqlx::query(TOTALS).bind(times).bind(days).bind(curators)).await?;
    Ok(())
}
