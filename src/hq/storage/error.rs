//! What can go wrong with storage, without naming what stores.

use rusqlite::ErrorCode;

/// Why storage did not do what it was asked to. Nothing of the transaction is left.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// There is no room on the disk. It works again, without a restart, once there is.
    #[error("the disk is full")]
    Full,
    /// A transaction that shared the commit failed so badly that the database undid them all.
    #[error("undone together with another transaction that failed; try again")]
    Undone,
    /// The writer has stopped: the program is shutting down.
    #[error("the database has been closed")]
    Closed,
    /// What is stored cannot be what this program wrote.
    #[error("the database holds something that cannot be read: {0}")]
    Damaged(String),
    /// A number from outside is larger than storage can hold.
    #[error("{0} is larger than the database can hold")]
    TooLarge(u64),
    /// Anything else: the disk, permissions, a bug.
    #[error("the database failed: {0}")]
    Failed(String),
}

/// Why a database cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("{path} is in use by another process")]
    InUse {
        /// The database's file.
        path: String,
    },
    /// A newer program has written it.
    #[error("{path} was written by a newer version of this program; use that one or a newer one")]
    Newer {
        /// The database's file.
        path: String,
    },
    /// The file is not a database, or a damaged one. It is left as it is.
    #[error("{path} is not a readable database: {reason}. It was left as it is; restore a backup under another name")]
    Unreadable {
        /// The database's file.
        path: String,
        /// What was found.
        reason: String,
    },
    /// The file or its folder cannot be used.
    #[error("{path} cannot be opened: {reason}")]
    Io {
        /// The database's file.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// It opened, and then a step failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<rusqlite::Error> for StorageError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged(error.to_string()),
            Some(_) => Self::Failed(error.to_string()),
            None => match error {
                rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::InvalidColumnType(..) => Self::Damaged(error.to_string()),
                other => Self::Failed(other.to_string()),
            },
        }
    }
}
