//! What is sealed: tokens and keys.

use cardwire_domain::UserId;
use cardwire_domain::atproto::{ConnectionKind, Sealed};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::jwt::{SigningKey, encode};
use crate::sealed::{Keys, SealError};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

/// What lets this site into somebody's repository. Without `Debug`, as all of it is secret.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) enum Session {
    OAuth(OAuthSession),
    AppPassword(AppPasswordSession),
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct OAuthSession {
    pub(crate) issuer: String,
    pub(crate) token_endpoint: String,
    pub(crate) revocation_endpoint: Option<String>,
    pub(crate) access: String,
    pub(crate) refresh: Option<String>,
    /// In seconds since 1970.
    pub(crate) expires_at: i64,
    pub(crate) dpop: StoredKey,
    /// Which of this site's keys the server knows the session by.
    pub(crate) kid: Option<String>,
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct AppPasswordSession {
    /// The origin of the server that gave it.
    pub(crate) service: String,
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl Session {
    pub(crate) const fn kind(&self) -> ConnectionKind {
        match self {
            Self::OAuth(_) => ConnectionKind::OAuth,
            Self::AppPassword(_) => ConnectionKind::AppPassword,
        }
    }
}

/// What came of asking for new tokens.
pub(crate) enum Outcome<T> {
    New(T),
    /// There will be none. The reason is for the person.
    Ended(String),
    Away(String),
}

impl<T> Outcome<T> {
    pub(crate) fn map<U>(self, wrap: impl FnOnce(T) -> U) -> Outcome<U> {
        match self {
            Self::New(value) => Outcome::New(wrap(value)),
            Self::Ended(why) => Outcome::Ended(why),
            Self::Away(why) => Outcome::Away(why),
        }
    }
}

/// A private key.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct StoredKey(String);

impl StoredKey {
    pub(crate) fn of(key: &SigningKey) -> Self {
        Self(encode(&key.to_bytes()))
    }

    pub(crate) fn key(&self) -> Result<SigningKey, SealError> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(&self.0).map_err(|_| SealError::Damaged)?;
        SigningKey::from_bytes(&bytes).ok_or(SealError::Damaged)
    }
}

pub(crate) fn seal<T: Serialize>(keys: &Keys, owner: &str, value: &T) -> Sealed {
    let plain = serde_json::to_vec(value).expect("text and numbers are JSON");
    keys.seal(owner, &plain)
}

/// Nothing of what is stored is quoted.
pub(crate) fn open<T: DeserializeOwned>(keys: &Keys, owner: &str, sealed: &Sealed) -> Result<T, SealError> {
    serde_json::from_slice(&keys.open(owner, sealed)?).map_err(|_| SealError::Damaged)
}

/// Whose session it is, for the seal.
pub(crate) fn owner_of_session(person: &UserId) -> String {
    format!("atproto connection of {person}")
}
