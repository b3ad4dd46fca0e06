//! Accounts: who is here, and who may come in.
//!
//! Passwords and tokens never reach the store: it sees hashes.

use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::error::{Error, Result};
use crate::ids::{SessionId, UserId};
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
            return Err(Error::invalid("handle", "Handles are 3 to 30 characters long."));
        }
        if !handle.bytes().all(allowed) || !handle.as_bytes()[0].is_ascii_alphanumeric() {
            return Err(Error::invalid(
                "handle",
                "Handles start with a letter or digit and contain only letters, digits, hyphens, underscores and dots.",
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

/// SHA-256 of a token, a code or what else a store must not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenHash(pub [u8; 32]);

#[derive(Clone)]
pub struct Account {
    pub user: User,
    /// A PHC string (argon2id), or [`Account::NO_PASSWORD`].
    pub password_hash: String,
}

impl Account {
    /// Of an account whose owner signs in elsewhere.
    pub const NO_PASSWORD: &str = "!";

    pub fn has_password(&self) -> bool {
        self.password_hash != Self::NO_PASSWORD
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Who may sign up. The very first account is always allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Registration {
    Open,
    /// People with an invite.
    #[default]
    Invite,
    Closed,
}

impl Registration {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Invite => "invite",
            Self::Closed => "closed",
        }
    }
}

impl FromStr for Registration {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "open" => Ok(Self::Open),
            "invite" => Ok(Self::Invite),
            "closed" => Ok(Self::Closed),
            _ => Err(Error::invalid("registration", "Choose open, invite or closed.")),
        }
    }
}

/// What a sign-up shows to be let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Nothing, as everybody is let in.
    Open,
    /// The hash of an invite's code. It is used up with the account that it lets in.
    Invited(TokenHash),
    /// Nothing that counts: only the first account is made.
    FirstOnly,
}

/// What became of a sign-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignedUp {
    /// The first account ever, which is an administrator's. No invite was used up.
    First,
    Member,
    /// It was not let in.
    Refused,
    /// The handle is taken. No invite was used up.
    Taken,
}

/// Somebody with an account, as administrators see them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    pub user: User,
    pub is_admin: bool,
    pub created_at: Timestamp,
    pub suspended_at: Option<Timestamp>,
}

/// The error for any command of an account that is being deleted, or has been.
pub fn is_leaving() -> Error {
    Error::Forbidden("This account is being deleted.".into())
}

/// Accounts alone; what belongs to them has ports of its own. An account that is being deleted is none, but for its handle.
#[async_trait]
pub trait AccountRepository: Send + Sync {
    /// Whether nobody ever had an account here. It stays false when the last one is deleted.
    async fn is_fresh(&self) -> Result<bool>;
    /// Of several at once, one is the first.
    async fn create_account(&self, account: &Account, admission: &Admission) -> Result<SignedUp>;
    async fn account(&self, handle: &Handle) -> Result<Option<Account>>;
    async fn account_of(&self, person: &UserId) -> Result<Option<Account>>;
    /// Those of these people who have no account here.
    async fn without_account(&self, people: &[UserId]) -> Result<Vec<UserId>>;
    /// Those with an account, in the order of their handles, behind `after`.
    async fn people(&self, after: Option<&Handle>, limit: usize) -> Result<Vec<Person>>;
    /// Replaces the password of `account`, unless it is another one by now. All API tokens end, and all sessions but `except`. False: it
    /// is another one, or the account is gone.
    async fn change_password(&self, account: &Account, password_hash: &str, except: Option<SessionId>) -> Result<bool>;
    /// The account is on its way out: nobody signs in there or finds it by its handle, which stays taken. All sessions, tokens, invites and
    /// links to set a password go, and a running import ends. It is written down as `user.delete`. The rest is done by
    /// [`crate::use_cases::let_person_go`]. False: the password is another one by now, or the account is gone or on its way out already.
    async fn delete_account(&self, account: &Account) -> Result<bool>;
    /// From now on nobody signs in there. All sessions and tokens end, and so do a running import and unused invites. Returns whether it was not suspended before;
    /// [`Error::NotFound`] without an account.
    async fn suspend(&self, person: &UserId) -> Result<bool>;
    /// Returns whether it was suspended; [`Error::NotFound`] without an account.
    async fn restore(&self, person: &UserId) -> Result<bool>;
    /// Returns whether it was none before; [`Error::NotFound`] without an account.
    async fn make_admin(&self, person: &UserId) -> Result<bool>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_site_are_reserved_however_they_are_punctuated() {
        let is_reserved = |text: &str| Handle::parse(text).unwrap().is_reserved();
        for reserved in
            ["admin", "AdMiN", "Administrator", "root", "support", "s.up-port_", "no-reply", "www", "api", "security"]
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
        // Cyrillic, full width, a dotted capital, with a joiner: each looks like a name that somebody else may have.
        for lookalike in ["\u{430}lice", "\u{ff41}lice", "al\u{130}ce", "al\u{200d}ice"] {
            check(lookalike, None);
        }
    }
}
