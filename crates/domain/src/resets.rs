//! One-time links that set a new password.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::accounts::TokenHash;
use crate::error::Result;
use crate::ids::UserId;

/// How long a link works. It does so once.
pub const RESET_GOOD_FOR: Duration = Duration::from_secs(86_400);

#[async_trait]
pub trait ResetRepository: Send + Sync {
    /// Makes the link with the hash of its token, in place of an earlier one of this person, and tells until when it works.
    /// [`crate::Error::NotFound`] without an account.
    async fn create_reset(&self, person: &UserId, token: &TokenHash) -> Result<Timestamp>;
    /// Whether this link works now.
    async fn reset_works(&self, token: &TokenHash) -> Result<bool>;
    /// Uses the link up: its person has this password from now on, and no session and no API token any more. Whose link it was;
    /// `None`: there is no such link, or it was used, or has expired.
    async fn reset_password(&self, token: &TokenHash, password_hash: &str) -> Result<Option<UserId>>;
}
