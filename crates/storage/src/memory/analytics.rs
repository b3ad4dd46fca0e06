//! Daily roll-ups of saves.

use std::collections::{BTreeMap, HashMap, HashSet};

use async_trait::async_trait;
use cardwire_domain::analytics::{Analytics, DayCounts, TopUrl};
use cardwire_domain::{CardId, DomainEvent, RecordedEvent, Result, UserId};
use cardwire_events::Queue;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::InMemoryStore;

#[derive(Default)]
pub(super) struct Rollups {
    days: BTreeMap<Date, Day>,
}

#[derive(Default)]
struct Day {
    saves: u64,
    curators: HashSet<UserId>,
    by_card: HashMap<CardId, u64>,
}

#[async_trait]
impl Analytics for InMemoryStore {
    async fn count(&self, events: &[RecordedEvent]) -> Result<usize> {
        let mut state = self.lock().await;
        let mut taken = 0;
        for recorded in events {
            if !state.ledger.take(Queue::Analytics, recorded.id) {
                continue;
            }
            taken += 1;
            if let DomainEvent::CardAddedToLibrary { card_id, actor_id, .. } = &recorded.event {
                let day = state.rollups.days.entry(utc_day(recorded.occurred_at)).or_default();
                day.saves += 1;
                day.curators.insert(actor_id.clone());
                *day.by_card.entry(*card_id).or_default() += 1;
            }
        }
        Ok(taken)
    }

    async fn summary(&self, days: u16) -> Result<Vec<DayCounts>> {
        let state = self.lock().await;
        let counts = |day: Date| {
            let counted = state.rollups.days.get(&day);
            DayCounts {
                day,
                saves: counted.map_or(0, |counted| counted.saves),
                active_curators: counted.map_or(0, |counted| counted.curators.len() as u64),
            }
        };
        let today = utc_day(self.now());
        Ok((0..days).rev().filter_map(|ago| today.checked_sub(i64::from(ago).days()).ok()).map(counts).collect())
    }

    async fn top_urls(&self, days: u16, limit: usize) -> Result<Vec<TopUrl>> {
        let state = self.lock().await;
        let today = utc_day(self.now());
        let Some(ago) = days.checked_sub(1) else {
            return Ok(Vec::new());
        };
        let first = today.checked_sub(i64::from(ago).days()).unwrap_or(Date::MIN);
        // By normalised URL: the oldest card, which lends its spelling, and the saves.
        let mut urls: HashMap<&str, (CardId, u64)> = HashMap::new();
        for (id, saves) in state.rollups.days.range(first..=today).flat_map(|(_, day)| &day.by_card) {
            if let Some(stored) = state.card(*id) {
                let entry = urls.entry(stored.card.url.normalised()).or_insert((*id, 0));
                entry.0 = entry.0.min(*id);
                entry.1 += saves;
            }
        }
        let mut top: Vec<TopUrl> = urls
            .into_values()
            .filter_map(|(id, saves)| Some(TopUrl { url: state.card(id)?.card.url.given().to_owned(), saves }))
            .collect();
        top.sort_by(|a, b| b.saves.cmp(&a.saves).then_with(|| a.url.cmp(&b.url)));
        top.truncate(limit);
        Ok(top)
    }
}

fn utc_day(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}
