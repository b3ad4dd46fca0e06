//! The lock around the flush of a window. It only saves work: correctness rests on the feed's transaction.

use std::fmt;

use async_trait::async_trait;
use ulid::Ulid;

use crate::error::Result;
use crate::pending::SagaKey;

/// Proves who holds a lock. Random, so a late owner cannot free somebody else's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OwnerToken(Ulid);

impl OwnerToken {
    pub fn generate() -> Self {
        Self(Ulid::generate())
    }
}

impl fmt::Display for OwnerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The same locks that a [`SagaStateStore`](crate::SagaStateStore) puts around the windows it hands out.
#[async_trait]
pub trait DistributedLock: Send + Sync {
    /// `None`: somebody else holds it. It expires by itself after [`Timing::lock`](crate::Timing), also when this future
    /// is dropped with the answer on its way.
    async fn acquire(&self, key: &SagaKey) -> Result<Option<OwnerToken>>;

    /// False: it was lost before, and whoever holds it now keeps it.
    async fn release(&self, key: &SagaKey, token: OwnerToken) -> Result<bool>;
}
