//! Totals by day, counted in the transaction that takes the event off the ledger. They name nobody, and stay when a
//! card is removed. Cards that others do not see are not counted.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use cardwire_domain::analytics::{Analytics, DayCounts, KindCount, TopDomain, TopUrl, WeekCounts};
use cardwire_domain::{DomainEvent, EventId, RecordedEvent, Result, Visibility};
use cardwire_events::envelope::Incomprehensible;
use cardwire_events::{Message, Queue};
use jiff::Timestamp;
use jiff::civil::Date;
use rusqlite::{Connection, Row};

use super::departed::{delete_curators, people};
use super::error::Failure;
use super::functions::DAY_US;
use super::log::{recorded, take};
use super::store::SqliteStore;
use super::trends;
use super::values::{blob, day, day_number, first, get, get_count, get_envelope, get_time, rows, run, us, utc_day};

const SAVES_OF_DAY: &str = "\
SELECT e.id, e.type, e.envelope, e.occurred_at FROM events e
WHERE e.occurred_at >= ?1 AND e.occurred_at < ?2 AND e.type GLOB 'CardAddedToLibrary.*'
  AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.queue = ?3 AND d.event_id = e.id)";

#[async_trait]
impl Analytics for SqliteStore {
    async fn count(&self, events: &[RecordedEvent]) -> Result<usize> {
        if events.is_empty() {
            return Ok(0);
        }
        let ids: Vec<EventId> = events.iter().map(|event| event.id).collect();
        self.write(move |connection, now| count(connection, now, &ids)).await.map_err(Failure::of_effect)
    }

    async fn summary(&self, days: u16) -> Result<Vec<DayCounts>> {
        Ok(self.read(move |connection, now| summary(connection, now, days)).await?)
    }

    async fn weeks(&self, weeks: u16) -> Result<Vec<WeekCounts>> {
        let read = self.read(move |connection, now| {
            let last_days = (0..i64::from(weeks)).rev().map(|ago| utc_day(now) - 7 * ago);
            last_days.map(|last_day| week(connection, last_day - 6, last_day)).collect()
        });
        Ok(read.await?)
    }

    async fn top_urls(&self, days: u16, limit: usize) -> Result<Vec<TopUrl>> {
        Ok(self.read(move |connection, now| trends::top_urls(connection, now, days, limit)).await?)
    }

    async fn top_domains(&self, days: u16, limit: usize) -> Result<Vec<TopDomain>> {
        Ok(self.read(move |connection, now| trends::top_domains(connection, now, days, limit)).await?)
    }

    async fn by_kind(&self, days: u16) -> Result<Vec<KindCount>> {
        Ok(self.read(move |connection, now| trends::by_kind(connection, now, days)).await?)
    }

    async fn whole_days(&self) -> Result<Vec<Date>> {
        Ok(self.read(|connection, _| whole_days(connection)).await?)
    }

    async fn rebuild(&self, day: Date) -> Result<u64> {
        Ok(self.recount(move |connection, _| rebuild(connection, day_number(day))).await?)
    }

    async fn rebuild_trends(&self) -> Result<()> {
        Ok(self.recount(trends::rebuild).await?)
    }
}

fn count(connection: &Connection, now: Timestamp, ids: &[EventId]) -> Result<usize, Failure> {
    trends::roll(connection, now)?;
    let mut known = recorded(connection, ids)?;
    let ids: Vec<EventId> = known.iter().map(|event| event.id).collect();
    let taken: BTreeSet<EventId> = take(connection, Queue::Analytics, &ids)?.into_iter().collect();
    known.retain(|event| taken.contains(&event.id));
    let mut totals = Totals::default();
    for event in &known {
        totals.count(connection, event)?;
    }
    totals.add(connection)?;
    delete_curators(connection, &people(&known))?;
    trends::refresh(connection, now, &urls(connection, &known)?)?;
    Ok(taken.len())
}

/// Digests of the URLs that the events are about, and of the cards' earlier URLs, each once.
fn urls(connection: &Connection, events: &[RecordedEvent]) -> Result<Vec<[u8; 32]>, Failure> {
    let mut urls = BTreeSet::new();
    for card in events.iter().filter_map(|event| event.event.card_id()) {
        let sql = "SELECT url_digest, former_digest FROM cards WHERE id = ?1";
        let digests =
            |row: &Row<'_>| Ok((get::<[u8; 32]>(row, "url_digest")?, get::<Option<[u8; 32]>>(row, "former_digest")?));
        if let Some((digest, former)) = first(connection, sql, &[&blob(card.ulid())], digests)? {
            urls.extend([Some(digest), former].into_iter().flatten());
        }
    }
    Ok(urls.into_iter().collect())
}

#[derive(Default)]
struct Total {
    saves: i64,
    curators: i64,
    new_cards: i64,
}

/// The numbers to add, by day.
#[derive(Default)]
struct Totals(BTreeMap<i64, Total>);

impl Totals {
    fn count(&mut self, connection: &Connection, recorded: &RecordedEvent) -> Result<(), Failure> {
        let DomainEvent::CardAddedToLibrary { card_id, actor_id, visibility: Visibility::Public, .. } = &recorded.event
        else {
            return Ok(());
        };
        let day = utc_day(recorded.occurred_at);
        let sql = "INSERT INTO daily_curators (day, user_id) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
        let is_first = run(connection, sql, &[&day, &actor_id.as_str()])? > 0;
        // A card and the event of its first save have the same time, that of their transaction.
        let sql = "SELECT 1 FROM cards WHERE id = ?1 AND created_at = ?2";
        let new = first(connection, sql, &[&blob(card_id.ulid()), &us(recorded.occurred_at)], |_| Ok(()))?;
        let total = self.0.entry(day).or_default();
        total.saves += 1;
        total.curators += i64::from(is_first);
        total.new_cards += i64::from(new.is_some());
        Ok(())
    }

    fn add(&self, connection: &Connection) -> Result<(), Failure> {
        let sql = "INSERT INTO daily_totals AS known (day, saves, active_curators, new_cards) VALUES (?1, ?2, ?3, ?4) \
                   ON CONFLICT (day) DO UPDATE SET saves = known.saves + excluded.saves, \
                   active_curators = known.active_curators + excluded.active_curators, \
                   new_cards = known.new_cards + excluded.new_cards";
        for (day, total) in &self.0 {
            run(connection, sql, &[day, &total.saves, &total.curators, &total.new_cards])?;
        }
        Ok(())
    }
}

fn summary(connection: &Connection, now: Timestamp, days: u16) -> Result<Vec<DayCounts>, Failure> {
    let sql = "SELECT saves, active_curators, new_cards FROM daily_totals WHERE day = ?1";
    let counts = |number: i64| {
        let day = day(number)?;
        let counted = first(connection, sql, &[&number], |row| {
            Ok(DayCounts {
                day,
                saves: get_count(row, "saves")?,
                active_curators: get_count(row, "active_curators")?,
                new_cards: get_count(row, "new_cards")?,
            })
        })?;
        Ok(counted.unwrap_or(DayCounts { day, saves: 0, active_curators: 0, new_cards: 0 }))
    };
    (0..i64::from(days)).rev().map(|ago| counts(utc_day(now) - ago)).collect()
}

fn week(connection: &Connection, first_day: i64, last_day: i64) -> Result<WeekCounts, Failure> {
    let sql = "SELECT coalesce(sum(saves), 0) AS saves, coalesce(sum(new_cards), 0) AS new_cards, \
                      (SELECT count(DISTINCT user_id) FROM daily_curators WHERE day BETWEEN ?1 AND ?2) AS curators \
               FROM daily_totals WHERE day BETWEEN ?1 AND ?2";
    let counted = first(connection, sql, &[&first_day, &last_day], |row| {
        Ok(WeekCounts {
            first_day: day(first_day)?,
            saves: get_count(row, "saves")?,
            active_curators: get_count(row, "curators")?,
            new_cards: get_count(row, "new_cards")?,
        })
    })?;
    counted.ok_or_else(|| Failure::Nonsense("a sum has no row".into()))
}

/// One index look-up for each day with events.
fn whole_days(connection: &Connection) -> Result<Vec<Date>, Failure> {
    let pruned =
        first(connection, "SELECT pruned_until FROM event_log_horizon", &[], |row| get_time(row, "pruned_until"))?;
    let mut from = pruned.map_or(i64::MIN, |pruned| DAY_US * (utc_day(pruned) + 1));
    let sql = "SELECT occurred_at FROM events WHERE occurred_at >= ?1 ORDER BY occurred_at LIMIT 1";
    let mut days = Vec::new();
    while let Some(at) = first(connection, sql, &[&from], |row| get_time(row, "occurred_at"))? {
        let number = utc_day(at);
        days.push(day(number)?);
        from = DAY_US * (number + 1);
    }
    Ok(days)
}

fn rebuild(connection: &Connection, day: i64) -> Result<u64, Failure> {
    for sql in ["DELETE FROM daily_curators WHERE day = ?1", "DELETE FROM daily_totals WHERE day = ?1"] {
        run(connection, sql, &[&day])?;
    }
    let mut totals = Totals::default();
    let (begins, ends) = (DAY_US * day, DAY_US * (day + 1));
    rows(connection, SAVES_OF_DAY, &[&begins, &ends, &Queue::Analytics.name()], |row| {
        if let Some(event) = saved(row)? {
            totals.count(connection, &event)?;
        }
        Ok(())
    })?;
    totals.add(connection)?;
    Ok(totals.0.values().map(|total| total.saves.unsigned_abs()).sum())
}

fn nonsense(error: impl std::fmt::Display) -> Failure {
    Failure::Nonsense(error.to_string())
}

/// `None`: no build can decode it, so it was never counted. If another build understands it, the rebuild ends with an
/// error instead.
fn saved(row: &Row<'_>) -> Result<Option<RecordedEvent>, Failure> {
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
