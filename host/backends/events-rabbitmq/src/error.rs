//! Errors on their way from the broker to the caller.

use std::time::Duration;

use lapin::{ErrorKind, protocol::AMQPError};
use pingtalk_capabilities::events::EventError;

/// The broker does not know what was named.
pub(crate) const NOT_FOUND: u16 = 404;
/// Somebody else has it exclusively.
pub(crate) const RESOURCE_LOCKED: u16 = 405;

/// A failure of a call to the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Error {
    /// The caller's fault.
    Invalid(String),
    /// May be tried again. The text holds no secret.
    Unavailable(String),
}

impl Error {
    pub(crate) fn away(text: impl Into<String>) -> Self {
        Self::Unavailable(text.into())
    }

    pub(crate) fn too_slow(after: Duration) -> Self {
        Self::Unavailable(format!("the broker did not answer within {after:?}"))
    }
}

impl From<lapin::Error> for Error {
    fn from(error: lapin::Error) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<Error> for EventError {
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid(text) => Self::Invalid(text),
            Error::Unavailable(text) => Self::Unavailable(text),
        }
    }
}

/// The broker's reply code, when the broker itself refused.
pub(crate) fn code(error: &lapin::Error) -> Option<u16> {
    match error.kind() {
        ErrorKind::ProtocolError(error) => Some(AMQPError::get_id(error)),
        _ => None,
    }
}
