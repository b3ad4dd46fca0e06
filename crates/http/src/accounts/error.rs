//! Why a sign-up or sign-in failed, and what the client hears.

use std::time::Duration;

use crate::limit::whole_seconds;
use crate::problem::{Problem, TOO_MANY_REQUESTS, UNAUTHENTICATED, UNAVAILABLE};

/// Why nobody was signed up or in.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Domain(#[from] cardwire_domain::Error),
    /// The reason is told to the client.
    #[error("{0}")]
    Refused(&'static str),
    #[error("too many failed sign-ins")]
    TooManySignIns { retry_after: Duration },
    #[error("too many sign-ups")]
    TooManySignUps { retry_after: Duration },
    /// Every core has been busy with passwords for a while.
    #[error("no core was free to check a password")]
    Busy,
    #[error("passwords cannot be hashed: {0}")]
    Passwords(String),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Domain(error) => error.into(),
            Error::Refused(why) => Self::new(&UNAUTHENTICATED, why),
            Error::TooManySignIns { retry_after } => {
                too_many("too many failed sign-ins with this handle or from this network", retry_after)
            }
            Error::TooManySignUps { retry_after } => too_many("too many sign-ups from this network", retry_after),
            Error::Busy => Self::new(&UNAVAILABLE, "too many people are signing in now").retry_after(1),
            Error::Passwords(_) => Self::internal(error.to_string()),
        }
    }
}

fn too_many(what: &str, retry_after: Duration) -> Problem {
    Problem::new(&TOO_MANY_REQUESTS, what).retry_after(whole_seconds(retry_after))
}

pub(super) const WRONG_CREDENTIALS: Error = Error::Refused("the handle or the password is wrong");
