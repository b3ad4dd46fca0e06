//! What is trending: counts by UTC day.

use async_trait::async_trait;
use jiff::civil::Date;

use crate::error::Result;
use crate::event::RecordedEvent;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayCounts {
    pub day: Date,
    /// Cards added to libraries.
    pub saves: u64,
    /// Different people who saved.
    pub active_curators: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopUrl {
    pub url: String,
    pub saves: u64,
}

#[async_trait]
pub trait Analytics: Send + Sync {
    /// Takes the events off the `analytics` ledger and counts those just taken, in one transaction. Returns how many.
    async fn count(&self, events: &[RecordedEvent]) -> Result<usize>;

    /// One row for each of the last `days` UTC days up to `today`, oldest first, days without saves included.
    async fn summary(&self, days: u16) -> Result<Vec<DayCounts>>;

    /// Most saved first, then by URL.
    async fn top_urls(&self, days: u16, limit: usize) -> Result<Vec<TopUrl>>;
}
