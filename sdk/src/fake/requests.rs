//! Requests a test sends through a router, and what comes back.

use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde::Serialize;

use super::{Host, block_on};
use crate::{Body, Context, Head, ResponseBody, Router, session};

/// A request being put together.
#[derive(Debug, Clone)]
pub struct Request {
    method: Method,
    target: String,
    headers: HeaderMap,
    body: Bytes,
}

/// A request of any method; `target` is the path with its query.
#[must_use]
pub fn request(method: Method, target: &str) -> Request {
    let mut headers = HeaderMap::new();
    headers.insert("x-pingtalk-client", HeaderValue::from_static("192.0.2.1"));
    Request { method, target: target.to_owned(), headers, body: Bytes::new() }
}

/// A `GET`.
#[must_use]
pub fn get(target: &str) -> Request {
    request(Method::GET, target)
}

/// A `POST`.
#[must_use]
pub fn post(target: &str) -> Request {
    request(Method::POST, target)
}

/// A `PUT`.
#[must_use]
pub fn put(target: &str) -> Request {
    request(Method::PUT, target)
}

/// A `PATCH`.
#[must_use]
pub fn patch(target: &str) -> Request {
    request(Method::PATCH, target)
}

/// A `DELETE`.
#[must_use]
pub fn delete(target: &str) -> Request {
    request(Method::DELETE, target)
}

impl Request {
    /// Adds a header.
    ///
    /// # Panics
    /// When it is no header.
    #[allow(clippy::expect_used)] // A test's set-up fails loudly.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        let value = HeaderValue::from_str(value).expect("a header value");
        self.headers.insert(HeaderName::from_static(name), value);
        self
    }

    /// Sends a body of a content type.
    #[must_use]
    pub fn body(self, content_type: &str, body: impl Into<Bytes>) -> Self {
        let mut request = self.header("content-type", content_type);
        request.body = body.into();
        request
    }

    /// Sends JSON.
    #[must_use]
    pub fn json(self, value: &impl Serialize) -> Self {
        let body = serde_json::to_vec(value).unwrap_or_default();
        self.body("application/json", body)
    }

    /// Sends a form: text fields, and a file with its field's name, file name and bytes.
    #[must_use]
    pub fn form(self, texts: &[(&str, &str)], file: Option<(&str, &str, &[u8])>) -> Self {
        const BOUNDARY: &str = "a-boundary-for-tests";
        let mut body = Vec::new();
        for (name, text) in texts {
            let part = format!(
                "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n"
            );
            body.extend_from_slice(part.as_bytes());
        }
        if let Some((name, file_name, bytes)) = file {
            let head = format!(
                "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"; \
                 filename=\"{file_name}\"\r\ncontent-type: application/octet-stream\r\n\r\n"
            );
            body.extend_from_slice(head.as_bytes());
            body.extend_from_slice(bytes);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
        self.body(&format!("multipart/form-data; boundary={BOUNDARY}"), body)
    }

    /// Sends the session cookie.
    #[must_use]
    pub fn token(self, token: &str) -> Self {
        self.header("cookie", &format!("{}={token}", session::COOKIE))
    }
}

/// A response, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON, null if it is none.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The `message` of the body, empty if there is none.
    #[must_use]
    pub fn message(&self) -> String {
        self.json().get("message").and_then(|text| text.as_str()).unwrap_or_default().to_owned()
    }

    /// A header's first value, empty if there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The value of a cookie that was set, empty if it was cleared.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<String> {
        let all = self.headers.get_all(http::header::SET_COOKIE);
        all.iter().filter_map(|value| value.to_str().ok()).find_map(|cookie| {
            let (key, rest) = cookie.split_once('=')?;
            let value = rest.split(';').next().unwrap_or_default();
            (key == name).then(|| value.to_owned())
        })
    }
}

impl Host {
    /// Sends a request through a router.
    #[must_use]
    pub fn request(&self, router: &Router, request: Request) -> Answer {
        let head = Head::new(request.method, &request.target, request.headers);
        let cx = Context::new(self.platform(), head, Body::from(request.body));
        let response = block_on(router.handle(cx));
        let body = match response.body {
            ResponseBody::Bytes(bytes) => bytes,
            ResponseBody::Stream(mut pieces) => block_on(async move {
                let mut all = Vec::new();
                while let Some(Ok(piece)) = pieces.next().await {
                    all.extend_from_slice(&piece);
                }
                Bytes::from(all)
            }),
        };
        Answer { status: response.status, headers: response.headers, body }
    }
}
