//! What Cloudinary's answers mean to a caller.

use pingtalk_capabilities::blobs::BlobError;
use reqwest::StatusCode;
use serde::Deserialize;

/// Why a call failed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// An upload as `image` that Cloudinary can't read as one.
    NotAPicture,
    /// All else.
    Blob(BlobError),
}

impl From<BlobError> for Failure {
    fn from(error: BlobError) -> Self {
        Self::Blob(error)
    }
}

#[derive(Deserialize)]
struct Answer {
    error: Reason,
}

#[derive(Deserialize)]
struct Reason {
    message: String,
}

/// The meaning of an answer that is no success: `{"error": {"message": …}}` with a status. The
/// message's text decides where the status says too little, and is not passed on: it quotes the
/// request.
pub(crate) fn refusal(status: StatusCode, body: &[u8]) -> Failure {
    let message = serde_json::from_slice::<Answer>(body).map_or(String::new(), |a| a.error.message);
    if status == StatusCode::BAD_REQUEST {
        if message.starts_with("Invalid image file") {
            return Failure::NotAPicture;
        }
        if message.starts_with("File size too large") {
            return Failure::Blob(BlobError::TooLarge);
        }
    }
    let reason = match status.as_u16() {
        401 if message.starts_with("Stale request") => {
            "Cloudinary finds the request too old: is this machine's clock right?".to_owned()
        }
        401 if message.starts_with("Invalid Signature") => {
            "Cloudinary refuses the signature: is the API secret right?".to_owned()
        }
        401 | 403 => "Cloudinary refuses the API key".to_owned(),
        420 | 429 => "Cloudinary's rate limit is reached".to_owned(),
        status => format!("Cloudinary failed (status {status})"),
    };
    Failure::Blob(BlobError::Unavailable(reason))
}

/// A call that got no answer. The client's own text is not passed on: it holds the URL.
pub(crate) fn unreachable(error: &reqwest::Error) -> BlobError {
    let reason = if error.is_connect() {
        "Cloudinary can't be reached"
    } else if error.is_timeout() {
        "Cloudinary does not answer in time"
    } else {
        "the connection to Cloudinary broke"
    };
    BlobError::Unavailable(reason.to_owned())
}

pub(crate) fn unavailable(reason: &str) -> BlobError {
    BlobError::Unavailable(reason.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;

    #[test]
    fn answers_have_their_class() {
        let answer = |status: u16, message: &str| {
            let body = serde_json::json!({ "error": { "message": message } }).to_string();
            refusal(StatusCode::from_u16(status).unwrap(), body.as_bytes())
        };
        assert_eq!(answer(400, "Invalid image file"), Failure::NotAPicture);
        assert_eq!(
            answer(400, "File size too large. Got 28078738. Maximum is 10485760."),
            Failure::Blob(BlobError::TooLarge)
        );
        let stale = "Stale request - reported time is … which is more than 1 hour ago";
        for (status, message, sign) in [
            (401, "Invalid Signature 0a. String to sign - 'timestamp=1'.", "API secret"),
            (401, stale, "clock"),
            (401, "Invalid api_key k", "API key"),
            (403, "no", "API key"),
            (420, "Rate Limit Exceeded", "rate limit"),
            (429, "", "rate limit"),
            (400, "something new", "status 400"),
            (500, "", "status 500"),
        ] {
            let Failure::Blob(BlobError::Unavailable(reason)) = answer(status, message) else {
                panic!("{status} {message}");
            };
            assert!(reason.contains(sign), "{reason}");
        }
        let page = refusal(StatusCode::BAD_GATEWAY, b"<html>");
        assert!(matches!(page, Failure::Blob(BlobError::Unavailable(_))));
    }
}
