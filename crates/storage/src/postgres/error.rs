//! What PostgreSQL's errors mean to callers: run it again, wait, or look for the defect.

use std::time::Duration;

use cardwire_domain::accounts::is_leaving;

/// Why a statement has no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Sqlx(#[from] sqlx::Error),
    #[error("no answer within {0:?}")]
    NoAnswer(Duration),
    #[error("{0}")]
    Nonsense(String),
    /// A row has changed since it was read.
    #[error("a row was changed meanwhile")]
    Changed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    Stale,
    Unavailable,
    Corrupt,
}

/// By SQLSTATE, see appendix A of PostgreSQL's manual.
fn meaning(code: &str) -> Meaning {
    match code {
        // A constraint that another transaction filled first; serialization; deadlock.
        "23505" | "23503" | "40001" | "40P01" => Meaning::Stale,
        // A lock not granted in time; idle in transaction for too long; a server that takes no writes.
        "55P03" | "25P03" | "25006" => Meaning::Unavailable,
        // Connection, authorization, a database that is not there, resources, operator intervention (time-outs, shutdown), system.
        _ if ["08", "28", "3D", "53", "57", "58"].iter().any(|class| code.starts_with(class)) => Meaning::Unavailable,
        _ => Meaning::Corrupt,
    }
}

impl Failure {
    fn meaning(&self) -> Meaning {
        match self {
            Self::NoAnswer(_) => Meaning::Unavailable,
            Self::Nonsense(_) => Meaning::Corrupt,
            Self::Changed => Meaning::Stale,
            Self::Sqlx(error) => match error {
                sqlx::Error::Database(error) => error.code().map_or(Meaning::Corrupt, |code| meaning(&code)),
                sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                // A server, or a proxy in front of it, that stopped in the middle of a message.
                | sqlx::Error::Protocol(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed
                | sqlx::Error::BeginFailed => Meaning::Unavailable,
                _ => Meaning::Corrupt,
            },
        }
    }

    /// Whether the connection can be used again: its state is known, and its server can still be used. After a failover
    /// the old master answers 25006, because another server takes the writes now.
    pub(super) fn leaves_connection_usable(&self) -> bool {
        match self {
            Self::Sqlx(sqlx::Error::Database(error)) => {
                !error.code().is_some_and(|code| code.starts_with("57P") || code == "25006")
            }
            Self::Sqlx(sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_))
            | Self::Nonsense(_)
            | Self::Changed => true,
            _ => false,
        }
    }

    /// Class 42: syntax, undefined objects, missing privileges.
    fn is_about_schema(&self) -> bool {
        matches!(self, Self::Sqlx(sqlx::Error::Database(error)) if error.code().is_some_and(|code| code.starts_with("42")))
    }

    /// Whether it would happen again with the same rows, but not with others.
    pub(super) fn is_about_data(&self) -> bool {
        self.meaning() == Meaning::Corrupt && !self.is_about_schema()
    }

    /// For transactions that write effects: their events stay owed, so anything that may pass is `Unavailable`.
    pub(super) fn of_effect(self) -> cardwire_domain::Error {
        match self.meaning() {
            // A missing or forbidden table is not the payload's fault: it passes once an operator has fixed it.
            Meaning::Corrupt if self.is_about_schema() => cardwire_domain::Error::Unavailable(self.to_string()),
            Meaning::Corrupt => cardwire_domain::Error::Corrupt(self.to_string()),
            Meaning::Stale | Meaning::Unavailable => cardwire_domain::Error::Unavailable(self.to_string()),
        }
    }
}

/// Raised by a statement on behalf of somebody whose account is being deleted.
const LEAVES: &str = "LEAVE";

impl From<Failure> for cardwire_domain::Error {
    fn from(failure: Failure) -> Self {
        if let Failure::Sqlx(sqlx::Error::Database(error)) = &failure
            && error.code().is_some_and(|code| code == LEAVES)
        {
            return is_leaving();
        }
        match failure.meaning() {
            Meaning::Stale => Self::Stale,
            Meaning::Unavailable => Self::Unavailable(failure.to_string()),
            Meaning::Corrupt => Self::Corrupt(failure.to_string()),
        }
    }
}

impl From<Failure> for cardwire_events::Error {
    fn from(failure: Failure) -> Self {
        match failure.meaning() {
            Meaning::Stale | Meaning::Unavailable => Self::Unavailable("the event log", failure.to_string()),
            Meaning::Corrupt => Self::Corrupt("the event log", failure.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_breaks_off_is_away() {
        let broken = Failure::Sqlx(sqlx::Error::Protocol("unexpected response from SSLRequest: 0x00".into()));
        assert_eq!(broken.meaning(), Meaning::Unavailable);
        assert!(!broken.leaves_connection_usable());
    }

    #[test]
    fn callers_learn_whether_to_run_it_again_or_to_wait() {
        for code in ["23505", "23503", "40001", "40P01"] {
            assert_eq!(meaning(code), Meaning::Stale, "{code}");
        }
        for code in
            ["08006", "53300", "57014", "57P01", "57P02", "57P03", "55P03", "25P03", "25006", "28P01", "3D000", "58030"]
        {
            assert_eq!(meaning(code), Meaning::Unavailable, "{code}");
        }
        for code in ["42601", "22P05", "23514", "XX000"] {
            assert_eq!(meaning(code), Meaning::Corrupt, "{code}");
        }
    }
}
