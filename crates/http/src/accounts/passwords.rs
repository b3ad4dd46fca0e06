//! Hashing passwords: slow by design, so off the server's threads and never more at once than there are cores.

use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::{Error as Argon2Error, PasswordHasher, PasswordVerifier};
use argon2::{Argon2, PasswordHash};
use cardwire_domain::password;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::error::Error;
use super::tokens::new_token;

/// Why a password could be neither hashed nor checked. Never holds one.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SchemeError(pub String);

impl From<SchemeError> for Error {
    fn from(error: SchemeError) -> Self {
        Self::Passwords(error.0)
    }
}

/// How passwords are hashed. Blocks the thread for as long as it takes.
pub trait PasswordScheme: Send + Sync + 'static {
    /// A PHC string with a new salt.
    fn hash(&self, password: &str) -> Result<String, SchemeError>;

    fn matches(&self, password: &str, hash: &str) -> Result<bool, SchemeError>;
}

/// 19 MiB and two passes, as OWASP recommends: the library's default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Argon2id;

impl PasswordScheme for Argon2id {
    fn hash(&self, password: &str) -> Result<String, SchemeError> {
        let hash: PasswordHash = Argon2::default().hash_password(password.as_bytes()).map_err(broken)?;
        Ok(hash.to_string())
    }

    fn matches(&self, password: &str, hash: &str) -> Result<bool, SchemeError> {
        match Argon2::default().verify_password(password.as_bytes(), hash) {
            Ok(()) => Ok(true),
            Err(Argon2Error::PasswordInvalid) => Ok(false),
            Err(error) => Err(broken(error)),
        }
    }
}

fn normalised(password: &SecretString) -> SecretString {
    password::normalise(password.expose_secret()).into()
}

fn broken(error: Argon2Error) -> SchemeError {
    SchemeError(error.to_string())
}

/// How long to wait for a core.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Clone)]
pub(super) struct Passwords {
    scheme: Arc<dyn PasswordScheme>,
    /// Of a password that nobody knows, made like every other.
    nobodys: Arc<str>,
    cores: Arc<Semaphore>,
}

impl Passwords {
    pub(super) fn new(scheme: Arc<dyn PasswordScheme>, at_once: usize) -> Result<Self, SchemeError> {
        let nobodys = scheme.hash(new_token().expose_secret())?.into();
        Ok(Self { scheme, nobodys, cores: Arc::new(Semaphore::new(at_once.max(1))) })
    }

    pub(super) async fn hash(&self, password: SecretString) -> Result<String, Error> {
        let password = normalised(&password);
        self.run(move |scheme| scheme.hash(password.expose_secret())).await
    }

    /// Without a hash, as slow as with one, and false. Hashes made before passwords were normalised match what was typed.
    pub(super) async fn matches(&self, password: SecretString, hash: Option<String>) -> Result<bool, Error> {
        let nobodys = self.nobodys.clone();
        self.run(move |scheme| {
            let (normalised, expected) = (normalised(&password), hash.as_deref().unwrap_or(&nobodys));
            let differs = normalised.expose_secret() != password.expose_secret();
            let right = scheme.matches(normalised.expose_secret(), expected)?
                || (differs && scheme.matches(password.expose_secret(), expected)?);
            Ok(right && hash.is_some())
        })
        .await
    }

    /// Dropped, the work still ends, and holds its core until then.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn PasswordScheme) -> Result<T, SchemeError> + Send + 'static,
    ) -> Result<T, Error> {
        let core = timeout(PATIENCE, self.cores.clone().acquire_owned()).await.map_err(|_| Error::Busy)?;
        let core = core.expect("nobody closes the semaphore");
        let scheme = self.scheme.clone();
        let done = tokio::task::spawn_blocking(move || {
            let result = work(&*scheme);
            drop(core);
            result
        });
        let result = done.await.map_err(|error| Error::Passwords(error.to_string()))?;
        Ok(result?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_argon2id_salted_and_match_their_password_only() {
        let (first, second) = (Argon2id.hash("correct horse").unwrap(), Argon2id.hash("correct horse").unwrap());
        assert!(first.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{first}");
        assert_ne!(first, second);
        assert!(Argon2id.matches("correct horse", &first).unwrap());
        assert!(!Argon2id.matches("Correct horse", &first).unwrap());
        assert!(Argon2id.matches("correct horse", "not a hash").is_err());
    }
}
