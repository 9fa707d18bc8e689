//! `wasi:http/handler`: one request to its response, in as few host calls as possible.

use futures_util::StreamExt;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::{
    bindings::capabilities::{
        wasi::http::types::{self as wit, ErrorCode},
        wit_future, wit_stream,
    },
    blobs, conv,
    internal::{self, Internal},
};
use crate::{Body, BodyError, Context, Head, Response, ResponseBody, Router, log};

/// Answers a request: by `I` when it is a call of the application's own, else by the router.
///
/// # Errors
/// Only when a response can't be built from what the service answered.
pub async fn handle<I: Internal>(
    request: wit::Request,
    router: &Router,
) -> Result<wit::Response, ErrorCode> {
    let method = method(request.get_method());
    let target = request.get_path_with_query().unwrap_or_default();
    let headers = conv::header_map(&request.get_headers());
    let body = if has_body(&headers) { body(request) } else { Body::empty() };
    let mut body = Some(body);
    if let Some(response) = internal::answer::<I>(&method, &target, &headers, &mut body).await {
        return respond(response);
    }
    let body = body.unwrap_or_else(Body::empty);
    let cx = Context::new(super::platform(), Head::new(method, &target, headers), body);
    respond(router.handle(cx).await)
}

fn method(method: wit::Method) -> Method {
    match method {
        wit::Method::Get => Method::GET,
        wit::Method::Head => Method::HEAD,
        wit::Method::Post => Method::POST,
        wit::Method::Put => Method::PUT,
        wit::Method::Delete => Method::DELETE,
        wit::Method::Connect => Method::CONNECT,
        wit::Method::Options => Method::OPTIONS,
        wit::Method::Trace => Method::TRACE,
        wit::Method::Patch => Method::PATCH,
        // No route has such a method: 404.
        wit::Method::Other(name) => Method::from_bytes(name.as_bytes()).unwrap_or(Method::TRACE),
    }
}

/// RFC 9112 section 6: a request without either header has no body. HTTP/2 requests may lack
/// them too, but then they have a content type worth reading.
fn has_body(headers: &HeaderMap) -> bool {
    match headers.get(header::CONTENT_LENGTH) {
        Some(length) => length != "0",
        None => {
            headers.contains_key(header::TRANSFER_ENCODING)
                || headers.contains_key(header::CONTENT_TYPE)
        }
    }
}

fn body(request: wit::Request) -> Body {
    let (_, received) = wit_future::new::<Result<(), ErrorCode>>(|| Ok(()));
    let (content, end) = wit::Request::consume_body(request, received);
    blobs::body(content, end, cut_short)
}

pub(super) fn cut_short(error: ErrorCode) -> BodyError {
    match error {
        ErrorCode::HttpRequestBodySize(limit) => {
            let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
            BodyError::TooLarge { limit }
        }
        other => BodyError::Aborted(other.to_string()),
    }
}

/// The host's response made of ours.
///
/// # Errors
/// A header that the host refuses.
pub fn respond(response: Response) -> Result<wit::Response, ErrorCode> {
    let Response { status, mut headers, body } = response;
    if let ResponseBody::Bytes(bytes) = &body
        && status != StatusCode::NO_CONTENT
        && status != StatusCode::NOT_MODIFIED
    {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    }
    let fields = conv::fields(&headers)
        .map_err(|error| ErrorCode::InternalError(Some(format!("headers: {error}"))))?;
    let contents = match body {
        ResponseBody::Bytes(bytes) if bytes.is_empty() => None,
        ResponseBody::Bytes(bytes) => {
            let (mut writer, reader) = wit_stream::new::<u8>();
            wit_bindgen::spawn_local(async move {
                // What is left over nobody wanted: the client is gone.
                writer.write_all(bytes.into()).await;
            });
            Some(reader)
        }
        ResponseBody::Stream(body) => return stream(status, fields, body),
    };
    let (_, trailers) = wit_future::new(|| Ok(None));
    let (response, _sent) = wit::Response::new(fields, contents, trailers);
    set_status(&response, status);
    Ok(response)
}

/// A body in pieces. An error in it becomes the trailers' error, so that the host cuts the
/// connection instead of ending the response as if it were whole.
fn stream(
    status: StatusCode,
    fields: wit::Fields,
    mut body: Body,
) -> Result<wit::Response, ErrorCode> {
    let (mut writer, reader) = wit_stream::new::<u8>();
    let (end, trailers) = wit_future::new(|| Ok(None));
    wit_bindgen::spawn_local(async move {
        let mut result = Ok(None);
        while let Some(piece) = body.next().await {
            match piece {
                Ok(piece) => {
                    if !writer.write_all(piece.into()).await.is_empty() {
                        break;
                    }
                }
                Err(error) => {
                    log::error("response cut short", &[("detail", &error)]);
                    result = Err(ErrorCode::HttpResponseIncomplete);
                    break;
                }
            }
        }
        drop(writer);
        // The host may not read trailers; then there is nobody to tell.
        let _ = end.write(result).await;
    });
    let (response, _sent) = wit::Response::new(fields, Some(reader), trailers);
    set_status(&response, status);
    Ok(response)
}

fn set_status(response: &wit::Response, status: StatusCode) {
    // 200 is the default; the host refuses no status that `http` knows.
    if status != StatusCode::OK && response.set_status_code(status.as_u16()).is_err() {
        log::error("status refused", &[("status", &status.as_u16())]);
    }
}
