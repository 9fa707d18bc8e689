//! A middleware for Spin that does what our own gateway does in front of a component: it takes the
//! mount point off the path, tells who the client is, bounds bodies and rates, answers preflights, and
//! puts the security headers on every answer. The rules are those of `pingtalk-front`, and what they
//! are fed with is the same manifest.
#![cfg(target_family = "wasm")]

mod bindings;
mod body;
mod rate;
mod rules;

use bindings::wasi::http::handler;
use pingtalk_front::{headers, path};
use pingtalk_sdk::{
    Response,
    bytes::Bytes,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    wasm::{
        bindings::{
            capabilities::{wasi::http::types as wit, wit_future},
            http::exports::wasi::http::handler::Guest,
        },
        conv, respond,
    },
};

use rules::Rules;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What is exported.
pub(crate) struct Gateway;

impl Guest for Gateway {
    async fn handle(request: wit::Request) -> Result<wit::Response, wit::ErrorCode> {
        let target = request.get_path_with_query().unwrap_or_default();
        // Calls between components are signed and belong to no mount point.
        if target.starts_with(pingtalk_sdk::internal::PREFIX) {
            return handler::handle(request).await;
        }
        let mut headers = conv::header_map(&request.get_headers());
        let rules = match Rules::of_component() {
            Ok(rules) => rules,
            Err(why) => {
                eprintln!("the gateway has no rules: {why}");
                return problem(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error", None);
            }
        };
        let origin = rules.cors.allowed(&headers);
        let id = pingtalk_sdk::internal::random_hex(8);
        let id = HeaderValue::from_str(&id).ok();
        let from = Request { target: &target, known_origin: origin.is_some(), id: id.as_ref() };
        let answered = answer(request, from, &mut headers, &rules).await;
        finish(answered?, &rules, origin, id)
    }
}

/// What is known of a request.
#[derive(Clone, Copy)]
struct Request<'r> {
    target: &'r str,
    /// It comes from a page that may use the application.
    known_origin: bool,
    /// The id under which it is found in logs.
    id: Option<&'r HeaderValue>,
}

/// The component's answer, or ours where it does not come to that.
async fn answer(
    request: wit::Request,
    Request { target, known_origin, id }: Request<'_>,
    headers: &mut HeaderMap,
    rules: &Rules,
) -> Result<wit::Response, wit::ErrorCode> {
    let (path, query) = target.split_once('?').map_or((target, None), |(p, q)| (p, Some(q)));
    if !path::is_plain(path) {
        return problem(StatusCode::BAD_REQUEST, "Malformed path", None);
    }
    let Some(stripped) = rules.stripped(path) else {
        return problem(StatusCode::NOT_FOUND, "Not found", None);
    };
    let method = match request.get_method() {
        wit::Method::Options => Method::OPTIONS,
        _ => Method::GET,
    };
    if let Some(response) = rules.cors.preflight(&method, known_origin) {
        let (parts, ()) = response.into_parts();
        let body = pingtalk_sdk::ResponseBody::Bytes(Bytes::new());
        return respond(Response { status: parts.status, headers: parts.headers, body });
    }
    let client = rules::client(headers);
    if let Some(wait) = rules.rate.as_ref().and_then(|rule| rate::take(rule, client)) {
        let message = "Too many requests, please try again later";
        return problem(StatusCode::TOO_MANY_REQUESTS, message, Some(wait));
    }
    let limit = rules.body_limit(headers);
    if rules::content_length(headers).is_some_and(|length| length > limit) {
        // Many clients read no answer before they have sent everything.
        body::drain(request).await;
        let message = "The request body is too large";
        return problem(StatusCode::PAYLOAD_TOO_LARGE, message, None);
    }
    headers::clean_request(headers, false);
    // Spin's own headers tell of the client too, and of the mount point.
    rules::drop_spin_headers(headers);
    // A guest may not set it: the authority goes on instead.
    headers.remove(header::HOST);
    if let Some(id) = id {
        headers.insert(REQUEST_ID, id.clone());
    }
    if let Some(client) = client.and_then(|it| HeaderValue::from_str(&it.to_string()).ok()) {
        headers.insert(headers::CLIENT, client);
    }
    let target = match query {
        Some(query) => format!("{stripped}?{query}"),
        None => stripped.to_owned(),
    };
    handler::handle(body::request(request, headers, &target, limit)?).await
}

/// The answer with what every answer carries.
fn finish(
    response: wit::Response,
    rules: &Rules,
    origin: Option<HeaderValue>,
    id: Option<HeaderValue>,
) -> Result<wit::Response, wit::ErrorCode> {
    let status = response.get_status_code();
    let mut headers = conv::header_map(&response.get_headers());
    headers::clean_response(&mut headers, false);
    headers::secure(&mut headers);
    rules.cors.apply(origin, &mut headers);
    if let Some(id) = id {
        headers.insert(REQUEST_ID, id);
    }
    let fields = conv::fields(&headers)
        .map_err(|error| wit::ErrorCode::InternalError(Some(format!("headers: {error}"))))?;
    let (_, received) = wit_future::new::<Result<(), wit::ErrorCode>>(|| Ok(()));
    let (content, trailers) = wit::Response::consume_body(response, received);
    let (finished, _sent) = wit::Response::new(fields, Some(content), trailers);
    // Any status that a component could set can be set again.
    let _ = finished.set_status_code(status);
    Ok(finished)
}

fn problem(
    status: StatusCode,
    message: &str,
    retry_after: Option<u64>,
) -> Result<wit::Response, wit::ErrorCode> {
    let mut headers = HeaderMap::new();
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, json);
    if let Some(seconds) = retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    let body = Bytes::from(format!("{{\"message\":\"{message}\"}}"));
    respond(Response { status, headers, body: pingtalk_sdk::ResponseBody::Bytes(body) })
}
