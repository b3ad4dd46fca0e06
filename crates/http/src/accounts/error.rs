//! Why a request about an account failed, and what the client hears.

use std::time::Duration;

use crate::limit::whole_seconds;
use crate::problem::{FORBIDDEN, NOT_FOUND, Problem, TOO_MANY_REQUESTS, UNAUTHENTICATED, UNAVAILABLE};

/// Why something about an account was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Domain(#[from] cardwire_domain::Error),
    /// The reason is told to the client.
    #[error("{0}")]
    Refused(&'static str),
    /// A sign-up that the rule for registration does not let in.
    #[error("{0}")]
    NotLetIn(&'static str),
    #[error("This account is suspended. Ask an administrator of this site.")]
    Suspended,
    #[error("This link is not valid, has been used or has expired. Ask an administrator for a new one.")]
    LinkVoid,
    #[error("too many failed sign-ins")]
    TooManySignIns { retry_after: Duration },
    /// Somebody who is signed in shows another password than theirs, in this field.
    #[error("{0} is not the current password")]
    WrongPassword(&'static str),
    /// The same, again and again.
    #[error("Too many wrong passwords.")]
    TooManyWrongPasswords { retry_after: Duration },
    /// Somebody without a password signed in too long ago.
    #[error("Your account has no password. Sign in again with AT Protocol, then do this within ten minutes.")]
    SignInAgain,
    #[error("Too many sign-ups.")]
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
            Error::NotLetIn(_) | Error::Suspended | Error::SignInAgain => Self::new(&FORBIDDEN, error.to_string()),
            Error::LinkVoid => Self::new(&NOT_FOUND, error.to_string()),
            Error::TooManySignIns { retry_after } => {
                too_many("Too many sign-ins with this handle or from this network have failed.", retry_after)
            }
            Error::WrongPassword(field) => Self::invalid(field, "That is not your current password."),
            Error::TooManyWrongPasswords { retry_after } => too_many("Too many wrong passwords.", retry_after),
            Error::TooManySignUps { retry_after } => {
                too_many("Too many people are signing up from this network.", retry_after)
            }
            Error::Busy => Self::new(&UNAVAILABLE, "Too many people are signing in at the moment.").retry_after(1),
            Error::Passwords(_) => Self::internal(error.to_string()),
        }
    }
}

fn too_many(what: &str, retry_after: Duration) -> Problem {
    Problem::new(&TOO_MANY_REQUESTS, what).retry_after(whole_seconds(retry_after))
}

pub(super) const WRONG_CREDENTIALS: Error = Error::Refused("The handle or the password is wrong.");
