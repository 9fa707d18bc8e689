//! Errors on their way from SQLite to the caller.

use pingtalk_capabilities::documents::DocumentError;
use pingtalk_sqlite_thread::Failure;

/// A caller's error or the store's; told apart until the boundary, because the store's own are
/// classified in one place, below.
#[derive(Debug)]
pub(crate) enum Error {
    Document(DocumentError),
    Failure(Failure),
}

impl From<DocumentError> for Error {
    fn from(error: DocumentError) -> Self {
        Self::Document(error)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failure(error.into())
    }
}

impl From<pingtalk_documents::Error> for Error {
    fn from(error: pingtalk_documents::Error) -> Self {
        use pingtalk_documents::Error as Engine;
        match error {
            Engine::Document(error) => Self::Document(error),
            Engine::Deadline => Self::Failure(Failure::Deadline),
            Engine::Full => Self::Failure(Failure::Full),
            Engine::Storage(text) => Self::Failure(Failure::Storage(text)),
        }
    }
}

impl From<Error> for DocumentError {
    fn from(error: Error) -> Self {
        match error {
            Error::Document(error) => error,
            Error::Failure(Failure::Deadline) => Self::DeadlineExceeded,
            Error::Failure(failure) => Self::Unavailable(failure.to_string()),
        }
    }
}
