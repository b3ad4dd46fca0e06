//! What can go wrong with the saga's stores and locks.

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It refuses more. Nothing of the portion that it refused was merged.
    #[error("the saga store is full")]
    Full,
    /// It cannot answer now; whether the call took effect is unknown. Every call may be repeated.
    #[error("the saga store cannot be reached: {0}")]
    Unavailable(String),
    /// What it holds or answered is not ours.
    #[error("the saga store answered what it must not: {0}")]
    Corrupt(String),
}

impl From<Error> for cardwire_events::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Full => Self::Full("the saga store"),
            Error::Unavailable(why) => Self::Unavailable("the saga store", why),
            Error::Corrupt(why) => Self::Corrupt("the saga store", why),
        }
    }
}
