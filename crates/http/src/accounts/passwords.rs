//! Hashing passwords: slow by design, so off the server's threads and never more at once than there are cores.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::phc::{Output, ParamsString, Salt};
use argon2::{Algorithm, Argon2, Block, Params, PasswordHash, Version};
use cardwire_domain::password;
use parking_lot::Mutex;
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

/// 19 MiB and two passes, as OWASP recommends: the library's default. The memory is kept for the next password: given back each time, it
/// would stay in the allocator's arenas, 19 MiB for each thread that ever hashed.
#[derive(Debug, Default)]
pub struct Argon2id {
    /// As many as were ever in use at once.
    spare: Mutex<Vec<Vec<Block>>>,
}

impl Argon2id {
    /// Hashes in memory of its own, which is blank again afterwards.
    fn fill(&self, scheme: &Argon2<'_>, password: &str, salt: &Salt, output_len: usize) -> Result<Output, SchemeError> {
        let spare = self.spare.lock().pop();
        let mut memory = spare.unwrap_or_else(|| vec![Block::new(); Params::DEFAULT.block_count()]);
        let mut output = [0; Output::MAX_LENGTH];
        let output = output.get_mut(..output_len).ok_or_else(|| SchemeError("the hash is too long".into()))?;
        let done = scheme.hash_password_into_with_memory(password.as_bytes(), salt, output, &mut memory);
        memory.fill(Block::new());
        self.spare.lock().push(memory);
        done.map_err(broken)?;
        Output::new(output).map_err(broken)
    }
}

impl PasswordScheme for Argon2id {
    fn hash(&self, password: &str) -> Result<String, SchemeError> {
        let (scheme, salt) = (Argon2::default(), Salt::generate());
        let output = self.fill(&scheme, password, &salt, Params::DEFAULT_OUTPUT_LEN)?;
        let hash = PasswordHash {
            algorithm: Algorithm::default().ident(),
            version: Some(Version::default().into()),
            params: ParamsString::try_from(&Params::DEFAULT).map_err(broken)?,
            salt: Some(salt),
            hash: Some(output),
        };
        Ok(hash.to_string())
    }

    /// Knows the hashes that it makes; others need memory of another size.
    fn matches(&self, password: &str, hash: &str) -> Result<bool, SchemeError> {
        let kept = PasswordHash::new(hash).map_err(broken)?;
        let params = Params::try_from(&kept).map_err(broken)?;
        let (Some(salt), Some(expected)) = (kept.salt, kept.hash) else {
            return Err(SchemeError("the hash is incomplete".into()));
        };
        if params.block_count() > Params::DEFAULT.block_count() {
            return Err(SchemeError("the hash takes more memory than the ones made here".into()));
        }
        let algorithm = Algorithm::try_from(kept.algorithm.as_str()).map_err(broken)?;
        let version = kept.version.map(Version::try_from).transpose().map_err(broken)?.unwrap_or_default();
        let output_len = expected.len();
        let scheme = Argon2::new(algorithm, version, params);
        // Compared in constant time.
        Ok(self.fill(&scheme, password, &salt, output_len)? == expected)
    }
}

fn normalised(password: &SecretString) -> SecretString {
    password::normalise(password.expose_secret()).into()
}

fn broken(error: impl Display) -> SchemeError {
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
    use argon2::{PasswordHasher, PasswordVerifier};

    use super::*;

    #[test]
    fn hashes_are_argon2id_salted_and_match_their_password_only() {
        let scheme = Argon2id::default();
        let (first, second) = (scheme.hash("correct horse").unwrap(), scheme.hash("correct horse").unwrap());
        assert!(first.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{first}");
        assert_ne!(first, second);
        assert!(scheme.matches("correct horse", &first).unwrap());
        assert!(!scheme.matches("Correct horse", &first).unwrap());
        assert!(scheme.matches("correct horse", "not a hash").is_err());
        // Some ways of hashing read the first 72 bytes alone.
        let (long, other) = (format!("{}a", "x".repeat(72)), format!("{}b", "x".repeat(72)));
        let hash = scheme.hash(&long).unwrap();
        assert!(scheme.matches(&long, &hash).unwrap() && !scheme.matches(&other, &hash).unwrap());
        assert_eq!(scheme.spare.lock().len(), 1, "one at a time needs one buffer");
    }

    #[test]
    fn hashes_are_those_of_the_library() {
        let scheme = Argon2id::default();
        let own = scheme.hash("correct horse").unwrap();
        Argon2::default().verify_password(b"correct horse", own.as_str()).unwrap();
        let of_library = Argon2::default().hash_password(b"correct horse").unwrap().to_string();
        assert!(scheme.matches("correct horse", &of_library).unwrap());
        let smaller = Params::new(1_024, 1, 1, Some(16)).unwrap();
        let smaller = Argon2::from(smaller).hash_password(b"correct horse").unwrap().to_string();
        assert!(scheme.matches("correct horse", &smaller).unwrap());
    }
}
