use async_trait::async_trait;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::changes::Changes;
use crate::error::Result;
use crate::ids::UserId;
use crate::store::Transaction;

/// A command one person gives. `run` reads and decides; it must not keep anything outside of `changes`, since it may
/// be run again.
#[async_trait]
pub trait UseCase: Send + Sync {
    type Answer: Serialize + DeserializeOwned + Send;
    async fn run(&self, by: &UserId, tx: &mut dyn Transaction, changes: &mut Changes) -> Result<Self::Answer>;
}
