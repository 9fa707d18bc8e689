//! Requests and responses, small and large.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, StreamBody};
use pingtalk_capabilities::calls::{Body, BodyError, CallContext, HttpHandler as _};
use pingtalk_runtime::{Capabilities, Instances, Limits};

use crate::support::{
    self, context, full, get, limits, load, names, probe_limited, request, send, text,
};

#[tokio::test]
async fn hello_is_answered() {
    let component = load("hello").await;
    let engine = support::engine();
    let hello = Instances::new(&engine, component, names(), Capabilities::default(), limits());
    let hello = hello.unwrap();
    hello.prove().await.unwrap();
    let response = hello.handle(context(), request("/")).await.unwrap();
    assert_eq!(response.headers()["content-length"], "14");
    assert_eq!(response.headers()["content-type"], "text/plain");
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "Hello, world!\n");
}

#[tokio::test]
async fn a_0_2_component_is_answered() {
    let component = load("hello-02").await;
    let engine = support::engine();
    let hello = Instances::new(&engine, component, names(), Capabilities::default(), limits());
    let hello = hello.unwrap();
    let (first, second) = tokio::join!(get(&hello, "/a"), get(&hello, "/b"));
    assert_eq!(first.unwrap().1, "Hello from 0.2, acme.test/a\n");
    assert_eq!(second.unwrap().1, "Hello from 0.2, acme.test/b\n");
    assert!(get(&hello, "/nothing").await.is_err());
    let started = Instant::now();
    assert!(get(&hello, "/loop").await.is_err());
    assert!(started.elapsed() < Duration::from_secs(1));
    assert_eq!(get(&hello, "/c").await.unwrap().0, 200);
}

#[tokio::test]
async fn the_guest_sees_the_request_without_connection_headers() {
    let probe = probe_limited(limits()).await;
    let request = http::Request::put("/request?a=b")
        .header("host", "acme.test:8080")
        .header("connection", "keep-alive")
        .header("x-one", "1")
        .body(support::empty())
        .unwrap();
    let secure = CallContext { secure: true, ..context() };
    let response = probe.handle(secure, request).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(
        String::from_utf8_lossy(&body),
        "Method::Put Some(Scheme::Https) Some(\"acme.test:8080\") Some(\"/request?a=b\") x-one"
    );
}

#[tokio::test]
async fn six_megabytes_cross_both_ways() {
    let probe = probe_limited(Limits::default()).await;
    let sent: Bytes = (0..6 * 1024 * 1024_u32).map(|n| (n % 251) as u8).collect();
    let request = http::Request::post("/echo").body(full(sent.clone())).unwrap();
    let response = probe.handle(context(), request).await.unwrap();
    let received = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(received.len(), sent.len());
    assert!(received == sent);
    let request = http::Request::post("/count").body(full(sent)).unwrap();
    assert_eq!(send(&probe, request).await.unwrap().1, "6291456");
    assert_eq!(text(&probe, "/big?6000000").await.len(), 6_000_000);
}

#[tokio::test]
async fn a_body_can_be_passed_on_untouched() {
    let probe = probe_limited(Limits::default()).await;
    for size in [0, 1, 100_000, 3_000_000] {
        let sent: Bytes = (0..size).map(|n: u32| (n % 251) as u8).collect();
        let request = http::Request::post("/pass-on").body(full(sent.clone())).unwrap();
        let response = probe.handle(context(), request).await.unwrap();
        let received = response.into_body().collect().await.unwrap().to_bytes();
        assert!(received == sent, "{} of {size}", received.len());
    }
    assert_eq!(probe.stats().killed, 0);
}

#[tokio::test]
async fn a_body_that_is_not_read_does_no_harm() {
    let probe = probe_limited(limits()).await;
    for _ in 0..3 {
        let request = http::Request::post("/hello").body(full(vec![0; 100_000])).unwrap();
        assert_eq!(send(&probe, request).await.unwrap().1, "hello");
        let request = http::Request::post("/peek").body(full("xyz")).unwrap();
        assert_eq!(send(&probe, request).await.unwrap().1, "[120]");
    }
    assert_eq!(probe.stats().killed, 0);
}

#[tokio::test]
async fn a_request_body_that_errs_ends_for_the_guest() {
    let probe = probe_limited(limits()).await;
    let frames = futures_util::stream::iter([
        Ok(http_body::Frame::data(Bytes::from_static(b"12345"))),
        Err(BodyError::TooLarge { limit: 5 }),
    ]);
    let body = Body::new(StreamBody::new(frames));
    let request = http::Request::post("/count").body(body).unwrap();
    assert_eq!(send(&probe, request).await.unwrap().1, "5");
}

#[tokio::test]
async fn a_response_cut_by_a_trap_is_not_complete() {
    let probe = probe_limited(limits()).await;
    // More than the host takes ahead, so that the response has begun when the guest traps.
    let response = probe.handle(context(), request("/cut?100000")).await.unwrap();
    let mut body = response.into_body();
    let mut received = 0;
    let end = loop {
        match body.frame().await {
            Some(Ok(frame)) => received += frame.into_data().unwrap().len(),
            other => break other,
        }
    };
    assert!(received >= 64 * 1024, "{received}");
    assert!(matches!(end, Some(Err(_))), "it must not look complete");
    // A small one never begins.
    let error = get(&probe, "/cut?1000").await.unwrap_err();
    assert!(error.to_string().contains("unreachable"), "{error}");
    assert_eq!(text(&probe, "/hello").await, "hello");
}

#[tokio::test]
async fn a_response_shorter_than_promised_is_an_error() {
    let probe = probe_limited(limits()).await;
    let response = probe.handle(context(), request("/short")).await.unwrap();
    assert!(response.into_body().collect().await.is_err());
}

#[tokio::test]
async fn a_response_that_stalls_is_cut() {
    let probe = probe_limited(limits()).await;
    let response = probe.handle(context(), request("/stall")).await.unwrap();
    let started = Instant::now();
    let ended = response.into_body().collect().await.unwrap_err();
    assert!(matches!(ended, BodyError::TimedOut), "{ended:?}");
    assert!(started.elapsed() < Duration::from_secs(2));
    assert_eq!(text(&probe, "/hello").await, "hello");
}

#[tokio::test]
async fn a_client_that_leaves_frees_its_place() {
    let probe = probe_limited(Limits { concurrency: 1, instances: 1, ..limits() }).await;
    for _ in 0..3 {
        let response = probe.handle(context(), request("/big?10000000")).await.unwrap();
        let mut body = response.into_body();
        body.frame().await.unwrap().unwrap();
        drop(body);
    }
    assert_eq!(text(&probe, "/hello").await, "hello");
}

#[tokio::test]
async fn an_error_code_is_a_failure() {
    let probe = probe_limited(limits()).await;
    let error = get(&probe, "/error").await.unwrap_err();
    assert!(error.to_string().contains("as asked"), "{error}");
    // The instance is fine.
    assert_eq!(text(&probe, "/hello").await, "hello");
    assert_eq!(probe.stats().killed, 0);
}

/// Responses with a content length leave table entries behind that are cleaned up later; under
/// load the clean-up must keep up (stock wasi-http falls behind until the instance dies).
#[tokio::test]
async fn a_hundred_thousand_calls_leak_nothing() {
    let probe = probe_limited(Limits { reuse: u32::MAX, instances: 1, ..limits() }).await;
    let callers = (0..64).map(|_| {
        let probe = Arc::clone(&probe);
        tokio::spawn(async move {
            for _ in 0..100_000 / 64 {
                assert_eq!(text(&probe, "/hello").await, "hello");
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    let stats = probe.stats();
    assert_eq!((stats.started, stats.killed), (1, 0), "{stats:?}");
}
