//! What others do with people's repositories.

use std::time::Duration;

use async_trait::async_trait;
use cardwire_domain::UserId;
use serde_json::Value;

/// People's repositories, wherever their servers are.
#[async_trait]
pub trait Repos: Send + Sync + 'static {
    /// One XRPC procedure in the person's repository: opens the sealed session, refreshes when needed, signs.
    ///
    /// Dropped, the server may have done it or not; a refresh that has begun goes on.
    async fn procedure(&self, person: &UserId, nsid: &str, body: Value) -> Result<Value, CallError>;

    /// The same for a query, which changes nothing.
    async fn query(&self, person: &UserId, nsid: &str, parameters: &[(&str, &str)]) -> Result<Value, CallError>;
}

/// Why a repository did not do what it was asked. None of it holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The person never connected one.
    #[error("no repository is connected")]
    NotConnected,
    /// The person has to connect again. The reason is for them.
    #[error("{0}")]
    SessionEnded(String),
    #[error("the server asks to wait")]
    RateLimited { retry_after: Option<Duration> },
    /// The server is away, slow or broken; or the store is. Try again later.
    #[error("{0}")]
    Away(String),
    /// The server's own words.
    #[error("the server answered {status} {error}: {message}")]
    Refused { status: u16, error: String, message: String },
    /// It cannot be asked, or its answer cannot be understood. Trying again does not help.
    #[error("{0}")]
    Invalid(String),
}

impl From<cardwire_domain::Error> for CallError {
    /// The store is away, or its error is a defect that somebody will mend.
    fn from(error: cardwire_domain::Error) -> Self {
        Self::Away(error.to_string())
    }
}
