use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cardwire_domain::Clock;
use jiff::Timestamp;
use parking_lot::Mutex;

use crate::error::Result;
use crate::lock::{DistributedLock, OwnerToken};
use crate::pending::SagaKey;
use crate::timing::Timing;

/// Above this many locks, expired ones are looked for and forgotten.
const SWEEP_ABOVE: usize = 1_024;

struct Held {
    token: OwnerToken,
    expires_at: Timestamp,
}

pub struct InMemoryDistributedLock {
    clock: Arc<dyn Clock>,
    ttl: Duration,
    held: Mutex<HashMap<SagaKey, Held>>,
}

impl InMemoryDistributedLock {
    pub fn new(clock: Arc<dyn Clock>, timing: &Timing) -> Self {
        Self { clock, ttl: timing.lock, held: Mutex::default() }
    }

    /// False: somebody holds it.
    pub(super) fn take(&self, key: &SagaKey, token: OwnerToken) -> bool {
        let now = self.clock.now();
        let mut held = self.held.lock();
        if held.get(key).is_some_and(|held| held.expires_at > now) {
            return false;
        }
        if held.len() >= SWEEP_ABOVE {
            held.retain(|_, held| held.expires_at > now);
        }
        held.insert(key.clone(), Held { token, expires_at: now + self.ttl });
        true
    }

    pub(super) fn free(&self, key: &SagaKey, token: OwnerToken) -> bool {
        let mut held = self.held.lock();
        let mine = held.get(key).is_some_and(|held| held.token == token && held.expires_at > self.clock.now());
        if mine {
            held.remove(key);
        }
        mine
    }

    /// When the lock ends; `None`: nobody holds it.
    pub(super) fn held_until(&self, key: &SagaKey) -> Option<Timestamp> {
        let held = self.held.lock();
        held.get(key).map(|held| held.expires_at).filter(|until| *until > self.clock.now())
    }
}

#[async_trait]
impl DistributedLock for InMemoryDistributedLock {
    async fn acquire(&self, key: &SagaKey) -> Result<Option<OwnerToken>> {
        let token = OwnerToken::generate();
        Ok(self.take(key, token).then_some(token))
    }

    async fn release(&self, key: &SagaKey, token: OwnerToken) -> Result<bool> {
        Ok(self.free(key, token))
    }
}
