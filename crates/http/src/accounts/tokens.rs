//! Tokens: 256 random bits, of which the store sees only a digest.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use cardwire_domain::accounts::TokenHash;
use secrecy::SecretString;
use sha2::{Digest, Sha256};

/// The tokens of a session, for its owner alone.
#[derive(Debug)]
pub struct Tokens {
    pub access: SecretString,
    pub refresh: SecretString,
    pub access_for: Duration,
}

pub(super) fn new_token() -> SecretString {
    BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()).into()
}

/// A fast hash does for what cannot be guessed.
pub(super) fn token_hash(token: &str) -> TokenHash {
    TokenHash(Sha256::digest(token).into())
}
