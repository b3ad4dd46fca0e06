//! Encrypting what must not be readable in the store.
//!
//! XChaCha20-Poly1305 under a key that is derived from `APP__SECRET_KEY`. The associated data names whose it is, so that nobody's secret
//! opens in somebody else's row. The setting is a list: the first key encrypts, and all of them decrypt.

use std::fmt;

use cardwire_domain::atproto::Sealed;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::jwt::SigningKey;

/// The shortest key, in characters.
pub const MIN_KEY_CHARS: usize = 32;

const FORMAT: u8 = 1;
const ID_LEN: usize = 4;
const NONCE_LEN: usize = 24;

/// Why keys or what they sealed cannot be used. Never quotes either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    #[error(
        "must be a key of at least 32 characters, or several of them, separated by commas; `openssl rand -hex 32` makes one"
    )]
    Keys,
    #[error("it was sealed with a key that is not in APP__SECRET_KEY any more")]
    UnknownKey,
    #[error("what is stored was not sealed for this, or has been changed")]
    Damaged,
}

struct Key {
    id: [u8; ID_LEN],
    cipher: XChaCha20Poly1305,
}

/// The keys of `APP__SECRET_KEY`.
pub struct Keys {
    keys: Vec<Key>,
    signing: Vec<SigningKey>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.keys.len())
    }
}

impl Keys {
    /// # Errors
    /// [`SealError::Keys`].
    pub fn parse(text: &SecretString) -> Result<Self, SealError> {
        let mut keys = Vec::new();
        let mut signing = Vec::new();
        for secret in text.expose_secret().split(',').map(str::trim) {
            if secret.chars().count() < MIN_KEY_CHARS {
                return Err(SealError::Keys);
            }
            let [key, id] = ["seal", "name of a key"].map(|purpose| derive(secret, purpose, 0));
            let mut short = [0; ID_LEN];
            short.copy_from_slice(&id[..ID_LEN]);
            keys.push(Key { id: short, cipher: XChaCha20Poly1305::new(&key.into()) });
            // Nearly every 32 bytes are a key of the curve.
            let found =
                (0..=u8::MAX).find_map(|turn| SigningKey::from_bytes(&derive(secret, "client assertions", turn)));
            signing.push(found.ok_or(SealError::Keys)?);
        }
        Ok(Self { keys, signing })
    }

    /// Keys by which this site proves to other servers that it asks. The first one signs what is new.
    pub fn signing(&self) -> &[SigningKey] {
        &self.signing
    }

    pub fn seal(&self, owner: &str, plain: &[u8]) -> Sealed {
        let key = &self.keys[0];
        let nonce: [u8; NONCE_LEN] = rand::random();
        let payload = Payload { msg: plain, aad: owner.as_bytes() };
        let encrypted = key
            .cipher
            .encrypt(&XNonce::from(nonce), payload)
            .expect("what is sealed is far smaller than the cipher's limit");
        Sealed([&[FORMAT][..], &key.id, &nonce, &encrypted].concat())
    }

    /// # Errors
    /// [`SealError::UnknownKey`], [`SealError::Damaged`].
    pub fn open(&self, owner: &str, sealed: &Sealed) -> Result<Vec<u8>, SealError> {
        let rest = sealed.0.strip_prefix(&[FORMAT]).ok_or(SealError::Damaged)?;
        let (id, rest) = rest.split_at_checked(ID_LEN).ok_or(SealError::Damaged)?;
        let (nonce, encrypted) = rest.split_at_checked(NONCE_LEN).ok_or(SealError::Damaged)?;
        let nonce: [u8; NONCE_LEN] = nonce.try_into().map_err(|_| SealError::Damaged)?;
        let key = self.keys.iter().find(|key| key.id == id).ok_or(SealError::UnknownKey)?;
        let payload = Payload { msg: encrypted, aad: owner.as_bytes() };
        key.cipher.decrypt(&XNonce::from(nonce), payload).map_err(|_| SealError::Damaged)
    }
}

/// 32 bytes for this purpose alone.
fn derive(secret: &str, purpose: &str, turn: u8) -> [u8; 32] {
    let inner = Sha256::digest(format!("cardwire {purpose} {turn}\n{secret}"));
    Sha256::digest([&inner[..], secret.as_bytes()].concat()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Keys {
        Keys::parse(&SecretString::from(text)).unwrap()
    }

    const OLD: &str = "0123456789abcdef0123456789abcdef";
    const NEW: &str = "fedcba9876543210fedcba9876543210";

    #[test]
    fn sealed_text_opens_for_its_owner_alone() {
        let keys = keys(OLD);
        let sealed = keys.seal("alice", b"secret token");
        assert_eq!(keys.open("alice", &sealed).unwrap(), b"secret token");
        assert_eq!(keys.open("bob", &sealed), Err(SealError::Damaged));
        assert!(!sealed.0.windows(6).any(|bytes| bytes == b"secret"));
        assert_ne!(keys.seal("alice", b"secret token"), sealed, "the same text is never sealed the same way twice");
        for place in 0..sealed.0.len() {
            let mut changed = sealed.clone();
            changed.0[place] ^= 1;
            assert!(keys.open("alice", &changed).is_err(), "byte {place}");
        }
        assert_eq!(keys.open("alice", &Sealed(Vec::new())), Err(SealError::Damaged));
    }

    #[test]
    fn old_keys_still_decrypt_and_the_first_one_encrypts() {
        let sealed = keys(OLD).seal("alice", b"x");
        let both = keys(&format!("{NEW}, {OLD}"));
        assert_eq!(both.open("alice", &sealed).unwrap(), b"x");
        let renewed = both.seal("alice", b"y");
        assert_eq!(keys(NEW).open("alice", &renewed).unwrap(), b"y");
        assert_eq!(keys(OLD).open("alice", &renewed), Err(SealError::UnknownKey));
        assert_eq!(keys(NEW).open("alice", &sealed), Err(SealError::UnknownKey));
        assert_eq!(both.signing().len(), 2);
    }

    #[test]
    fn short_keys_are_refused_without_being_quoted() {
        for text in ["", "hunter2hunter2", &format!("{OLD},"), &format!("{OLD},hunter2")] {
            let error = Keys::parse(&SecretString::from(text)).unwrap_err();
            assert_eq!(error, SealError::Keys, "{text}");
            assert!(!error.to_string().contains("hunter2"));
        }
        assert_eq!(format!("{:?}", keys(OLD)), "Keys(1)");
    }
}
