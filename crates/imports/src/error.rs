//! Why a file cannot be imported.

use std::io;

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The rule that the file breaks, as it follows the file's name: "must hold at least one link".
    #[error("{0}")]
    Refused(String),
    /// Not the file is at fault, but reading it.
    #[error("the file could not be read")]
    Io(#[from] io::Error),
    /// Whoever takes the rows wants no more of them.
    #[error("nobody wants the rest of the rows")]
    Stopped,
}

impl Error {
    pub fn refused(rule: impl Into<String>) -> Self {
        Self::Refused(rule.into())
    }
}
