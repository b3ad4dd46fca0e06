//! Why a file cannot be imported.

use std::io;

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What is wrong with the file, as a sentence: "There are no links in this file."
    #[error("{0}")]
    Refused(String),
    /// Reading failed; the file itself may be fine.
    #[error("the file could not be read")]
    Io(#[from] io::Error),
    /// The caller wants no more rows.
    #[error("nobody wants the rest of the rows")]
    Stopped,
}

impl Error {
    pub fn refused(rule: impl Into<String>) -> Self {
        Self::Refused(rule.into())
    }
}
