//! What can go wrong below a query, sorted by what a caller can do about it.

use rusqlite::ErrorCode;

/// Why a job brought no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The queue is full; nothing has happened. Try again later.
    #[error("too many operations are waiting")]
    Overloaded,
    /// The thread has ended; nothing has happened.
    #[error("the store is closed")]
    Stopped,
    /// The caller's deadline passed. A write may have happened.
    #[error("the deadline passed")]
    Deadline,
    /// The disk or the database's page limit is full; nothing was stored.
    #[error("no space left")]
    Full,
    /// SQLite failed otherwise; nothing was stored.
    #[error("{0}")]
    Storage(String),
    /// A job panicked; nothing was stored.
    #[error("an operation failed unexpectedly")]
    Panicked,
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) => Self::Deadline,
            Some(ErrorCode::DiskFull) => Self::Full,
            // The code's own text: the full message may hold a path.
            Some(_) => match &error {
                rusqlite::Error::SqliteFailure(inner, _) => Self::Storage(inner.to_string()),
                other => Self::Storage(other.to_string()),
            },
            None => Self::Storage(error.to_string()),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::StorageFull {
            Self::Full
        } else {
            Self::Storage(error.kind().to_string())
        }
    }
}
