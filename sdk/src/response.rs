//! Responses. JSON is serialised once, into the bytes that are sent.

use std::borrow::Cow;

use bytes::Bytes;
use futures_util::Stream;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::{Body, BodyError, Cookie, Error};

const JSON: &str = "application/json; charset=utf-8";

/// A response's body.
#[derive(Debug)]
pub enum ResponseBody {
    /// All at once, with a `content-length`.
    Bytes(Bytes),
    /// Piece by piece.
    Stream(Body),
}

/// What a handler answers.
#[derive(Debug)]
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: ResponseBody,
}

impl Response {
    /// JSON with a status. A value that can't be JSON (a map with odd keys) becomes a 500.
    pub fn json(status: StatusCode, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(bytes) => Self::bytes(status, JSON, Bytes::from(bytes)),
            Err(error) => Error::internal(format!("response is not JSON: {error}")).into_response(),
        }
    }

    /// 200 with JSON.
    pub fn ok(value: &impl Serialize) -> Self {
        Self::json(StatusCode::OK, value)
    }

    /// 201 with JSON.
    pub fn created(value: &impl Serialize) -> Self {
        Self::json(StatusCode::CREATED, value)
    }

    /// 200 with `{"message": text}`.
    pub fn message(text: impl Into<Cow<'static, str>>) -> Self {
        Self::ok(&serde_json::json!({ "message": text.into() }))
    }

    /// 204.
    #[must_use]
    pub fn no_content() -> Self {
        Self {
            status: StatusCode::NO_CONTENT,
            headers: HeaderMap::new(),
            body: ResponseBody::Bytes(Bytes::new()),
        }
    }

    /// Bytes of a content type.
    #[must_use]
    pub fn bytes(status: StatusCode, content_type: &str, bytes: Bytes) -> Self {
        let response = Self { status, headers: HeaderMap::new(), body: ResponseBody::Bytes(bytes) };
        response.header(header::CONTENT_TYPE, content_type)
    }

    /// 200 with pieces of a content type. An error cuts the body short, visibly to the client.
    pub fn stream(
        content_type: &str,
        pieces: impl Stream<Item = Result<Bytes, BodyError>> + 'static,
    ) -> Self {
        let body = ResponseBody::Stream(Body::from_stream(pieces));
        let response = Self { status: StatusCode::OK, headers: HeaderMap::new(), body };
        response.header(header::CONTENT_TYPE, content_type)
    }

    /// Sets a header. A value that can't be one (line breaks) is left out.
    #[must_use]
    pub fn header(self, name: HeaderName, value: &str) -> Self {
        match HeaderValue::from_str(value) {
            Ok(value) => self.header_value(name, value),
            Err(_) => self,
        }
    }

    pub(crate) fn header_value(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Adds a `Set-Cookie`.
    #[must_use]
    pub fn cookie(mut self, cookie: &Cookie) -> Self {
        if let Ok(value) = HeaderValue::from_str(&cookie.to_header()) {
            self.headers.append(header::SET_COOKIE, value);
        }
        self
    }

    /// Adds a `Link` (RFC 8288) to `path` with these parameters, such as the next page's.
    #[must_use]
    pub fn link(mut self, relation: &str, path: &str, parameters: &[(&str, &str)]) -> Self {
        let query: Vec<String> = parameters
            .iter()
            .map(|(name, value)| {
                format!("{}={}", crate::percent::encode(name), crate::percent::encode(value))
            })
            .collect();
        let mark = if query.is_empty() { "" } else { "?" };
        let link = format!("<{path}{mark}{}>; rel=\"{relation}\"", query.join("&"));
        if let Ok(value) = HeaderValue::from_str(&link) {
            self.headers.append(header::LINK, value);
        }
        self
    }
}

impl From<Error> for Response {
    fn from(error: Error) -> Self {
        error.into_response()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::Response;

    #[test]
    fn links_are_encoded() {
        let response = Response::message("x")
            .link("prev", "/messages/1", &[("before", "a&b"), ("limit", "5")])
            .link("next", "/messages/1", &[]);
        let links: Vec<_> = response.headers.get_all("link").iter().collect();
        assert_eq!(links[0], "</messages/1?before=a%26b&limit=5>; rel=\"prev\"");
        assert_eq!(links[1], "</messages/1>; rel=\"next\"");
    }

    #[test]
    fn a_header_with_a_line_break_is_left_out() {
        let response = Response::no_content().header(http::header::LOCATION, "a\r\nset-cookie: x");
        assert!(response.headers.is_empty());
    }
}
