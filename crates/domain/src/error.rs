//! Why a command or a question was not answered.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::quotas::Quota;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The variants are what callers act on: refuse, or try again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A value breaks a rule. `field` is the name on the wire.
    #[error("{field}: {rule}")]
    Invalid { field: String, rule: String },
    #[error("There is no {what} {id}.")]
    NotFound { what: &'static str, id: String },
    /// It exists, but this person may not do that to it.
    #[error("{0}")]
    Forbidden(String),
    #[error("{0}")]
    Conflict(String),
    /// They added `most` of this within a day. One of them stops counting after `free_in`.
    #[error("You have reached your daily limit for {quota} ({most}).")]
    OverQuota { quota: Quota, most: NonZeroU32, free_in: Duration },
    /// Somebody else changed what was read. Nothing was stored; run the command again.
    #[error("the data was changed by somebody else meanwhile")]
    Stale,
    /// The store cannot answer now. Whether a commit in flight took place is unknown; an idempotent retry is safe.
    #[error("the store cannot be reached: {0}")]
    Unavailable(String),
    /// What is stored or was answered makes no sense: a defect, not a passing fault.
    #[error("the store answered what it must not: {0}")]
    Corrupt(String),
}

impl Error {
    pub fn invalid(field: impl Into<String>, rule: impl Into<String>) -> Self {
        Self::Invalid { field: field.into(), rule: rule.into() }
    }

    pub fn not_found(what: &'static str, id: impl ToString) -> Self {
        Self::NotFound { what, id: id.to_string() }
    }
}
