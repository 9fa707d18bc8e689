//! The Engine.IO 4 protocol, case for case as its official suite has it (25), against an endpoint
//! that sends back what it gets.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod support;

use std::time::Duration;

use support::{
    cases::Case,
    client::{get, post},
};
use tokio::time::sleep;

const PATH: &str = "/engine.io/";

engine_cases! { "/engine.io/":
    handshake_polling_opens => polling_opens();
    handshake_polling_refuses_protocol =>
        polling_refuses(["transport=polling", "EIO=abc&transport=polling"], 5);
    handshake_polling_refuses_transport => polling_refuses(["EIO=4", "EIO=4&transport=abc"], 0);
    handshake_polling_refuses_method => polling_refuses_methods();
    handshake_websocket_opens => websocket_opens();
    handshake_websocket_refuses_protocol =>
        websocket_refuses(["transport=websocket", "EIO=abc&transport=websocket"]);
    handshake_websocket_refuses_transport => websocket_refuses(["EIO=4", "EIO=4&transport=abc"]);
    heartbeat_polling => polling_heartbeat();
    heartbeat_polling_missed => polling_heartbeat_missed();
    heartbeat_websocket => websocket_heartbeat();
    heartbeat_websocket_missed => websocket_heartbeat_missed();
    close_polling => polling_close();
    close_websocket => websocket_close();
    upgrade_then_poll_is_refused => upgrade_then_poll();
    upgrade_twice_is_ignored => upgrade_twice();
}

/// What is posted comes back with the next poll.
async fn comes_back(payload: &'static str) {
    let case = Case::new(PATH).await;
    let sid = case.open().await;
    let posted = post(case.base(), &case.polling(&sid), payload).await;
    assert_eq!((posted.status.as_u16(), posted.text()), (200, "ok"));
    let polled = get(case.base(), &case.polling(&sid)).await;
    assert_eq!((polled.status.as_u16(), polled.text()), (200, payload));
}

#[tokio::test]
async fn message_polling_text() {
    comes_back("4hello").await;
}

#[tokio::test]
async fn message_polling_several() {
    comes_back("4test1\u{1e}4test2\u{1e}4test3").await;
}

#[tokio::test]
async fn message_polling_binary() {
    comes_back("4hello\u{1e}bAQIDBA==").await;
}

#[tokio::test]
async fn message_polling_malformed() {
    let case = Case::new(PATH).await;
    let sid = case.open().await;
    assert_eq!(post(case.base(), &case.polling(&sid), "abc").await.status, 400);
    assert_eq!(get(case.base(), &case.polling(&sid)).await.status, 400);
}

#[tokio::test]
async fn message_polling_twice_at_once() {
    let case = Case::new(PATH).await;
    let path = case.polling(&case.open().await);
    let (first, second) = tokio::join!(get(case.base(), &path), async {
        sleep(Duration::from_millis(20)).await;
        get(case.base(), &format!("{path}&t=burst")).await
    });
    assert_eq!((first.status.as_u16(), first.text()), (200, "1"));
    assert_eq!(second.status, 400);
    assert_eq!(get(case.base(), &path).await.status, 400);
}

#[tokio::test]
async fn message_polling_cancelled() {
    let case = Case::new(PATH).await;
    let path = case.polling(&case.open().await);
    let cancelled = tokio::time::timeout(Duration::from_millis(30), get(case.base(), &path)).await;
    assert!(cancelled.is_err());
    sleep(Duration::from_millis(20)).await;
    assert_eq!(get(case.base(), &path).await.status, 400);
}

#[tokio::test]
async fn message_websocket_text() {
    let case = Case::new(PATH).await;
    let mut ws = case.open_websocket().await;
    ws.send("4hello").await;
    assert_eq!(ws.raw().await, "4hello");
}

#[tokio::test]
async fn message_websocket_binary() {
    let case = Case::new(PATH).await;
    let mut ws = case.open_websocket().await;
    ws.send_binary(&[1, 2, 3, 4]).await;
    assert_eq!(ws.binary().await, &[1, 2, 3, 4][..]);
}

#[tokio::test]
async fn message_websocket_malformed() {
    let case = Case::new(PATH).await;
    let mut ws = case.open_websocket().await;
    ws.send("abc").await;
    ws.until_closed().await;
}

#[tokio::test]
async fn upgrade_moves_the_session() {
    let case = Case::new(PATH).await;
    let sid = case.open().await;
    let mut ws = case.probe(&sid).await;
    let polled = get(case.base(), &case.polling(&sid)).await;
    assert_eq!((polled.status.as_u16(), polled.text()), (200, "6"));
    ws.send("5").await;
    ws.send("4hello").await;
    assert_eq!(ws.text().await, "4hello");
}
