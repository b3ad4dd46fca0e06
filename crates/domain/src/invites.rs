//! Invites: how somebody gets in where not everybody may sign up.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::accounts::TokenHash;
use crate::error::Result;
use crate::ids::UserId;

/// How long an invite lets somebody in. It does so once.
pub const INVITE_GOOD_FOR: Duration = Duration::from_secs(7 * 86_400);

#[async_trait]
pub trait InviteRepository: Send + Sync {
    /// Makes an invite with the hash of its code, and tells until when it is good.
    async fn create_invite(&self, by: &UserId, code: &TokenHash) -> Result<Timestamp>;
    /// Whether this code would let somebody in now. Only [`crate::accounts::AccountRepository::create_account`] uses it up.
    async fn is_invited(&self, code: &TokenHash) -> Result<bool>;
}
