//! Why a command brought no answer, sorted by what a caller must assume.

use redis::{ErrorKind, RedisError, ServerErrorKind};

/// Why a command brought no answer. Callers of a cache go on without it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Away {
    /// There is no connection; nothing was sent.
    #[error("Redis can't be reached")]
    Disconnected,
    /// The connection broke while the answer was awaited: the command may have taken effect.
    #[error("the connection to Redis broke")]
    Interrupted,
    /// No answer in time: the command may have taken effect, or still will unless the connection
    /// is replaced, which it is when the time-out was [`crate::Config::command_timeout`].
    #[error("Redis did not answer in time")]
    TimedOut,
    /// The server answered with an error, here its code and text: the command had no effect.
    #[error("Redis refused: {code} {detail}")]
    Refused {
        /// Such as `WRONGTYPE` or `OOM`; `ERR` in general.
        code: String,
        /// The server's words. They name no value.
        detail: String,
    },
    /// The answer is of another kind than was asked for.
    #[error("Redis gave an answer of an unexpected kind")]
    Unexpected,
}

impl Away {
    /// Whether the command may have taken effect all the same.
    #[must_use]
    pub fn is_ambiguous(&self) -> bool {
        matches!(self, Self::Interrupted | Self::TimedOut | Self::Unexpected)
    }

    /// Whether another connection might fare better: a replica that can't write, a server that is
    /// still loading, a password that was changed.
    pub(crate) fn wants_another_connection(&self) -> bool {
        let codes = ["READONLY", "LOADING", "MASTERDOWN", "NOAUTH"];
        matches!(self, Self::Refused { code, .. } if codes.contains(&code.as_str()))
    }
}

impl From<RedisError> for Away {
    fn from(error: RedisError) -> Self {
        match error.kind() {
            ErrorKind::Io | ErrorKind::Client => Self::Interrupted,
            ErrorKind::UnexpectedReturnType | ErrorKind::Parse => Self::Unexpected,
            ErrorKind::AuthenticationFailed => Self::Refused {
                code: "WRONGPASS".to_owned(),
                detail: "the user or password is wrong".to_owned(),
            },
            ErrorKind::Server(ServerErrorKind::ResponseError) | ErrorKind::Extension => {
                refused(&error)
            }
            _ if error.code().is_some() => refused(&error),
            _ => Self::Interrupted,
        }
    }
}

fn refused(error: &RedisError) -> Away {
    Away::Refused {
        code: error.code().unwrap_or("ERR").to_owned(),
        detail: error.detail().unwrap_or_default().to_owned(),
    }
}
