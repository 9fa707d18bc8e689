//! Requests to other servers, through `wasi:http/client`.

use std::{pin::pin, time::Duration};

use futures_util::future::{Either, select};
use http::StatusCode;

use super::{
    bindings::capabilities::{
        wasi::{
            clocks::monotonic_clock,
            http::{
                client,
                types::{self as wit, ErrorCode},
            },
        },
        wit_future, wit_stream,
    },
    blobs, conv,
    http::cut_short,
};
use crate::{
    BodyError,
    outbound::{OutboundError, OutboundRequest, OutboundResponse},
};

pub(super) async fn send(request: OutboundRequest) -> Result<OutboundResponse, OutboundError> {
    let timeout = nanoseconds(request.limits.timeout);
    let exchange = pin!(exchange(request, timeout));
    // The host's own time-outs cover each step; this one covers all of them together.
    match select(exchange, pin!(monotonic_clock::wait_for(timeout))).await {
        Either::Left((result, _)) => result,
        Either::Right(((), _)) => Err(OutboundError::TimedOut),
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

async fn exchange(
    request: OutboundRequest,
    timeout: u64,
) -> Result<OutboundResponse, OutboundError> {
    let limit = request.limits.max_bytes;
    let response = client::send(build(request, timeout)?).await.map_err(error)?;
    let status = StatusCode::from_u16(response.get_status_code())
        .map_err(|error| OutboundError::Failed(error.to_string()))?;
    let headers = conv::header_map(&response.get_headers());
    let (_, received) = wit_future::new::<Result<(), ErrorCode>>(|| Ok(()));
    let (content, end) = wit::Response::consume_body(response, received);
    let body = blobs::body(content, end, cut_short).collect(limit).await;
    let body = body.map_err(|error| match error {
        BodyError::TooLarge { .. } => OutboundError::TooLarge { limit },
        BodyError::Aborted(reason) => OutboundError::Failed(reason),
    })?;
    Ok(OutboundResponse { status, headers, body })
}

fn build(request: OutboundRequest, timeout: u64) -> Result<wit::Request, OutboundError> {
    let OutboundRequest { method, url, headers, body, .. } = request;
    let uri: http::Uri = url.parse().map_err(|_| OutboundError::InvalidUrl)?;
    let authority = uri.authority().ok_or(OutboundError::InvalidUrl)?;
    let scheme = match uri.scheme_str() {
        Some("https") => wit::Scheme::Https,
        Some("http") => wit::Scheme::Http,
        _ => return Err(OutboundError::InvalidUrl),
    };
    let path = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let invalid = |_| OutboundError::InvalidUrl;
    let fields =
        conv::fields(&headers).map_err(|error| OutboundError::Failed(error.to_string()))?;
    let contents = (!body.is_empty()).then(|| {
        let (mut writer, reader) = wit_stream::new::<u8>();
        wit_bindgen::spawn_local(async move {
            writer.write_all(body.into()).await;
        });
        reader
    });
    let options = wit::RequestOptions::new();
    // A host that can't time a step leaves it to the bound on all of them.
    let _ = options.set_connect_timeout(Some(timeout));
    let _ = options.set_first_byte_timeout(Some(timeout));
    let _ = options.set_between_bytes_timeout(Some(timeout));
    let (_, trailers) = wit_future::new(|| Ok(None));
    let (request, _sent) = wit::Request::new(fields, contents, trailers, Some(options));
    let other = || wit::Method::Other(method.to_string());
    let method = match method {
        http::Method::GET => wit::Method::Get,
        http::Method::HEAD => wit::Method::Head,
        http::Method::POST => wit::Method::Post,
        http::Method::PUT => wit::Method::Put,
        http::Method::PATCH => wit::Method::Patch,
        http::Method::DELETE => wit::Method::Delete,
        _ => other(),
    };
    request.set_method(&method).map_err(invalid)?;
    request.set_scheme(Some(&scheme)).map_err(invalid)?;
    request.set_authority(Some(authority.as_str())).map_err(invalid)?;
    request.set_path_with_query(Some(path)).map_err(invalid)?;
    Ok(request)
}

fn error(error: ErrorCode) -> OutboundError {
    match error {
        ErrorCode::HttpRequestDenied
        | ErrorCode::DestinationIpProhibited
        | ErrorCode::DestinationIpUnroutable => OutboundError::Denied(error.to_string()),
        ErrorCode::DnsTimeout
        | ErrorCode::ConnectionTimeout
        | ErrorCode::ConnectionReadTimeout
        | ErrorCode::ConnectionWriteTimeout
        | ErrorCode::HttpResponseTimeout => OutboundError::TimedOut,
        other => OutboundError::Failed(other.to_string()),
    }
}
