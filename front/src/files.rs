//! Files of a web client.

use http::{HeaderMap, HeaderValue, header::IF_NONE_MATCH};

/// What pages may do, unless told otherwise: nothing from elsewhere but pictures, and sockets.
pub const POLICY: &str = "default-src 'self'; img-src 'self' data: blob: https: http:; \
                      connect-src 'self' ws: wss:; object-src 'none'; base-uri 'none'; \
                      form-action 'self'; frame-ancestors 'none'";

/// By the ending: these are our own files.
#[must_use]
pub fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("json" | "map") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// True when the client has this content already (RFC 9110, section 13.1.2; tags are compared
/// weakly).
#[must_use]
pub fn is_fresh(request: &HeaderMap, etag: &HeaderValue) -> bool {
    let wanted = etag.as_bytes();
    request
        .get_all(IF_NONE_MATCH)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .any(|tag| tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == wanted)
}
