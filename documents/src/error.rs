//! Errors on their way out of the engine.

use crate::DocumentError;

/// A caller's error or the store's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// What the caller is told.
    Document(DocumentError),
    /// The call's time is over, or a bound on it ended a statement.
    Deadline,
    /// The disk or the database's page limit is full; nothing was stored.
    Full,
    /// SQLite failed otherwise.
    Storage(String),
}

impl From<DocumentError> for Error {
    fn from(error: DocumentError) -> Self {
        Self::Document(error)
    }
}
