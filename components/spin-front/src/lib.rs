//! Answers under Spin what belongs to no component: `/health`, as our gateway does, the web client's
//! files, and paths that lead nowhere.
#![cfg(target_family = "wasm")]

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
};

use pingtalk_front::files::{POLICY, content_type, is_fresh};
use pingtalk_sdk::{
    bytes::Bytes,
    http::{HeaderValue, StatusCode, header},
    prelude::*,
};

pingtalk_sdk::service! { http: routes }

/// What the original's gateway says.
const HEALTHY: &[u8] = b"API Gateway is healthy";
/// Where the manifest puts the web client.
const WEB: &str = "/web";

fn routes() -> Router {
    // Any method: the gateway in front answers OPTIONS.
    Router::new()
        .get("/health", healthy)
        .post("/health", healthy)
        .put("/health", healthy)
        .patch("/health", healthy)
        .delete("/health", healthy)
        .get("/", file)
        .get("/:a", file)
        .get("/:a/:b", file)
        .get("/:a/:b/:c", file)
}

async fn healthy(_cx: Context) -> Result<Response> {
    Ok(Response::bytes(StatusCode::OK, "text/plain; charset=utf-8", Bytes::from_static(HEALTHY)))
}

async fn file(cx: Context) -> Result<Response> {
    let missing = || Error::not_found("Not found");
    let path = match cx.head().path() {
        "/" => "/index.html",
        path => path,
    };
    // The gateway has refused dot segments and escapes of them; our own files need no escapes.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/.-_".contains(&byte);
    if !path.bytes().all(plain) || path.contains("/.") || path.ends_with(".md") {
        return Err(missing());
    }
    let content = fs::read(format!("{WEB}{path}")).map_err(|_| missing())?;
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    let etag = HeaderValue::try_from(format!("\"{:016x}\"", hasher.finish()))
        .map_err(|error| Error::internal(error.to_string()))?;
    let content_type = content_type(path);
    let mut response = if is_fresh(cx.head().headers(), &etag) {
        let mut response = Response::no_content();
        response.status = StatusCode::NOT_MODIFIED;
        response
    } else {
        Response::bytes(StatusCode::OK, content_type, Bytes::from(content))
    };
    let headers = &mut response.headers;
    headers.insert(header::ETAG, etag);
    // Kept, but asked about each time: a new version has new files.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if content_type.starts_with("text/html") {
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    }
    Ok(response)
}
