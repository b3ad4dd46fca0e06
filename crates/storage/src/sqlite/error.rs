//! What SQLite's errors mean to callers: run it again, wait, or look for the defect.

use rusqlite::ErrorCode;

/// Why a job has no result.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error("{0}")]
    Nonsense(String),
    /// A row has changed since it was read.
    #[error("a row was changed meanwhile")]
    Changed,
    /// The commit failed; nothing of it is stored.
    #[error("{0}")]
    NotCommitted(String),
    /// The request breaks a rule.
    #[error(transparent)]
    Refused(cardwire_domain::Error),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    Stale,
    Unavailable,
    Corrupt,
}

impl Failure {
    fn meaning(&self) -> Meaning {
        match self {
            Self::Changed => Meaning::Stale,
            Self::NotCommitted(_) => Meaning::Unavailable,
            Self::Nonsense(_) | Self::Refused(_) => Meaning::Corrupt,
            Self::Sqlite(error) => match error.sqlite_error_code() {
                // Somebody else filled it first.
                Some(ErrorCode::ConstraintViolation) if is_about_keys(error) => Meaning::Stale,
                // Locked, disk full, file gone, disk failing: it passes, or an operator fixes it.
                Some(
                    ErrorCode::DatabaseBusy
                    | ErrorCode::DatabaseLocked
                    | ErrorCode::DiskFull
                    | ErrorCode::CannotOpen
                    | ErrorCode::ReadOnly
                    | ErrorCode::SystemIoFailure
                    | ErrorCode::OutOfMemory
                    | ErrorCode::FileLockingProtocolFailed
                    | ErrorCode::PermissionDenied
                    | ErrorCode::OperationInterrupted,
                ) => Meaning::Unavailable,
                _ => Meaning::Corrupt,
            },
        }
    }

    /// Whether it would happen again with the same rows, but not with others.
    pub(super) fn is_about_data(&self) -> bool {
        self.meaning() == Meaning::Corrupt && !self.is_about_schema()
    }

    /// A missing table or column, or a damaged file: not the payload's fault.
    fn is_about_schema(&self) -> bool {
        let Self::Sqlite(error) = self else { return false };
        matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::Unknown | ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::SchemaChanged)
        )
    }

    /// For transactions that write effects: their events stay owed, so anything that may pass is `Unavailable`.
    pub(super) fn of_effect(self) -> cardwire_domain::Error {
        match self.meaning() {
            Meaning::Corrupt if !self.is_about_schema() => cardwire_domain::Error::Corrupt(self.to_string()),
            _ => cardwire_domain::Error::Unavailable(self.to_string()),
        }
    }
}

/// Unique, primary and foreign keys. A value that a CHECK refuses is a defect.
fn is_about_keys(error: &rusqlite::Error) -> bool {
    use rusqlite::ffi::{
        SQLITE_CONSTRAINT_FOREIGNKEY, SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_ROWID, SQLITE_CONSTRAINT_UNIQUE,
    };
    error.sqlite_error().is_some_and(|error| {
        [SQLITE_CONSTRAINT_FOREIGNKEY, SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_ROWID, SQLITE_CONSTRAINT_UNIQUE]
            .contains(&error.extended_code)
    })
}

impl From<Failure> for cardwire_domain::Error {
    fn from(failure: Failure) -> Self {
        match (failure.meaning(), failure) {
            (_, Failure::Refused(error)) => error,
            (Meaning::Stale, _) => Self::Stale,
            (Meaning::Unavailable, failure) => Self::Unavailable(failure.to_string()),
            (Meaning::Corrupt, failure) => Self::Corrupt(failure.to_string()),
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
