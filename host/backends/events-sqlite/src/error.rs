//! Errors on their way from SQLite to the caller.

use pingtalk_capabilities::events::EventError;
use pingtalk_sqlite_thread::Failure;

/// A failure of the database. Every one may be tried again.
#[derive(Debug)]
pub(crate) struct Error(pub(crate) Failure);

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self(failure)
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Self(error.into())
    }
}

impl From<Error> for EventError {
    fn from(error: Error) -> Self {
        Self::Unavailable(error.0.to_string())
    }
}
