use async_trait::async_trait;
use cardwire_events::redis::{Connection, Repeat, Value};

use super::keys::Keys;
use super::scripts;
use crate::error::Result;
use crate::lock::{DistributedLock, OwnerToken};
use crate::pending::SagaKey;
use crate::timing::Timing;

/// `SET NX` with an expiry and a random value; freed by comparing it.
#[derive(Clone)]
pub struct RedisDistributedLock {
    connection: Connection,
    keys: Keys,
    timing: Timing,
}

impl RedisDistributedLock {
    /// `partitions` must be the same in all processes.
    pub fn new(connection: Connection, partitions: u16, timing: Timing) -> Self {
        let keys = Keys::new(partitions, connection.is_cluster());
        Self { connection, keys, timing }
    }
}

#[async_trait]
impl DistributedLock for RedisDistributedLock {
    async fn acquire(&self, key: &SagaKey) -> Result<Option<OwnerToken>> {
        let token = OwnerToken::generate();
        let ttl_ms = self.timing.lock.as_millis().to_string();
        let args = vec![self.keys.lock(key).into(), token.to_string().into(), "NX".into(), "PX".into(), ttl_ms.into()];
        let answer: Value = self.connection.command("SET", args, Repeat::Never).await?;
        Ok((!answer.is_null()).then_some(token))
    }

    async fn release(&self, key: &SagaKey, token: OwnerToken) -> Result<bool> {
        let (keys, args) = (vec![self.keys.lock(key).into()], vec![token.to_string().into()]);
        let freed: i64 = self.connection.script(&scripts::UNLOCK, keys, args, Repeat::Harmless).await?;
        Ok(freed == 1)
    }
}
