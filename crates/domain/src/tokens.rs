//! API tokens: what a program shows instead of its owner's password.

use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::accounts::TokenHash;
use crate::error::{Error, Result};
use crate::ids::{SessionId, TokenId, UserId};
use crate::sessions::Bearer;
use crate::text::checked;

/// How many tokens one person may have, expired ones included.
pub const MAX_TOKENS: usize = 50;

/// For how many days a token may be good, unless it never expires.
pub const MAX_DAYS: u32 = 3_650;

/// What may be done with a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Nothing that changes anything.
    Read,
    Write,
}

impl Scope {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

impl FromStr for Scope {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "read" => Ok(Self::Read),
            "write" => Ok(Self::Write),
            _ => Err(Error::invalid("scope", "Choose read or write.")),
        }
    }
}

/// What its owner calls a token. Trimmed, 1 to 100 characters, some of them visible, without NUL and without characters that turn the
/// direction of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenName(String);

impl TokenName {
    pub const MAX_CHARS: usize = 100;

    pub fn parse(text: &str) -> Result<Self> {
        Ok(Self(checked("name", text, Self::MAX_CHARS)?))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A token that is to be made.
#[derive(Clone, Debug)]
pub struct NewToken {
    pub id: TokenId,
    pub name: TokenName,
    pub scope: Scope,
    pub hash: TokenHash,
    /// `None`: until it is revoked.
    pub good_for: Option<Duration>,
    /// The session that asks for it. One that has ended meanwhile gets none.
    pub asked_in: Option<SessionId>,
}

/// A token, as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiToken {
    pub id: TokenId,
    pub name: String,
    pub scope: Scope,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    /// Noted at most once in [`crate::sessions::NOTED_EVERY`].
    pub last_used_at: Option<Timestamp>,
}

/// A token that was shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveToken {
    pub id: TokenId,
    pub bearer: Bearer,
    pub scope: Scope,
    /// Its use was last noted more than [`crate::sessions::NOTED_EVERY`] ago, or never.
    pub is_due: bool,
}

/// The tokens of suspended accounts are gone.
#[async_trait]
pub trait TokenRepository: Send + Sync {
    /// [`Error::Forbidden`] without an account or when the session has ended, [`Error::Conflict`] with [`MAX_TOKENS`].
    async fn create_token(&self, owner: &UserId, token: &NewToken) -> Result<ApiToken>;
    /// The live token with this hash.
    async fn live_token(&self, hash: &TokenHash) -> Result<Option<LiveToken>>;
    /// Notes that the token is in use, unless that was noted within [`crate::sessions::NOTED_EVERY`].
    async fn note_token(&self, id: TokenId) -> Result<()>;
    /// Newest first, expired ones included.
    async fn tokens_of(&self, owner: &UserId) -> Result<Vec<ApiToken>>;
    /// Revokes a token of this person; false: they have none of that id.
    async fn revoke_token(&self, owner: &UserId, id: TokenId) -> Result<bool>;
}

/// Why nobody without an account has tokens.
pub fn needs_account() -> Error {
    Error::Forbidden("Only people with an account here can have API tokens. Sign up first.".into())
}

pub fn session_has_ended() -> Error {
    Error::Forbidden("Your session has expired. Sign in again.".into())
}

/// Why there is no further token.
pub fn too_many() -> Error {
    Error::Conflict(format!("You have {MAX_TOKENS} API tokens, which is the limit. Revoke one first."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_trimmed_visible_and_bounded() {
        assert_eq!(TokenName::parse("  back-up ").unwrap().as_str(), "back-up");
        assert!(TokenName::parse(&"ü".repeat(100)).is_ok());
        for bad in ["", "  ", "a\0", "\u{200b}", "a\u{202e}b", &"x".repeat(101)] {
            assert!(TokenName::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn scopes_go_by_their_names() {
        for scope in [Scope::Read, Scope::Write] {
            assert_eq!(scope.name().parse::<Scope>().unwrap(), scope);
            assert_eq!(serde_json::to_value(scope).unwrap(), scope.name());
        }
        assert!("admin".parse::<Scope>().is_err());
    }
}
