//! Sessions: what a sign-in opens.
//!
//! A session has a short access token and a longer refresh token, which is replaced each time it is used.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::accounts::{Account, TokenHash};
use crate::error::Result;
use crate::ids::{SessionId, UserId};
use crate::user::User;
use crate::visibility::Visibility;

/// How often one session is refreshed before its person signs in again. Every refresh token that was replaced is kept to
/// recognise its reuse; this bounds them without forgetting any.
pub const MAX_REFRESHES: usize = 1_000;

/// How long after signing in a session ends, however often it is refreshed.
pub const SESSION_ENDS_AFTER: Duration = Duration::from_secs(90 * 86_400);

/// How often the use of a session or of an API token is noted.
pub const NOTED_EVERY: Duration = Duration::from_secs(300);

/// How many sessions of one person are listed: those that were used last.
pub const MAX_LISTED: usize = 1_000;

/// The longest name of a client, in characters.
pub const MAX_CLIENT_CHARS: usize = 200;

/// The tokens of a session, and how long they are good from now.
#[derive(Clone, Debug)]
pub struct SessionTokens {
    pub access: TokenHash,
    pub access_for: Duration,
    pub refresh: TokenHash,
    pub refresh_for: Duration,
}

#[derive(Clone, Debug)]
pub struct NewSession {
    pub id: SessionId,
    pub tokens: SessionTokens,
    /// What signed in, such as "Firefox on Linux"; up to [`MAX_CLIENT_CHARS`], may be empty.
    pub client: String,
}

/// What became of a session that was to be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    Opened,
    /// The account is suspended.
    Suspended,
    /// The account is gone, or its password is another one by now.
    Outdated,
}

/// A session, as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub id: SessionId,
    pub created_at: Timestamp,
    /// Noted at most once in [`NOTED_EVERY`].
    pub last_seen_at: Timestamp,
    /// See [`NewSession::client`].
    pub client: String,
}

/// Who shows a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bearer {
    pub user: User,
    /// Made one by an administrator, or the first account. The settings may name more.
    pub is_admin: bool,
    pub default_visibility: Visibility,
}

/// A session whose access token was shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveSession {
    pub id: SessionId,
    pub bearer: Bearer,
    /// Its use was last noted more than [`NOTED_EVERY`] ago.
    pub is_due: bool,
}

/// Suspended accounts have no live sessions, whatever is still stored of them.
#[async_trait]
pub trait SessionRepository: Send + Sync {
    /// Only while the account is not suspended and still has the password of `account`: a sign-in that was checked before either
    /// changed opens nothing.
    async fn open_session(&self, account: &Account, session: &NewSession) -> Result<Opening>;
    /// The live session with this access token.
    async fn live_session(&self, access: &TokenHash) -> Result<Option<LiveSession>>;
    /// Notes that the session is in use, unless that was noted within [`NOTED_EVERY`].
    async fn note_session(&self, id: SessionId) -> Result<()>;
    /// Replaces both tokens of the session with this live refresh token. `None`: there is none. A refresh token that was
    /// replaced before was stolen or replayed: the whole session ends. So does one after [`MAX_REFRESHES`].
    /// No token outlives [`SESSION_ENDS_AFTER`] the sign-in.
    async fn refresh_session(&self, refresh: &TokenHash, tokens: &SessionTokens) -> Result<Option<UserId>>;
    /// Ends the session of this access token, even of one that has expired; false: there was none.
    async fn close_session(&self, access: &TokenHash) -> Result<bool>;
    /// The sessions of this person that can still be used, last seen first; the first [`MAX_LISTED`].
    async fn sessions_of(&self, person: &UserId) -> Result<Vec<Session>>;
    /// Ends a session of this person; false: they have none of that id.
    async fn end_session(&self, person: &UserId, id: SessionId) -> Result<bool>;
    /// Ends all sessions of this person but one. Returns how many it ended.
    async fn end_sessions(&self, person: &UserId, except: Option<SessionId>) -> Result<u64>;
}
