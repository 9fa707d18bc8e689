//! Clients that take their time: each wait has an end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::{BodyExt, StreamBody};
use pingtalk_capabilities::calls::Body;
use pingtalk_gateway::{Config, Route, Site};
use tokio::time::sleep;

use crate::support::{Answer, Front, echo, handler};

const SHORT: Duration = Duration::from_millis(150);

fn impatient() -> Config {
    Config {
        header_timeout: SHORT,
        body_idle_timeout: SHORT,
        write_timeout: SHORT,
        linger_timeout: SHORT,
        ..Config::default()
    }
}

fn site() -> Site {
    Site::new(vec![Route::service("/up", echo())]).with_health()
}

#[tokio::test]
async fn half_a_head_is_408() {
    let front = Front::start(impatient(), site());
    let started = Instant::now();
    let answer = Answer::parse(&front.raw("GET /health HTTP/1.1\r\nhost: te").await);
    assert_eq!(answer.status, 408);
    assert_eq!(answer.message(), "The request took too long to arrive");
    assert!(started.elapsed() >= SHORT);
    assert_eq!(front.gateway.metrics().snapshot().overdue, 1);
}

#[tokio::test]
async fn a_head_that_trickles_gains_no_time() {
    let front = Front::start(impatient(), site());
    let mut connection = front.connect().await;
    let started = Instant::now();
    for _ in 0..100 {
        connection.send("a").await;
        sleep(Duration::from_millis(10)).await;
        if started.elapsed() > SHORT * 3 {
            break;
        }
    }
    let rest = connection.rest().await;
    assert!(rest.is_empty() || rest.starts_with("HTTP/1.1 408"), "{rest}");
    assert_eq!(front.gateway.metrics().snapshot().connections, 0);
}

#[tokio::test]
async fn silence_is_answered_with_silence() {
    let front = Front::start(impatient(), site());
    assert_eq!(front.connect().await.rest().await, "");
}

#[tokio::test]
async fn an_idle_connection_has_another_bound_than_a_head() {
    let config = Config { idle_timeout: SHORT * 4, ..impatient() };
    let front = Front::start(config, site());
    let mut connection = front.connect().await;
    let ask = "GET /health HTTP/1.1\r\nhost: t\r\n\r\n";
    connection.send(ask).await;
    assert_eq!(connection.answer().await.status, 200);
    sleep(SHORT * 2).await;
    connection.send(ask).await;
    assert_eq!(connection.answer().await.status, 200, "longer than a head may take");
    let started = Instant::now();
    assert!(connection.is_closed().await);
    assert!(started.elapsed() >= SHORT * 3);
}

#[tokio::test]
async fn half_a_head_on_a_connection_that_was_idle_is_408_too() {
    let front = Front::start(impatient(), site());
    let mut connection = front.connect().await;
    connection.send("GET /health HTTP/1.1\r\nhost: t\r\n\r\n").await;
    assert_eq!(connection.answer().await.status, 200);
    sleep(SHORT * 2).await;
    let started = Instant::now();
    connection.send("GET /heal").await;
    assert_eq!(connection.answer().await.status, 408);
    let took = started.elapsed();
    assert!(took >= SHORT && took < SHORT * 10, "{took:?}, while idling may last over a minute");
}

#[tokio::test]
async fn a_body_that_pauses_is_408_and_never_reaches_the_handler() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let route = Route::service(
        "/up",
        handler(move |_, _| {
            counter.fetch_add(1, Relaxed);
            async { Ok(crate::support::text("called")) }
        }),
    );
    let front = Front::start(impatient(), Site::new(vec![route]));
    let head = "POST /up/x HTTP/1.1\r\nhost: t\r\ncontent-length: 10\r\n\r\nhalf";
    let answer = Answer::parse(&front.raw(head).await);
    assert_eq!(
        (answer.status, answer.message().as_str()),
        (408, "The request took too long to arrive")
    );
    assert_eq!(calls.load(Relaxed), 0);
}

#[tokio::test]
async fn a_body_that_trickles_has_an_end_too() {
    let config = Config { body_timeout: SHORT * 2, ..impatient() };
    let front = Front::start(config, site());
    let mut connection = front.connect().await;
    connection.send("POST /up/x HTTP/1.1\r\nhost: t\r\ncontent-length: 1000\r\n\r\n").await;
    let started = Instant::now();
    while started.elapsed() < SHORT * 3 {
        connection.send("x").await;
        sleep(Duration::from_millis(20)).await;
    }
    let rest = connection.rest().await;
    assert!(rest.starts_with("HTTP/1.1 408"), "{rest}");
}

#[tokio::test]
async fn a_streamed_body_that_pauses_is_408_whatever_the_handler_says() {
    let config = Config { body_buffer_bytes: 0, ..impatient() };
    let front = Front::start(config, site());
    let head = "POST /up/x HTTP/1.1\r\nhost: t\r\ncontent-length: 10\r\n\r\nhalf";
    assert_eq!(Answer::parse(&front.raw(head).await).status, 408);
}

#[tokio::test]
async fn a_client_that_does_not_read_is_let_go() {
    let endless = handler(|_, _| async {
        let pieces = futures_stream();
        Ok(http::Response::new(Body::new(StreamBody::new(pieces).boxed_unsync())))
    });
    let front = Front::start(impatient(), Site::new(vec![Route::service("/down", endless)]));
    let mut connection = front.connect().await;
    connection.send("GET /down/x HTTP/1.1\r\nhost: t\r\n\r\n").await;
    let started = Instant::now();
    while front.gateway.metrics().snapshot().connections > 0 || started.elapsed() < SHORT / 2 {
        assert!(started.elapsed() < Duration::from_secs(5), "it is still there");
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(front.gateway.metrics().snapshot().in_flight, 0);
}

/// 64 KiB of zeros, over and over.
fn futures_stream() -> impl futures_util::Stream<
    Item = Result<http_body::Frame<Bytes>, pingtalk_capabilities::calls::BodyError>,
> + Send {
    futures_util::stream::repeat_with(|| {
        Ok(http_body::Frame::data(Bytes::from_static(&[0; 64 * 1024])))
    })
}
