//! A sign-in that is under way, as it is sealed and stored.

use cardwire_domain::UserId;
use cardwire_domain::accounts::TokenHash;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::session::StoredKey;

/// What somebody wants to come of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// To sign in, or to sign up.
    SignIn {
        /// The code of an invite.
        invite: Option<String>,
        /// The path of the page to show then.
        next: String,
    },
    /// To connect this account.
    Connect { person: UserId },
}

#[derive(Serialize, Deserialize)]
pub(super) struct Request {
    /// What the browser is known by, hashed.
    pub(super) browser: [u8; 32],
    pub(super) purpose: Purpose,
    /// `None`: whoever signs in at that server.
    pub(super) did: Option<UserId>,
    pub(super) handle: Option<String>,
    pub(super) service: Option<String>,
    pub(super) issuer: String,
    pub(super) token_endpoint: String,
    pub(super) revocation_endpoint: Option<String>,
    pub(super) verifier: String,
    pub(super) dpop: StoredKey,
    pub(super) kid: Option<String>,
}

pub(super) fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// The state itself is known to the browser alone.
pub(super) fn state_hash(state: &str) -> TokenHash {
    TokenHash(hash(state))
}

/// Whose it is, for the seal.
pub(super) fn owner(state: &TokenHash) -> String {
    format!("atproto sign-in {}", crate::jwt::encode(&state.0))
}
