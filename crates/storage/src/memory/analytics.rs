//! Totals by day; what is trending is read off the cards.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use async_trait::async_trait;
use cardwire_domain::analytics::{Analytics, DayCounts, KindCount, TopDomain, TopUrl, WeekCounts};
use cardwire_domain::metadata::PageKind;
use cardwire_domain::{Card, DomainEvent, RecordedEvent, Result};
use cardwire_events::Queue;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::state::{State, StoredCard};
use super::store::InMemoryStore;

impl State {
    fn count_save(&mut self, recorded: &RecordedEvent) {
        let DomainEvent::CardAddedToLibrary { card_id, actor_id, .. } = &recorded.event else { return };
        // A card and the event of its first save have one time.
        let new = self.card(*card_id).is_some_and(|stored| stored.card.created_at == Some(recorded.occurred_at));
        let day = self.rollups.days.entry(utc_day(recorded.occurred_at)).or_default();
        day.saves += 1;
        day.new_cards += u64::from(new);
        day.curators.insert(actor_id.clone());
    }

    /// The cards that were saved in the period that ends today, and are kept.
    fn saved(&self, today: Date, days: u16) -> impl Iterator<Item = &Card> {
        let first = days.checked_sub(1).and_then(|ago| today.checked_sub(i64::from(ago).days()).ok());
        let saved = move |since: Timestamp| first.is_some_and(|first| (first..=today).contains(&utc_day(since)));
        self.card_ids()
            .filter_map(|id| self.card(id))
            .filter(move |stored| stored.in_library_since.is_some_and(saved))
            .map(|stored| &stored.card)
    }
}

#[async_trait]
impl Analytics for InMemoryStore {
    async fn count(&self, events: &[RecordedEvent]) -> Result<usize> {
        let mut state = self.lock().await;
        let mut taken = 0;
        for event in events {
            if let Some(recorded) = state.ledger.recorded(event.id)
                && state.ledger.take(Queue::Analytics, event.id)
            {
                taken += 1;
                state.count_save(&recorded);
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
                new_cards: counted.map_or(0, |counted| counted.new_cards),
            }
        };
        let today = utc_day(self.now());
        Ok((0..days).rev().filter_map(|ago| today.checked_sub(i64::from(ago).days()).ok()).map(counts).collect())
    }

    async fn weeks(&self, weeks: u16) -> Result<Vec<WeekCounts>> {
        let state = self.lock().await;
        let today = utc_day(self.now());
        let week = |ago: u16| {
            let last_day = today.checked_sub((7 * i64::from(ago)).days()).ok()?;
            let first_day = last_day.checked_sub(6.days()).ok()?;
            let mut counts = WeekCounts { first_day, saves: 0, active_curators: 0, new_cards: 0 };
            let mut curators = BTreeSet::new();
            for (_, day) in state.rollups.days.range(first_day..=last_day) {
                counts.saves += day.saves;
                counts.new_cards += day.new_cards;
                curators.extend(&day.curators);
            }
            counts.active_curators = curators.len() as u64;
            Some(counts)
        };
        Ok((0..weeks).rev().filter_map(week).collect())
    }

    async fn top_urls(&self, days: u16, limit: usize) -> Result<Vec<TopUrl>> {
        let state = self.lock().await;
        // By normalised URL: the oldest card that is kept lends its spelling.
        let mut urls: HashMap<&str, u64> = HashMap::new();
        for card in state.saved(utc_day(self.now()), days) {
            *urls.entry(card.url.normalised()).or_default() += 1;
        }
        let kept = state.card_ids().filter_map(|id| state.card(id)).filter(|stored| stored.in_library_since.is_some());
        let mut oldest: HashMap<&str, &StoredCard> = HashMap::new();
        for stored in kept {
            let first = oldest.entry(stored.card.url.normalised()).or_insert(stored);
            if stored.card.id < first.card.id {
                *first = stored;
            }
        }
        let top = |(url, saves)| {
            let view = state.view(oldest.get(url)?);
            Some(TopUrl { url: view.url, title: view.title, saves })
        };
        let mut top: Vec<TopUrl> = urls.into_iter().filter_map(top).collect();
        top.sort_by(|a, b| b.saves.cmp(&a.saves).then_with(|| a.url.cmp(&b.url)));
        top.truncate(limit);
        Ok(top)
    }

    async fn top_domains(&self, days: u16, limit: usize) -> Result<Vec<TopDomain>> {
        let state = self.lock().await;
        let mut domains: BTreeMap<&str, u64> = BTreeMap::new();
        for card in state.saved(utc_day(self.now()), days) {
            *domains.entry(card.url.domain()).or_default() += 1;
        }
        let mut top: Vec<TopDomain> =
            domains.into_iter().map(|(domain, saves)| TopDomain { domain: domain.to_owned(), saves }).collect();
        top.sort_by_key(|top| std::cmp::Reverse(top.saves));
        top.truncate(limit);
        Ok(top)
    }

    async fn by_kind(&self, days: u16) -> Result<Vec<KindCount>> {
        let state = self.lock().await;
        let mut kinds: BTreeMap<Option<PageKind>, u64> = BTreeMap::new();
        for card in state.saved(utc_day(self.now()), days) {
            let kind = state.pages.metadata(card.url.normalised()).and_then(|metadata| metadata.kind);
            *kinds.entry(kind).or_default() += 1;
        }
        let mut counts: Vec<KindCount> = kinds.into_iter().map(|(kind, saves)| KindCount { kind, saves }).collect();
        counts.sort_by_key(|count| {
            (count.kind.is_none(), std::cmp::Reverse(count.saves), count.kind.map(PageKind::name))
        });
        Ok(counts)
    }

    async fn whole_days(&self) -> Result<Vec<Date>> {
        let state = self.lock().await;
        let pruned = state.ledger.pruned_until();
        let days: BTreeSet<Date> = state.ledger.saves().map(|event| utc_day(event.occurred_at)).collect();
        Ok(days.into_iter().filter(|day| pruned.is_none_or(|pruned| *day > utc_day(pruned))).collect())
    }

    async fn rebuild(&self, day: Date) -> Result<u64> {
        let mut state = self.lock().await;
        let events: Vec<RecordedEvent> = state
            .ledger
            .saves()
            .filter(|event| utc_day(event.occurred_at) == day && !state.ledger.owes(Queue::Analytics, event.id))
            .collect();
        state.rollups.days.remove(&day);
        for event in &events {
            state.count_save(event);
        }
        Ok(events.len() as u64)
    }

    /// It is read off the cards.
    async fn rebuild_trends(&self) -> Result<()> {
        Ok(())
    }
}

fn utc_day(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}
