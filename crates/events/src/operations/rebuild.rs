use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use cardwire_domain::{CardId, UserId};
use jiff::Timestamp;
use ulid::Ulid;

use crate::error::Result;

/// If the process that runs a rebuild is silent for this long, another one takes over.
pub const REBUILD_LEASE: Duration = Duration::from_secs(30);

/// Increases from rebuild to rebuild.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RebuildId(pub i64);

impl fmt::Display for RebuildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Who runs a rebuild or a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunLease(pub Ulid);

impl RunLease {
    pub fn generate() -> Self {
        Self(Ulid::generate())
    }
}

/// Indexing every card again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebuild {
    pub id: RebuildId,
    pub requested_by: UserId,
    pub requested_at: Timestamp,
    /// `None`: no worker has started it yet.
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    /// The first card that could not be indexed, and why; or why it was given up.
    pub error: Option<String>,
    /// The last card that is done.
    pub after: Option<CardId>,
    pub done: u64,
    /// How many cards there were when it began.
    pub total: Option<u64>,
}

/// Rebuilds of the search index: at most one is unfinished. If its worker is lost, another continues where it was.
#[async_trait]
pub trait Rebuilds: Send + Sync {
    /// Requests a rebuild unless one is unfinished, and records that in the same transaction. Returns the unfinished
    /// one, and whether it is new.
    async fn request(&self, by: &UserId) -> Result<(Rebuild, bool)>;

    /// The latest one.
    async fn latest(&self) -> Result<Option<Rebuild>>;

    /// Takes the unfinished one for [`REBUILD_LEASE`], unless somebody runs it.
    async fn claim(&self, lease: RunLease) -> Result<Option<Rebuild>>;

    /// Stores its progress, and takes it for another [`REBUILD_LEASE`]. False: somebody else runs it.
    async fn advance(&self, lease: RunLease, rebuild: &Rebuild) -> Result<bool>;

    /// It is done, or was given up because of an error. Without an error, that of `advance` stays. False: somebody else
    /// runs it.
    async fn finish(&self, lease: RunLease, id: RebuildId, error: Option<&str>) -> Result<bool>;
}
