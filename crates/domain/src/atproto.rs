//! Connections to people's own repositories in the AT Protocol network, and sign-ins through it that are under way.
//!
//! The store sees tokens and keys sealed only: what it holds opens nobody's repository.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::accounts::TokenHash;
use crate::error::Result;
use crate::ids::{LinkId, UserId};

/// How long somebody may take to sign in at their own server.
pub const SIGN_IN_WITHIN: Duration = Duration::from_secs(15 * 60);

/// How long one process has to refresh a session, before another may try.
pub const REFRESH_WITHIN: Duration = Duration::from_secs(60);

/// The longest reason that is kept of an error, in characters.
pub const MAX_REASON_CHARS: usize = 500;

/// What only the holder of the secret key can read.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(pub Vec<u8>);

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionKind {
    OAuth,
    /// For development.
    AppPassword,
}

impl ConnectionKind {
    pub const ALL: [Self; 2] = [Self::OAuth, Self::AppPassword];

    pub const fn name(self) -> &'static str {
        match self {
            Self::OAuth => "oauth",
            Self::AppPassword => "app_password",
        }
    }
}

/// A connection that is to be made.
#[derive(Clone, Debug)]
pub struct NewConnection {
    pub person: UserId,
    /// Who they are in the network.
    pub did: UserId,
    /// Only if it was checked in both directions.
    pub handle: Option<String>,
    /// The origin of their server.
    pub service: String,
    pub kind: ConnectionKind,
    pub session: Sealed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    pub person: UserId,
    pub did: UserId,
    pub handle: Option<String>,
    pub service: String,
    pub kind: ConnectionKind,
    /// `None` once the connection has ended.
    pub session: Option<Sealed>,
    /// Counts the sessions that were stored, so that nobody refreshes one twice.
    pub version: u64,
    /// Why it ended; `None`: it is connected.
    pub ended: Option<String>,
    pub last_error: Option<String>,
    pub connected_at: Timestamp,
}

/// What became of a connection that was to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Connecting {
    /// With the session that it replaced, if there was one.
    Connected { replaced: Option<Connection> },
    /// Somebody else's account has this DID.
    Taken,
}

/// Who is asked, and with what, when a sign-in comes back from somebody's server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignInRequest {
    pub state: TokenHash,
    pub sealed: Sealed,
}

#[async_trait]
pub trait AtprotoRepository: Send + Sync {
    /// Keeps it for [`SIGN_IN_WITHIN`], and clears some away that have expired.
    async fn keep_sign_in(&self, request: &SignInRequest) -> Result<()>;
    /// Takes it, so that nobody else does. `None`: it is unknown, was taken, or has expired.
    async fn take_sign_in(&self, state: &TokenHash) -> Result<Option<SignInRequest>>;

    /// Of this account, also if it has ended.
    async fn connection(&self, person: &UserId) -> Result<Option<Connection>>;
    /// Whose account this DID belongs to: by their connection, or because it is their id.
    async fn person_of(&self, did: &UserId) -> Result<Option<UserId>>;
    /// Replaces the person's connection. Refused for an account that is being deleted or suspended.
    async fn connect(&self, new: &NewConnection) -> Result<Connecting>;
    /// Forgets the connection and returns it as it was last.
    async fn disconnect(&self, person: &UserId) -> Result<Option<Connection>>;
    /// People whose account is being deleted and whose records have been dealt with, as far as they are still connected.
    async fn connected_leavers(&self) -> Result<Vec<UserId>>;
    /// The session of this version is good for nothing any more. False: it is another one by now.
    async fn end_connection(&self, person: &UserId, version: u64, reason: &str) -> Result<bool>;
    /// What went wrong last; `None`: nothing does now.
    async fn note_connection(&self, person: &UserId, error: Option<&str>) -> Result<()>;

    /// The right to refresh the session of this version, for [`REFRESH_WITHIN`]. False: somebody else has it, or the version is another
    /// one.
    async fn lease_refresh(&self, person: &UserId, version: u64, lease: LinkId) -> Result<bool>;
    /// Replaces the session, and its version by the next one. False: the lease is lost, and nothing was stored.
    async fn finish_refresh(&self, person: &UserId, lease: LinkId, session: &Sealed) -> Result<bool>;
    /// Gives the right back without a new session.
    async fn release_refresh(&self, person: &UserId, lease: LinkId) -> Result<()>;
}
