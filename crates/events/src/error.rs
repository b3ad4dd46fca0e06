//! Why something about events did not work.

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log or the queue cannot answer now. Nothing is lost: accepted events are in the log.
    #[error("{0} cannot be reached: {1}")]
    Unavailable(&'static str, String),
    /// An answer that must not happen: a defect, or somebody else's data.
    #[error("{0} answered what it must not: {1}")]
    Corrupt(&'static str, String),
    /// It is full. What is in it can still be taken out.
    #[error("{0} is full")]
    Full(&'static str),
    /// Its configuration could lose events, or differs from this process's. Only an operator can help.
    #[error("{0} is not set up for this: {1}")]
    Misconfigured(&'static str, String),
}
