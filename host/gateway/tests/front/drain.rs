//! Ending in good order.

use std::time::{Duration, Instant};

use pingtalk_gateway::{Config, Route, Site};
use tokio::{net::TcpStream, time::sleep};

use crate::support::{Front, handler, text};

fn slow(milliseconds: u64) -> Route {
    Route::service(
        "/slow",
        handler(move |_, _| async move {
            sleep(Duration::from_millis(milliseconds)).await;
            Ok(text("done"))
        }),
    )
}

#[tokio::test]
async fn requests_in_flight_finish_and_nothing_new_is_taken() {
    let site = Site::new(vec![slow(300)]).with_health();
    let mut front = Front::start(Config::default(), site);
    let mut idle = front.connect().await;
    idle.send("GET /health HTTP/1.1\r\nhost: t\r\n\r\n").await;
    assert_eq!(idle.answer().await.status, 200);
    let mut busy = front.connect().await;
    busy.send("GET /slow/x HTTP/1.1\r\nhost: t\r\n\r\n").await;
    while front.gateway.metrics().snapshot().in_flight == 0 {
        sleep(Duration::from_millis(1)).await;
    }
    front.stop();
    assert!(idle.is_closed().await, "an idle connection closes at once");
    assert!(TcpStream::connect(front.address).await.is_err(), "nobody listens");
    let answer = busy.answer().await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "done"));
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(busy.is_closed().await);
    let gateway = front.gateway.clone();
    front.ended().await;
    assert_eq!(gateway.metrics().snapshot().connections, 0);
}

#[tokio::test]
async fn a_drain_has_an_end() {
    let config = Config { drain_timeout: Duration::from_millis(100), ..Config::default() };
    let mut front = Front::start(config, Site::new(vec![slow(60_000)]));
    let mut busy = front.connect().await;
    busy.send("GET /slow/x HTTP/1.1\r\nhost: t\r\n\r\n").await;
    while front.gateway.metrics().snapshot().in_flight == 0 {
        sleep(Duration::from_millis(1)).await;
    }
    let started = Instant::now();
    front.stop();
    let gateway = front.gateway.clone();
    front.ended().await;
    assert!(started.elapsed() < Duration::from_secs(3));
    assert!(busy.is_closed().await);
    assert_eq!(gateway.metrics().snapshot().in_flight, 0);
}

#[tokio::test]
async fn nothing_to_drain_takes_no_time() {
    let mut front = Front::start(Config::default(), Site::new(vec![]).with_health());
    front.get("/health").await;
    let started = Instant::now();
    front.stop();
    front.ended().await;
    assert!(started.elapsed() < Duration::from_secs(1));
}
