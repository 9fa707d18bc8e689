//! The driver's errors as the trait classifies them. The one place that knows the server's codes.

use mongodb::error::{Error, ErrorKind, WriteFailure};
use pingtalk_capabilities::documents::DocumentError;

/// The longest text taken over from a server.
const MAX_TEXT: usize = 300;

/// Codes that say "not now": elections, shutdowns, overload, lost connections between servers,
/// failed write concerns, locks, full disks, credentials an operator must mend.
const NOT_NOW: &[i32] = &[
    1, 6, 7, 8, 13, 18, 24, 46, 63, 64, 75, 79, 89, 91, 100, 112, 133, 134, 189, 202, 225, 262,
    290, 317, 334, 358, 384, 391, 402, 462, 8000, 9001, 10058, 10107, 11600, 11601, 11602, 13388,
    13435, 13436, 14031,
];
/// The server ended the operation at its time limit.
const TIME_LIMIT: i32 = 50;
/// A unique index was broken, in the words of several versions.
const DUPLICATE: &[i32] = &[11_000, 11_001, 12_582];

/// The caller's fault, said in words.
pub(crate) fn invalid(text: impl Into<String>) -> DocumentError {
    DocumentError::Invalid(text.into())
}

/// Something in the store that this code did not write like that.
pub(crate) fn damaged(what: &str) -> DocumentError {
    DocumentError::Unavailable(format!("unreadable: {what}"))
}

/// Classifies what the driver says. A broken unique index is `Conflict` with the index's name, or
/// nothing where the server names none.
pub(crate) fn classify(error: &Error) -> DocumentError {
    match error.kind.as_ref() {
        ErrorKind::Command(error) => by_code(error.code, &error.message),
        ErrorKind::Write(WriteFailure::WriteError(error)) => by_code(error.code, &error.message),
        // The write may have happened on too few members.
        ErrorKind::Write(WriteFailure::WriteConcernError(error)) => {
            DocumentError::Unavailable(short(&error.message))
        }
        ErrorKind::InvalidArgument { message, .. } => invalid(short(message)),
        ErrorKind::BsonSerialization(error) => invalid(short(&error.to_string())),
        // The driver's own words for these hold addresses, never credentials.
        ErrorKind::Io(error) => DocumentError::Unavailable(format!("MongoDB: {}", error.kind())),
        ErrorKind::ServerSelection { .. } => {
            DocumentError::Unavailable("no MongoDB server can be reached".to_owned())
        }
        ErrorKind::ConnectionPoolCleared { .. } => {
            DocumentError::Unavailable("the connection to MongoDB was lost".to_owned())
        }
        ErrorKind::Authentication { .. } => {
            DocumentError::Unavailable("MongoDB refuses the credentials".to_owned())
        }
        other => DocumentError::Unavailable(short(&other.to_string())),
    }
}

/// Classifies a code the server answered with.
pub(crate) fn by_code(code: i32, message: &str) -> DocumentError {
    // FerretDB on SQLite hands SQLite's words on for an update, under the code of internal errors.
    if DUPLICATE.contains(&code) || message.contains("UNIQUE constraint failed") {
        DocumentError::Conflict(index_named_in(message).to_owned())
    } else if code == TIME_LIMIT {
        DocumentError::DeadlineExceeded
    } else if NOT_NOW.contains(&code) {
        DocumentError::Unavailable(format!("MongoDB: {} ({code})", short(message)))
    } else {
        invalid(short(message))
    }
}

/// MongoDB writes `… index: emailId_1 dup key: { … }`; the keys are somebody's data and stay here.
fn index_named_in(message: &str) -> &str {
    message
        .split_once("index: ")
        .and_then(|(_, rest)| rest.split_whitespace().next())
        .unwrap_or_default()
}

fn short(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_fall_into_their_classes() {
        let duplicate = "E11000 duplicate key error collection: a.b index: emailId_1 dup key: { emailId: \"x\" }";
        assert_eq!(by_code(11_000, duplicate), DocumentError::Conflict("emailId_1".to_owned()));
        let unnamed = "E11000 duplicate key error collection: a.b";
        assert_eq!(by_code(11_000, unnamed), DocumentError::Conflict(String::new()));
        assert_eq!(by_code(50, ""), DocumentError::DeadlineExceeded);
        assert!(matches!(by_code(10_107, "not primary"), DocumentError::Unavailable(_)));
        assert!(matches!(by_code(2, "bad value"), DocumentError::Invalid(_)));
    }
}
