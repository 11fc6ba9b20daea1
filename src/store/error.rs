//! What can go wrong with the disk and the database, without the name of the library that says so.

use std::convert::Infallible;

use rusqlite::ErrorCode;

/// Why a read or a write did not happen. Nothing of the transaction is kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// No room. Once there is room again the next write succeeds; no restart is needed.
    #[error("the disk is full: {0}")]
    Full(String),
    /// The disk failed or may not be written.
    #[error("the disk failed: {0}")]
    Disk(String),
    /// The file's content is damaged.
    #[error("the database is damaged: {0}")]
    Corrupt(String),
    /// Another connection held a lock for too long.
    #[error("the database is busy: {0}")]
    Busy(String),
    /// More requests wait for the writer than it takes. Try again.
    #[error("too many requests wait to be written")]
    Overloaded,
    /// The writer has stopped, or it failed in the middle of this request.
    #[error("the writer has stopped")]
    Stopped,
    /// Another request of the same group failed in a way that took the whole group with it. Try again.
    #[error("another request took this one with it")]
    Undone,
    /// Rows contradict each other, or a row holds what no version of this program wrote.
    #[error("the database contradicts itself: {0}")]
    Inconsistent(String),
    /// Anything else that the database said; a defect of this program.
    #[error("the database refused: {0}")]
    Other(String),
}

impl StorageError {
    /// Whether the error comes from the disk rather than from one request, so that it ends a whole group.
    #[must_use]
    pub const fn ends_group(&self) -> bool {
        matches!(
            self,
            Self::Full(_) | Self::Disk(_) | Self::Corrupt(_) | Self::Busy(_) | Self::Stopped | Self::Undone
        )
    }

    /// For a column that does not hold what it should.
    pub(super) fn unreadable(what: &str, error: impl std::fmt::Display) -> Self {
        Self::Inconsistent(format!("{what}: {error}"))
    }
}

impl From<rusqlite::Error> for StorageError {
    fn from(error: rusqlite::Error) -> Self {
        let text = error.to_string();
        if matches!(
            error,
            rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
        ) {
            return Self::Inconsistent(text);
        }
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full(text),
            Some(
                ErrorCode::SystemIoFailure
                | ErrorCode::ReadOnly
                | ErrorCode::CannotOpen
                | ErrorCode::PermissionDenied
                | ErrorCode::FileLockingProtocolFailed
                | ErrorCode::OutOfMemory,
            ) => Self::Disk(text),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Corrupt(text),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy(text),
            Some(ErrorCode::ConstraintViolation) => Self::Inconsistent(text),
            _ => Self::Other(text),
        }
    }
}

/// Why a job's transaction was not kept: a rule said no, or the disk did.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure<R> {
    /// A business rule refused it; the answer is for the person who asked.
    #[error("{0}")]
    Refused(R),
    /// The store failed.
    #[error(transparent)]
    Storage(StorageError),
}

impl<R> From<StorageError> for Failure<R> {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

impl<R> Failure<R> {
    /// The refusal in another operation's words.
    pub fn map_refusal<S>(self, words: impl FnOnce(R) -> S) -> Failure<S> {
        match self {
            Self::Refused(refusal) => Failure::Refused(words(refusal)),
            Self::Storage(error) => Failure::Storage(error),
        }
    }
}

impl From<Failure<Infallible>> for StorageError {
    fn from(failure: Failure<Infallible>) -> Self {
        match failure {
            Failure::Refused(never) => match never {},
            Failure::Storage(error) => error,
        }
    }
}
