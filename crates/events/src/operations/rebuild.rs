use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use cardwire_domain::{CardId, UserId};
use jiff::Timestamp;
use ulid::Ulid;

use crate::error::Result;

/// How long whoever runs a rebuild may be silent before another one goes on with it.
pub const REBUILD_LEASE: Duration = Duration::from_secs(30);

/// Rises from rebuild to rebuild.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RebuildId(pub i64);

impl fmt::Display for RebuildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Who runs a rebuild.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RebuildLease(pub Ulid);

impl RebuildLease {
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
    /// `None`: no worker has begun yet.
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

/// Rebuilds of the search index: at most one is not finished. It goes on where it was when its worker is lost.
#[async_trait]
pub trait Rebuilds: Send + Sync {
    /// Asks for one, unless one is not finished; written down in the same transaction. Returns the one that is not finished now, and
    /// whether it is new.
    async fn request(&self, by: &UserId) -> Result<(Rebuild, bool)>;

    /// The one asked for last.
    async fn latest(&self) -> Result<Option<Rebuild>>;

    /// Takes the one that is not finished, unless somebody runs it. For [`REBUILD_LEASE`].
    async fn claim(&self, lease: RebuildLease) -> Result<Option<Rebuild>>;

    /// Notes how far it is, and takes it for another [`REBUILD_LEASE`]. False: somebody else runs it.
    async fn advance(&self, lease: RebuildLease, rebuild: &Rebuild) -> Result<bool>;

    /// It is done, or given up because of an error; without one, that of `advance` stays. False: somebody else runs it.
    async fn finish(&self, lease: RebuildLease, id: RebuildId, error: Option<&str>) -> Result<bool>;
}
