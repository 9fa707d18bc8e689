//! Every answer this endpoint gives by itself, in the words of the reference server (engine.io 6).

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use pingtalk_capabilities::calls::Body;

/// Why a request is refused; the code is Engine.IO's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// No or an unknown transport.
    UnknownTransport,
    /// The session is gone or never was.
    UnknownSession,
    /// A session is opened with GET only.
    BadMethod,
    /// Anything else that is wrong with the request.
    BadRequest,
    /// The origin is not allowed.
    Forbidden,
    /// Not `EIO=4`.
    UnsupportedProtocol,
    /// A payload over the limit.
    TooLarge,
    /// No place for another connection, or shutting down.
    Unavailable,
}

/// The answer to a refused request.
pub(super) fn refuse(refusal: Refusal) -> Response<Body> {
    let (status, body) = match refusal {
        Refusal::UnknownTransport => (400, r#"{"code":0,"message":"Transport unknown"}"#),
        Refusal::UnknownSession => (400, r#"{"code":1,"message":"Session ID unknown"}"#),
        Refusal::BadMethod => (400, r#"{"code":2,"message":"Bad handshake method"}"#),
        Refusal::BadRequest => (400, r#"{"code":3,"message":"Bad request"}"#),
        Refusal::Forbidden => (403, r#"{"code":4,"message":"Forbidden"}"#),
        Refusal::UnsupportedProtocol => {
            (400, r#"{"code":5,"message":"Unsupported protocol version"}"#)
        }
        Refusal::TooLarge => (413, r#"{"code":3,"message":"Payload too large"}"#),
        Refusal::Unavailable => (503, r#"{"message":"Unavailable, try again later"}"#),
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = reply(status, "application/json", Bytes::from_static(body.as_bytes()));
    if refusal == Refusal::Unavailable {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// A whole answer. Polls must not be cached.
fn reply(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Body> {
    let mut response =
        Response::new(Full::new(body).map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A payload, or `ok`.
pub(super) fn text(body: Bytes) -> Response<Body> {
    reply(StatusCode::OK, "text/plain; charset=UTF-8", body)
}

/// 101, after which the connection speaks WebSocket (RFC 6455, section 4.2.2).
pub(super) fn switch(key: &HeaderValue) -> Option<Response<Body>> {
    let accept = tokio_tungstenite::tungstenite::handshake::derive_accept_key(key.as_bytes());
    let accept = HeaderValue::from_str(&accept).ok()?;
    let mut response =
        Response::new(Full::new(Bytes::new()).map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    Some(response)
}
