//! Requests to other servers, bounded in size and time. The host decides which servers may be
//! reached; redirects are not followed, so that each step is checked.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};

#[cfg(target_family = "wasm")] // A trait object needs no import.
use crate::Host;
use crate::platform::ThisHost;

/// Why a request brought no response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutboundError {
    /// The URL is no absolute http or https URL.
    #[error("not an http or https URL")]
    InvalidUrl,
    /// The manifest does not grant this host, or its address is not public.
    #[error("not granted: {0}")]
    Denied(String),
    /// It took longer than allowed.
    #[error("timed out")]
    TimedOut,
    /// The response is larger than allowed.
    #[error("response over {limit} bytes")]
    TooLarge {
        /// Bytes.
        limit: usize,
    },
    /// No connection, or a broken response. The text is for the log.
    #[error("failed: {0}")]
    Failed(String),
}

/// How large a response may be and how long it may take, connecting and all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the response's body.
    pub max_bytes: usize,
    /// From the call to the last byte.
    pub timeout: Duration,
}

/// A request.
#[derive(Debug, Clone)]
pub struct OutboundRequest {
    /// Method.
    pub method: Method,
    /// Absolute http or https URL.
    pub url: String,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
    /// Bounds.
    pub limits: Limits,
}

/// A response, read to its end.
#[derive(Debug, Clone)]
pub struct OutboundResponse {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

impl OutboundResponse {
    /// Where a redirect leads, as sent.
    #[must_use]
    pub fn location(&self) -> Option<&str> {
        let location = self.headers.get(http::header::LOCATION)?;
        self.status.is_redirection().then(|| location.to_str().ok()).flatten()
    }
}

/// Sends requests to other servers.
#[derive(Clone, Copy)]
pub struct Outbound<'a> {
    host: &'a ThisHost,
}

impl<'a> Outbound<'a> {
    pub(crate) fn new(host: &'a ThisHost) -> Self {
        Self { host }
    }

    /// Fetches a URL.
    ///
    /// # Errors
    /// [`OutboundError`]; a status of 4xx or 5xx is a response, not an error.
    pub async fn get(self, url: &str, limits: Limits) -> Result<OutboundResponse, OutboundError> {
        self.send(OutboundRequest {
            method: Method::GET,
            url: url.to_owned(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            limits,
        })
        .await
    }

    /// Sends any request.
    ///
    /// # Errors
    /// As [`Outbound::get`].
    pub async fn send(self, request: OutboundRequest) -> Result<OutboundResponse, OutboundError> {
        let https = request.url.get(..8).is_some_and(|s| s.eq_ignore_ascii_case("https://"));
        let http = request.url.get(..7).is_some_and(|s| s.eq_ignore_ascii_case("http://"));
        if !https && !http {
            return Err(OutboundError::InvalidUrl);
        }
        self.host.send(request).await
    }
}
