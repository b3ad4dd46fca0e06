//! Calls to the server that keeps somebody's repository, in that person's name.

use std::time::Duration;

use async_trait::async_trait;
use cardwire_domain::UserId;
use serde_json::Value;

/// People's repositories, each behind the session of its owner.
#[async_trait]
pub trait Repos: Send + Sync + 'static {
    async fn procedure(&self, person: &UserId, nsid: &str, body: Value) -> Result<Value, CallError>;
    async fn query(&self, person: &UserId, nsid: &str, parameters: &[(&str, &str)]) -> Result<Value, CallError>;
}

/// Why a call was not answered. The variants are what callers act on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    #[error("this person is not connected to a repository")]
    NotConnected,
    #[error("the session has ended: {0}")]
    SessionEnded(String),
    #[error("the server asks to wait")]
    RateLimited { retry_after: Option<Duration> },
    #[error("the server does not answer: {0}")]
    Away(String),
    #[error("the server refused it: {status} {error}: {message}")]
    Refused { status: u16, error: String, message: String },
    #[error("the server answered what it must not: {0}")]
    Invalid(String),
}
