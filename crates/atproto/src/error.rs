//! Why something in the network was not done.

use cardwire_guard::Refusal;

/// Why somebody could not be connected or signed in. What it says is for them to read; it never holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was typed is no name, DID or address.
    #[error("{0}")]
    Invalid(String),
    /// A server that must not be asked, such as one inside a private network.
    #[error("This site does not ask {what}: {why}.")]
    Refused { what: &'static str, why: Refusal },
    /// Somebody's answer breaks a rule that keeps people from being taken for others.
    #[error("{0}")]
    Untrusted(String),
    /// The sign-in is unknown, too old, already used, or was begun in another browser.
    #[error("This sign-in has expired, was already used, or was started in another browser. Start again.")]
    Stale,
    /// The server, or the person there, said no.
    #[error("{0}")]
    Denied(String),
    /// A server that is away, slow or broken.
    #[error("There was no usable answer from {what}: {why}. Try again later.")]
    Away { what: &'static str, why: String },
    #[error("This site is not set up for AT Protocol.")]
    NotSetUp,
    /// The DID belongs to another account here.
    #[error("This AT Protocol account belongs to another account on this site.")]
    Taken,
    #[error(transparent)]
    Store(#[from] cardwire_domain::Error),
}

impl Error {
    pub(crate) fn untrusted(why: impl Into<String>) -> Self {
        Self::Untrusted(why.into())
    }
}
