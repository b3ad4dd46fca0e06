//! Accounts and sessions: who may speak as whom.
//!
//! Passwords and tokens never reach the store: it sees hashes. Tokens are opaque and random; a session has a short access token
//! and a longer refresh token, which is replaced each time it is used.

use std::time::Duration;

use async_trait::async_trait;

use crate::error::{Error, Result};
use crate::ids::UserId;
use crate::user::User;

/// A person's public name: 3 to 30 of `a-z`, `0-9`, `-`, `_` and `.`, starting with a letter or digit. Case does not matter;
/// it is kept in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handle(String);

impl Handle {
    pub const MIN_CHARS: usize = 3;
    pub const MAX_CHARS: usize = 30;
    /// What a handle may look like before it is put in lower case.
    pub const PATTERN: &str = "^[A-Za-z0-9][A-Za-z0-9._-]*$";

    pub fn parse(text: &str) -> Result<Self> {
        let handle = text.trim().to_ascii_lowercase();
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b);
        if !(Self::MIN_CHARS..=Self::MAX_CHARS).contains(&handle.len()) {
            return Err(Error::invalid("handle", "must be from 3 to 30 characters"));
        }
        if !handle.bytes().all(allowed) || !handle.as_bytes()[0].is_ascii_alphanumeric() {
            return Err(Error::invalid(
                "handle",
                "must start with a letter or digit and hold only letters, digits, hyphens, underscores and dots",
            ));
        }
        Ok(Self(handle))
    }

    /// Whether it could pass for the site itself, so that nobody may sign up with it. Punctuation does not make it another name.
    pub fn is_reserved(&self) -> bool {
        let bare = self.0.replace(['-', '_', '.'], "");
        RESERVED.contains(&bare.as_str())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Names of the people who run a site, of its addresses and of its mailboxes (RFC 2142): readers would believe what they say. Without
/// punctuation.
const RESERVED: &[&str] = &[
    // Who runs it.
    "admin",
    "admins",
    "administrator",
    "administrators",
    "cardwire",
    "mod",
    "mods",
    "moderator",
    "moderators",
    "official",
    "operator",
    "operators",
    "owner",
    "root",
    "staff",
    "sysadmin",
    "system",
    "team",
    "webmaster",
    // Who answers.
    "abuse",
    "billing",
    "contact",
    "help",
    "helpdesk",
    "hostmaster",
    "info",
    "legal",
    "noreply",
    "postmaster",
    "press",
    "privacy",
    "security",
    "support",
    "terms",
    // Where it is.
    "account",
    "accounts",
    "api",
    "blog",
    "docs",
    "feed",
    "ftp",
    "imap",
    "localhost",
    "login",
    "mail",
    "pop3",
    "settings",
    "signin",
    "signup",
    "smtp",
    "status",
    "www",
    // Who nobody in particular is.
    "anonymous",
    "everyone",
];

#[derive(Clone, Debug)]
pub struct Account {
    pub user: User,
    /// A PHC string (argon2id).
    pub password_hash: String,
}

/// SHA-256 of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenHash(pub [u8; 32]);

/// How often one session is refreshed before its person signs in again. Every refresh token that was replaced is kept to
/// recognise its reuse; this bounds them without forgetting any.
pub const MAX_REFRESHES: usize = 1_000;

/// How long after signing in a session ends, however often it is refreshed.
pub const SESSION_ENDS_AFTER: Duration = Duration::from_secs(90 * 86_400);

/// The tokens of a session, and how long they are good from now.
#[derive(Clone, Debug)]
pub struct SessionTokens {
    pub access: TokenHash,
    pub access_for: Duration,
    pub refresh: TokenHash,
    pub refresh_for: Duration,
}

#[async_trait]
pub trait AccountRepository: Send + Sync {
    /// [`Error::Conflict`] when the handle is taken.
    async fn create_account(&self, account: &Account) -> Result<()>;
    async fn account(&self, handle: &Handle) -> Result<Option<Account>>;
    /// Those of these people who have no account here.
    async fn without_account(&self, people: &[UserId]) -> Result<Vec<UserId>>;
    async fn open_session(&self, user: &UserId, tokens: &SessionTokens) -> Result<()>;
    /// Whose live session this access token belongs to.
    async fn session_user(&self, access: &TokenHash) -> Result<Option<User>>;
    /// Replaces both tokens of the session with this live refresh token. `None`: there is none. A refresh token that was
    /// replaced before was stolen or replayed: the whole session ends. So does one after [`MAX_REFRESHES`].
    /// No token outlives [`SESSION_ENDS_AFTER`] the sign-in.
    async fn refresh_session(&self, refresh: &TokenHash, tokens: &SessionTokens) -> Result<Option<UserId>>;
    /// Ends the session of this access token, even of one that has expired; false: there was none.
    async fn close_session(&self, access: &TokenHash) -> Result<bool>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_site_are_reserved_however_they_are_punctuated() {
        let is_reserved = |text: &str| Handle::parse(text).unwrap().is_reserved();
        for reserved in
            ["admin", "Administrator", "root", "support", "s.up-port_", "no-reply", "www", "api", "security"]
        {
            assert!(is_reserved(reserved), "{reserved}");
        }
        for free in ["alice", "adminah", "rooted", "supporter"] {
            assert!(!is_reserved(free), "{free}");
        }
        // A reserved name that no handle can be would guard nothing.
        assert!(RESERVED.iter().all(|name| Handle::parse(name).is_ok_and(|handle| handle.as_str() == *name)));
    }

    #[test]
    fn handles_are_lower_case_names() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(Handle::parse(text).ok().as_ref().map(Handle::as_str), expected, "{text:?}");
        };
        check(" Alice ", Some("alice"));
        check("a.b-c_9", Some("a.b-c_9"));
        for bad in ["", "ab", "-ab", ".ab", "al ice", "al\0ice", "älice", &"x".repeat(31)] {
            check(bad, None);
        }
    }
}
