//! Tokens: 256 random bits, of which the store sees only a digest.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use cardwire_domain::accounts::TokenHash;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

/// The tokens of a session, for its owner alone.
#[derive(Debug)]
pub struct Tokens {
    pub access: SecretString,
    pub refresh: SecretString,
    pub access_for: Duration,
}

/// What API tokens begin with, so that people and scanners of leaked secrets recognise them.
const API_PREFIX: &str = "cw_";
/// Of 256 bits in base64.
const RANDOM_LEN: usize = 43;

pub(super) fn new_token() -> SecretString {
    BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()).into()
}

pub(super) fn new_api_token() -> SecretString {
    format!("{API_PREFIX}{}", new_token().expose_secret()).into()
}

/// A session's token may begin the same way by chance, but is shorter.
pub(super) fn is_api_token(token: &str) -> bool {
    token.len() == API_PREFIX.len() + RANDOM_LEN && token.starts_with(API_PREFIX)
}

/// A fast hash does for what cannot be guessed.
pub(super) fn token_hash(token: &str) -> TokenHash {
    TokenHash(Sha256::digest(token).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_tokens_are_told_from_those_of_sessions() {
        assert!(is_api_token(new_api_token().expose_secret()));
        assert!(!is_api_token(new_token().expose_secret()));
        assert!(!is_api_token(&format!("cw_{}", "x".repeat(RANDOM_LEN - 3))), "a session's that begins so by chance");
    }
}
