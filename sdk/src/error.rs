//! The one error of a service: what the client may see, and what only the log may.
//!
//! Which to use where: a handler that refuses a request uses a status constructor
//! ([`Error::bad_request`] and its kin) with the words of the contract. A failed capability call
//! turns into an error with `?`: 503, 504 or 507 when the host is at fault and trying again
//! makes sense, 500 without detail when the service itself is.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};

use crate::{
    BodyError, Response, VariableError, blobs::BlobError, documents::DocumentError, log,
    outbound::OutboundError, sockets::SocketError,
};

/// Seconds after which a client may try again when the platform was away.
const RETRY_AFTER_SECONDS: u32 = 2;

/// A service's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The JSON field that carries the text. The contract knows two shapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Message,
    Error,
}

/// A refusal or a failure, ready to be answered.
#[derive(Debug, Clone)]
pub struct Error {
    status: StatusCode,
    text: Cow<'static, str>,
    shape: Shape,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// For the log alone.
    detail: Option<String>,
}

impl Error {
    /// `{"message": text}` with a status.
    pub fn new(status: StatusCode, text: impl Into<Cow<'static, str>>) -> Self {
        Self { status, text: text.into(), shape: Shape::Message, headers: Vec::new(), detail: None }
    }

    /// 400: the request is wrong.
    pub fn bad_request(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }

    /// 401: who are you?
    pub fn unauthorized(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, text)
    }

    /// 403: not yours.
    pub fn forbidden(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, text)
    }

    /// 404: not there.
    pub fn not_found(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, text)
    }

    /// 413: over a bound.
    pub fn too_large(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, text)
    }

    /// 429 with `Retry-After` in seconds.
    pub fn too_many_requests(text: impl Into<Cow<'static, str>>, retry_after: u64) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, text)
            .header(header::RETRY_AFTER, &retry_after.to_string())
    }

    /// 503 with `Retry-After`: something the service needs is away. `detail` goes to the log.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "Service temporarily unavailable")
            .header(header::RETRY_AFTER, &RETRY_AFTER_SECONDS.to_string())
            .detail(detail)
    }

    /// 500: the service is at fault. `detail` goes to the log and nowhere else.
    pub fn internal(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error").detail(detail)
    }

    /// The contract's `{"error": "Invalid or expired token"}`, 401.
    #[must_use]
    pub fn invalid_token() -> Self {
        Self::unauthorized("Invalid or expired token").as_error_field()
    }

    /// Answers `{"error": text}` instead of `{"message": text}`.
    #[must_use]
    pub fn as_error_field(mut self) -> Self {
        self.shape = Shape::Error;
        self
    }

    /// Adds a header to the answer. A value that can't be one is left out.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }

    /// Adds what the log should say and the client must not see.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// The status a client gets.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The text a client gets.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// True when the same call may succeed later: the platform is away or late.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        matches!(
            self.status,
            StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::GATEWAY_TIMEOUT
                | StatusCode::TOO_MANY_REQUESTS
        )
    }

    /// True for a refusal (4xx): the caller must change something.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        self.status.is_client_error()
    }

    /// The answer. Logs what is not the client's fault; this is the one place that does.
    #[must_use]
    pub fn into_response(self) -> Response {
        self.log();
        let field = match self.shape {
            Shape::Message => "message",
            Shape::Error => "error",
        };
        let body = serde_json::json!({ field: self.text });
        let mut response = Response::bytes(
            self.status,
            "application/json; charset=utf-8",
            Bytes::from(body.to_string()),
        );
        for (name, value) in self.headers {
            response = response.header_value(name, value);
        }
        response
    }

    /// Writes a failure (not a refusal) to the log.
    pub(crate) fn log(&self) {
        if self.status.is_server_error() {
            log::error(
                "request failed",
                &[
                    ("status", &self.status.as_u16()),
                    ("detail", &self.detail.as_deref().unwrap_or(&self.text)),
                ],
            );
        }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.status.as_u16(), self.text)?;
        match &self.detail {
            Some(detail) => write!(f, " ({detail})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

fn late(detail: &str) -> Error {
    Error::new(StatusCode::GATEWAY_TIMEOUT, "The request took too long").detail(detail)
}

fn no_room() -> Error {
    Error::new(StatusCode::INSUFFICIENT_STORAGE, "Storage quota exceeded")
}

impl From<DocumentError> for Error {
    fn from(error: DocumentError) -> Self {
        match error {
            DocumentError::Unavailable(detail) => Self::unavailable(format!("documents: {detail}")),
            DocumentError::DeadlineExceeded => late("documents: deadline exceeded"),
            DocumentError::QuotaExceeded => no_room(),
            // A service that lets these through did not foresee them.
            other => Self::internal(format!("documents: {other}")),
        }
    }
}

impl From<BlobError> for Error {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::TooLarge => Self::too_large("File is too large"),
            BlobError::Unavailable(detail) => Self::unavailable(format!("blobs: {detail}")),
            BlobError::QuotaExceeded => no_room(),
            other => Self::internal(format!("blobs: {other}")),
        }
    }
}

impl From<SocketError> for Error {
    fn from(error: SocketError) -> Self {
        match error {
            SocketError::Unavailable(detail) => Self::unavailable(format!("sockets: {detail}")),
            other => Self::internal(format!("sockets: {other}")),
        }
    }
}

impl From<OutboundError> for Error {
    fn from(error: OutboundError) -> Self {
        match error {
            OutboundError::TimedOut => late("outbound http: timed out"),
            other => Self::new(StatusCode::BAD_GATEWAY, "An upstream server failed")
                .detail(format!("outbound http: {other}")),
        }
    }
}

impl From<VariableError> for Error {
    fn from(error: VariableError) -> Self {
        Self::internal(error.to_string())
    }
}

impl From<BodyError> for Error {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge { limit } => {
                Self::too_large(format!("Request body is over the limit of {limit} bytes"))
            }
            BodyError::Aborted(detail) => {
                Self::bad_request("Request body was cut short").detail(detail)
            }
        }
    }
}
