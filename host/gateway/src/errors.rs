//! Every error a client can see is built here: `{"message": "…"}` with its status.
//!
//! Messages are fixed texts. Why a component failed stands in the log, never in a response.

use bytes::Bytes;
use http::{
    HeaderValue, Response, StatusCode,
    header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER},
};
use pingtalk_capabilities::calls::{BodyError, CallError};

use pingtalk_front::headers;

use crate::{body::Outgoing, request_id::RequestId};

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// Seconds after which a client should try again when the host itself is busy.
const BUSY_SECONDS: u64 = 1;

/// An answer that says what went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Problem {
    status: StatusCode,
    body: &'static str,
    retry_after: Option<u64>,
    /// What follows on the connection can't be trusted or won't be read.
    close: bool,
}

macro_rules! problems {
    ($($(#[$doc:meta])* $name:ident = $status:ident, $message:literal;)*) => {$(
        $(#[$doc])*
        pub(crate) const $name: Problem = Problem {
            status: StatusCode::$status,
            body: concat!("{\"message\":\"", $message, "\"}"),
            retry_after: None,
            close: false,
        };
    )*};
}

problems! {
    NOT_FOUND = NOT_FOUND, "Not found";
    METHOD_NOT_ALLOWED = METHOD_NOT_ALLOWED, "Method not allowed";
    UNKNOWN_HOST = MISDIRECTED_REQUEST, "Unknown host";
    BAD_HOST = BAD_REQUEST, "Missing, repeated or malformed Host header";
    BAD_PATH = BAD_REQUEST, "Malformed path";
    BAD_REQUEST = BAD_REQUEST, "Malformed request";
    BAD_BODY = BAD_REQUEST, "The request body ended early";
    ORIGIN_NOT_ALLOWED = FORBIDDEN, "Origin not allowed";
    REQUEST_TIMEOUT = REQUEST_TIMEOUT, "The request took too long to arrive";
    BODY_TOO_LARGE = PAYLOAD_TOO_LARGE, "The request body is too large";
    URI_TOO_LONG = URI_TOO_LONG, "The request target is too long";
    HEADERS_TOO_LARGE = REQUEST_HEADER_FIELDS_TOO_LARGE, "The request headers are too large";
    TOO_MANY_REQUESTS = TOO_MANY_REQUESTS, "Too many requests, please try again later";
    INTERNAL = INTERNAL_SERVER_ERROR, "Internal server error";
    UNAVAILABLE = SERVICE_UNAVAILABLE, "Service unavailable, please try again later";
    DEADLINE = GATEWAY_TIMEOUT, "The service took too long to answer";
}

impl Problem {
    pub(crate) const fn closing(mut self) -> Self {
        self.close = true;
        self
    }

    pub(crate) const fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    pub(crate) fn response(self) -> Response<Outgoing> {
        let mut response = Response::new(Outgoing::full(Bytes::from_static(self.body.as_bytes())));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, JSON);
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.close {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// The whole response as bytes, for a connection that hyper does not speak for.
    pub(crate) fn raw(self) -> Vec<u8> {
        let reason = self.status.canonical_reason().unwrap_or_default();
        let mut raw = format!(
            "HTTP/1.1 {} {reason}\r\ncontent-type: application/json; charset=utf-8\r\n\
             content-length: {}\r\nconnection: close\r\nx-request-id: {}\r\n",
            self.status.as_str(),
            self.body.len(),
            RequestId::generate().as_str(),
        );
        if let Some(seconds) = self.retry_after {
            raw.push_str(&format!("retry-after: {seconds}\r\n"));
        }
        for (name, value) in &headers::SECURITY {
            raw.push_str(name.as_str());
            raw.push_str(": ");
            raw.push_str(value.to_str().unwrap_or_default());
            raw.push_str("\r\n");
        }
        raw.push_str("\r\n");
        raw.push_str(self.body);
        raw.into_bytes()
    }
}

/// A component brought no answer.
impl From<CallError> for Problem {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Overloaded | CallError::InstanceLost | CallError::ShuttingDown => {
                UNAVAILABLE.retry_after(BUSY_SECONDS)
            }
            CallError::DeadlineExceeded => DEADLINE,
            CallError::Failed(_) => INTERNAL,
            CallError::NotExported => NOT_FOUND,
        }
    }
}

/// A request's body did not arrive as it should.
impl From<BodyError> for Problem {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge { .. } => BODY_TOO_LARGE.closing(),
            BodyError::TimedOut => REQUEST_TIMEOUT.closing(),
            BodyError::Aborted(_) => BAD_BODY.closing(),
        }
    }
}

/// The connection bound is reached.
pub(crate) const TOO_MANY_CONNECTIONS: Problem = UNAVAILABLE.retry_after(BUSY_SECONDS);

/// Our response in the place of the bare one that hyper sends when it can't parse a request.
pub(crate) fn in_place_of(bare: &[u8]) -> Vec<u8> {
    // "HTTP/1.1 431 …": the status is the three bytes after the ninth.
    let problem = match bare.get(9..12) {
        Some(b"431") => HEADERS_TOO_LARGE,
        Some(b"414") => URI_TOO_LONG,
        _ => BAD_REQUEST,
    };
    problem.raw()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{CallError, Problem, in_place_of};

    #[test]
    fn call_errors_have_their_statuses() {
        for (error, status, retry) in [
            (CallError::Overloaded, 503, Some(1)),
            (CallError::InstanceLost, 503, Some(1)),
            (CallError::ShuttingDown, 503, Some(1)),
            (CallError::DeadlineExceeded, 504, None),
            (CallError::Failed("secret".into()), 500, None),
            (CallError::NotExported, 404, None),
        ] {
            let problem = Problem::from(error);
            assert_eq!((problem.status.as_u16(), problem.retry_after), (status, retry));
            assert!(!problem.body.contains("secret"));
        }
    }

    #[test]
    fn a_raw_response_is_complete() {
        let raw = String::from_utf8(in_place_of(b"HTTP/1.1 431 Whatever\r\n\r\n")).unwrap();
        let (head, body) = raw.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"));
        assert!(head.contains("x-frame-options: DENY"));
        assert!(head.contains(&format!("content-length: {}", body.len())));
        assert_eq!(body, "{\"message\":\"The request headers are too large\"}");
    }
}
