//! Answers: JSON, and what goes with it.

use bytes::Bytes;
use http::{
    HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};
use http_body_util::{BodyExt as _, Full};
use pingtalk_capabilities::calls::Body;
use serde::Serialize;

use crate::problem::Problem;

/// What a route's function returns.
pub(crate) type Answer = Result<Response<Body>, Problem>;

pub(crate) fn bytes(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Body> {
    let length = body.len();
    let mut response =
        Response::new(Full::new(body).map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    // What an operator sees is nobody else's, and changes.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    let body = serde_json::to_vec(value).map_err(|error| {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", error.to_string())
    })?;
    Ok(bytes(status, "application/json", body.into()))
}

pub(crate) fn ok(value: &impl Serialize) -> Answer {
    json(StatusCode::OK, value)
}

pub(crate) fn no_content() -> Answer {
    let mut response = bytes(StatusCode::NO_CONTENT, "application/json", Bytes::new());
    response.headers_mut().remove(CONTENT_TYPE);
    response.headers_mut().remove(CONTENT_LENGTH);
    Ok(response)
}

/// A refusal as JSON: `{"error": {"code", "message", "field"?}}`.
pub(crate) fn refusal(problem: &Problem) -> Response<Body> {
    let mut error = serde_json::json!({ "code": problem.code, "message": problem.message });
    if let (Some(field), Some(error)) = (&problem.field, error.as_object_mut()) {
        error.insert("field".to_owned(), field.as_str().into());
    }
    let body = serde_json::json!({ "error": error }).to_string();
    let mut response = bytes(problem.status, "application/json", body.into());
    let headers = response.headers_mut();
    if let Some(seconds) = problem.retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if problem.status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}
