//! What is trending: counts by UTC day.

use async_trait::async_trait;
use jiff::civil::Date;

use crate::error::Result;
use crate::event::RecordedEvent;
use crate::metadata::PageKind;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayCounts {
    pub day: Date,
    /// Cards added to libraries that others see.
    pub saves: u64,
    /// Different people who saved.
    pub active_curators: u64,
    /// Cards that were saved for the first time.
    pub new_cards: u64,
}

/// Seven UTC days in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeekCounts {
    pub first_day: Date,
    pub saves: u64,
    /// Different people who saved on any of the days.
    pub active_curators: u64,
    pub new_cards: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopUrl {
    pub url: String,
    pub title: Option<String>,
    /// People, not events.
    pub saves: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopDomain {
    pub domain: String,
    pub saves: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KindCount {
    /// `None`: not known, or not yet.
    pub kind: Option<PageKind>,
    pub saves: u64,
}

/// Every period of `days` ends with today.
#[async_trait]
pub trait Analytics: Send + Sync {
    /// Takes the events off the `analytics` ledger and counts those just taken, in one transaction. Returns how many. Trends are
    /// recounted from the current rows of their cards, so the order of events does not matter; totals count the saves themselves. What
    /// others do not see counts in neither. People whose accounts are gone no longer count as curators; the saves stay counted
    /// until the day is rebuilt.
    async fn count(&self, events: &[RecordedEvent]) -> Result<usize>;

    /// One row for each of the last `days` UTC days up to `today`, oldest first, days without saves included.
    async fn summary(&self, days: u16) -> Result<Vec<DayCounts>>;

    /// The last `weeks` periods of seven days, oldest first; the last one ends with today.
    async fn weeks(&self, weeks: u16) -> Result<Vec<WeekCounts>>;

    /// URLs that somebody keeps now, by how many people keep them who saved them in the period: each counts once, on the day of their
    /// latest save. Most first, equal ones in some fixed order.
    async fn top_urls(&self, days: u16, limit: usize) -> Result<Vec<TopUrl>>;

    /// What [`Self::top_urls`] counts, by domain. Most first, then by name.
    async fn top_domains(&self, days: u16, limit: usize) -> Result<Vec<TopDomain>>;

    /// What [`Self::top_urls`] counts, by what the pages are known to be now. Most first, then by name, the unknown last.
    async fn by_kind(&self, days: u16) -> Result<Vec<KindCount>>;

    /// The UTC days of which no event was pruned, oldest first. [`Self::rebuild`] may count these again.
    async fn whole_days(&self) -> Result<Vec<Date>>;

    /// Recounts the totals of one day from the event log, in one transaction, leaving out events still owed to analytics. Returns how many
    /// saves the day has. Live counting waits while it runs.
    async fn rebuild(&self, day: Date) -> Result<u64>;

    /// Recounts all trends from the cards that are kept, in one transaction. Live counting waits while it runs.
    async fn rebuild_trends(&self) -> Result<()>;
}
