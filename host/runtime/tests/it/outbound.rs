//! Guests' own requests: granted hosts only, public addresses only, bounded.

use std::{
    convert::Infallible,
    net::SocketAddr,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use pingtalk_capabilities::calls::CallError;
use pingtalk_runtime::{Capabilities, Instances, Limits, LoadError, OutboundPolicy};
use tokio::net::TcpListener;

use crate::support::{self, fakes, names, probe, probe_with, text};

/// A server on the loopback address that answers, stalls, redirects or floods.
async fn server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let served = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service_fn(answer));
            tokio::spawn(served);
        }
    });
    address
}

type Answer = http::Response<UnsyncBoxBody<Bytes, Infallible>>;

async fn answer(request: http::Request<Incoming>) -> Result<Answer, Infallible> {
    let response = http::Response::builder();
    let text = |text: String| Full::new(Bytes::from(text)).boxed_unsync();
    Ok(match request.uri().path() {
        "/slow" => {
            tokio::time::sleep(Duration::from_secs(5)).await;
            response.body(text("late".to_owned()))
        }
        "/moved" => response.status(302).header("location", "/").body(text("moved".to_owned())),
        "/large" => response.body(text("x".repeat(200_000))),
        "/flood" => {
            let chunk = || Ok(http_body::Frame::data(Bytes::from_static(&[b'x'; 1000])));
            let chunks = futures_util::stream::repeat_with(chunk);
            response.body(StreamBody::new(chunks).boxed_unsync())
        }
        "/stall" => {
            let first = Ok(http_body::Frame::data(Bytes::from_static(b"a")));
            let chunks = futures_util::StreamExt::chain(
                futures_util::stream::iter([first]),
                futures_util::stream::pending(),
            );
            response.body(StreamBody::new(chunks).boxed_unsync())
        }
        path => {
            let host = request.headers()["host"].to_str().unwrap();
            response.body(text(format!("{path} at {host}")))
        }
    }
    .unwrap())
}

fn policy(hosts: &[String]) -> OutboundPolicy {
    OutboundPolicy {
        hosts: hosts.to_vec(),
        response_timeout: Duration::from_millis(300),
        connect_timeout: Duration::from_millis(500),
        max_body_bytes: 100_000,
        ..OutboundPolicy::default()
    }
}

async fn probe_allowed(hosts: &[String]) -> std::sync::Arc<Instances> {
    let capabilities = Capabilities { outbound: policy(hosts), ..fakes::capabilities() };
    probe_with(capabilities, Limits { wall_time: Duration::from_secs(5), ..Limits::default() })
        .await
}

#[tokio::test]
async fn a_granted_host_is_reached() {
    let address = server().await;
    let probe = probe_allowed(&[format!("http://{address}")]).await;
    let answer = text(&probe, &format!("/fetch?http://{address}/x")).await;
    assert_eq!(answer, format!("200 /x at {address} Ok(())"));
    // The host follows no redirect.
    let answer = text(&probe, &format!("/fetch?http://{address}/moved")).await;
    assert!(answer.starts_with("302 moved"), "{answer}");
}

#[tokio::test]
async fn localhost_is_reached_when_it_is_named() {
    let address = server().await;
    let (url, grant) = (format!("http://localhost:{}/", address.port()), "http://localhost:*");
    let probe = probe_allowed(&[grant.to_owned()]).await;
    assert!(text(&probe, &format!("/fetch?{url}")).await.starts_with("200"));
}

#[tokio::test]
async fn what_is_not_granted_is_refused() {
    let address = server().await;
    let probe = probe_allowed(&[]).await;
    let answer = text(&probe, &format!("/fetch?http://{address}/")).await;
    assert_eq!(answer, "ErrorCode::HttpRequestDenied");
    let probe = probe_allowed(&["https://example.com".to_owned()]).await;
    let answer = text(&probe, &format!("/fetch?http://{address}/")).await;
    assert_eq!(answer, "ErrorCode::HttpRequestDenied");
}

#[tokio::test]
async fn addresses_that_are_not_public_are_refused_under_a_pattern() {
    let address = server().await;
    let probe = probe_allowed(&["http://*:*".to_owned()]).await;
    for host in ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "169.254.169.254"] {
        let url = format!("http://{host}:{}/", address.port());
        let answer = text(&probe, &format!("/fetch?{url}")).await;
        assert_eq!(answer, "ErrorCode::DestinationIpProhibited", "{host}");
    }
}

#[tokio::test]
async fn time_and_size_are_bounded() {
    let address = server().await;
    let probe = probe_allowed(&[format!("http://{address}")]).await;
    let started = Instant::now();
    let answer = text(&probe, &format!("/fetch?http://{address}/slow")).await;
    assert_eq!(answer, "ErrorCode::HttpResponseTimeout");
    assert!(started.elapsed() < Duration::from_secs(1));
    let answer = text(&probe, &format!("/fetch?http://{address}/large")).await;
    assert!(answer.contains("HttpResponseBodySize"), "{answer}");
    let answer = text(&probe, &format!("/fetch?http://{address}/flood")).await;
    assert!(answer.contains("HttpResponseBodySize"), "{}", &answer[answer.len() - 100..]);
    let answer = text(&probe, &format!("/fetch?http://{address}/stall")).await;
    assert!(answer.contains("ConnectionReadTimeout"), "{answer}");
    assert_eq!(probe.stats().killed, 0);
}

#[tokio::test]
async fn a_request_ends_at_its_calls_deadline() {
    let address = server().await;
    let outbound =
        OutboundPolicy { hosts: vec![format!("http://{address}")], ..OutboundPolicy::default() };
    let capabilities = Capabilities { outbound, ..fakes::capabilities() };
    let probe = probe_with(capabilities, support::limits()).await;
    let path = format!("/fetch?http://{address}/slow");
    let started = Instant::now();
    match support::get(&probe, &path).await {
        Ok((_, body)) => assert_eq!(body, "ErrorCode::HttpResponseTimeout"),
        Err(error) => assert!(matches!(error, CallError::DeadlineExceeded), "{error:?}"),
    }
    assert!(started.elapsed() < Duration::from_millis(600));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(probe.stats().killed, 0, "the import gave up in time");
}

#[tokio::test]
async fn a_grant_that_makes_no_sense_is_named() {
    let outbound = policy(&["example.com".to_owned()]);
    let capabilities = Capabilities { outbound, ..fakes::capabilities() };
    let engine = support::engine();
    let limits = support::limits();
    let error = Instances::new(&engine, probe().await, names(), capabilities, limits).unwrap_err();
    assert!(matches!(error, LoadError::InvalidGrant { .. }));
    assert!(error.to_string().contains("`example.com` is not an origin"), "{error}");
}
