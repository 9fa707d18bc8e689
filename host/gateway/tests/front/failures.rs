//! Handlers that fail, and what clients learn of it.

use std::time::Duration;

use pingtalk_capabilities::calls::{Body, BodyError, CallError};
use pingtalk_gateway::{Config, Route, Site};

use crate::support::{Front, handler, text};

#[tokio::test]
async fn call_errors_become_statuses_without_their_reasons() {
    for (error, status, message, retry) in [
        (CallError::Overloaded, 503, "Service unavailable, please try again later", Some("1")),
        (CallError::InstanceLost, 503, "Service unavailable, please try again later", Some("1")),
        (CallError::ShuttingDown, 503, "Service unavailable, please try again later", Some("1")),
        (CallError::DeadlineExceeded, 504, "The service took too long to answer", None),
        (CallError::Failed("a secret".into()), 500, "Internal server error", None),
        (CallError::NotExported, 404, "Not found", None),
    ] {
        let route =
            Route::service("/a", handler(move |_, _| std::future::ready(Err(error.clone()))));
        let answer = Front::of(vec![route]).get("/a/x").await;
        assert_eq!((answer.status, answer.message().as_str()), (status, message));
        assert_eq!(answer.header("retry-after"), retry);
    }
}

#[tokio::test]
async fn a_handler_that_never_answers_is_504() {
    let mut route = Route::service("/a", handler(|_, _| std::future::pending()));
    route.deadline = Duration::from_millis(50);
    let front = Front::of(vec![route]);
    let answer = front.get("/a/x").await;
    assert_eq!(
        (answer.status, answer.message().as_str()),
        (504, "The service took too long to answer")
    );
    assert_eq!(front.gateway.metrics().snapshot().in_flight, 0);
}

#[tokio::test]
async fn a_handler_that_panics_costs_its_connection_only() {
    let route = Route::service(
        "/a",
        handler(|_, request| async move {
            assert_ne!(request.uri().path(), "/panic", "as asked for");
            Ok(text("fine"))
        }),
    );
    let front = Front::of(vec![route]);
    let head = "GET /a/panic HTTP/1.1\r\nhost: t\r\n\r\n";
    assert_eq!(front.raw(head).await, "");
    assert_eq!(front.get("/a/x").await.body, "fine");
    let figures = front.gateway.metrics().snapshot();
    assert_eq!((figures.connections, figures.in_flight), (0, 0));
}

#[tokio::test]
async fn a_response_that_breaks_off_is_seen_to() {
    let route = Route::service(
        "/a",
        handler(|_, _| async {
            let pieces = [
                Ok(http_body::Frame::data(bytes::Bytes::from_static(b"begun"))),
                Err(BodyError::Aborted("the instance died".into())),
            ];
            let stream = futures_util::stream::iter(pieces);
            Ok(http::Response::new(Body::new(http_body_util::StreamBody::new(stream))))
        }),
    );
    let front = Front::of(vec![route]);
    let text = front.raw("GET /a/x HTTP/1.1\r\nhost: t\r\n\r\n").await;
    // Without the last chunk the client knows that something is missing.
    assert!(!text.ends_with("0\r\n\r\n"), "{text}");
    assert_eq!(front.gateway.metrics().snapshot().in_flight, 0);
}

#[tokio::test]
async fn a_length_that_lies_is_corrected() {
    let route = Route::service(
        "/a",
        handler(|_, _| async {
            let mut response = text("hello");
            response.headers_mut().insert("content-length", http::HeaderValue::from_static("3"));
            Ok(response)
        }),
    );
    let answer = Front::start(Config::default(), Site::new(vec![route])).get("/a/x").await;
    assert_eq!((answer.header("content-length"), answer.body.as_str()), (Some("5"), "hello"));
}
