//! The Socket.IO 5 protocol, case for case as its official suite has it (32).
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod support;

use serde_json::Value;
use support::{cases::Case, client::Ws};

const PATH: &str = "/socket.io/";

engine_cases! { "/socket.io/":
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

#[tokio::test]
async fn upgrade_moves_the_session() {
    let case = Case::new(PATH).await;
    let sid = case.open().await;
    let mut ws = case.probe(&sid).await;
    ws.send("5").await;
    ws.send("40").await;
    assert!(ws.text().await.starts_with("40{"));
}

/// A WebSocket past the handshake of the main namespace, and its server.
async fn connected() -> (Case, Ws) {
    let case = Case::new(PATH).await;
    let mut ws = case.open_websocket().await;
    ws.send("40").await;
    assert!(ws.text().await.starts_with("40{"));
    assert_eq!(ws.text().await, "42[\"auth\",{}]");
    (case, ws)
}

/// CONNECT with this packet is answered in this namespace, then `auth` comes with this payload.
async fn connects(packet: &str, prefix: &str, auth: &str) {
    let case = Case::new(PATH).await;
    let mut ws = case.open_websocket().await;
    ws.send(packet).await;
    let answer = ws.text().await;
    let handshake = answer.strip_prefix(&format!("40{prefix}")).unwrap();
    let handshake: Value = serde_json::from_str(handshake).unwrap();
    assert_eq!(handshake.as_object().unwrap().len(), 1);
    assert!(handshake["sid"].is_string());
    assert_eq!(ws.text().await, format!("42{prefix}[\"auth\",{auth}]"));
}

#[tokio::test]
async fn connect_main() {
    connects("40", "", "{}").await;
}

#[tokio::test]
async fn connect_main_with_payload() {
    connects("40{\"token\":\"123\"}", "", "{\"token\":\"123\"}").await;
}

#[tokio::test]
async fn connect_custom() {
    connects("40/custom,", "/custom,", "{}").await;
}

#[tokio::test]
async fn connect_custom_with_payload() {
    connects("40/custom,{\"token\":\"abc\"}", "/custom,", "{\"token\":\"abc\"}").await;
}

#[tokio::test]
async fn connect_unknown() {
    let case = Case::new(PATH).await;
    let mut ws = case.open_websocket().await;
    ws.send("40/random").await;
    assert_eq!(ws.text().await, "44/random,{\"message\":\"Invalid namespace\"}");
}

#[tokio::test]
async fn connect_malformed() {
    let case = Case::new(PATH).await;
    let mut ws = case.open_websocket().await;
    ws.send("4abc").await;
    ws.until_closed().await;
}

#[tokio::test]
async fn connect_never_sent() {
    let case = Case::new(PATH).await;
    let mut ws = case.open_websocket().await;
    let started = tokio::time::Instant::now();
    // Heartbeats are answered, so that it is the missing packet that closes.
    loop {
        match ws.next().await.map(|message| message.to_string()) {
            Some(ping) if ping == "2" => ws.send("3").await,
            Some(close) => assert_eq!(close, "1"),
            None => break,
        }
    }
    assert!(started.elapsed().as_millis() >= 900);
}

#[tokio::test]
async fn disconnect_main() {
    let (_case, mut ws) = connected().await;
    ws.send("41").await;
    assert_eq!(ws.raw().await, "2");
}

#[tokio::test]
async fn disconnect_custom() {
    let (_case, mut ws) = connected().await;
    ws.send("40/custom").await;
    assert!(ws.text().await.starts_with("40/custom,{"));
    assert_eq!(ws.text().await, "42/custom,[\"auth\",{}]");
    ws.send("41/custom").await;
    ws.send("42[\"message\",\"message to main namespace\"]").await;
    assert_eq!(ws.text().await, "42[\"message-back\",\"message to main namespace\"]");
}

#[tokio::test]
async fn message_text() {
    let (_case, mut ws) = connected().await;
    ws.send("42[\"message\",1,\"2\",{\"3\":[true]}]").await;
    assert_eq!(ws.text().await, "42[\"message-back\",1,\"2\",{\"3\":[true]}]");
}

const PLACEHOLDERS: &str = "{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}";

async fn binary(packet: String, answer: String) {
    let (_case, mut ws) = connected().await;
    ws.send(packet).await;
    ws.send_binary(&[1, 2, 3]).await;
    ws.send_binary(&[4, 5, 6]).await;
    assert_eq!(ws.text().await, answer);
    assert_eq!(ws.binary().await, &[1, 2, 3][..]);
    assert_eq!(ws.binary().await, &[4, 5, 6][..]);
}

#[tokio::test]
async fn message_binary() {
    binary(
        format!("452-[\"message\",{PLACEHOLDERS}]"),
        format!("452-[\"message-back\",{PLACEHOLDERS}]"),
    )
    .await;
}

#[tokio::test]
async fn message_text_with_ack() {
    let (_case, mut ws) = connected().await;
    ws.send("42456[\"message-with-ack\",1,\"2\",{\"3\":[false]}]").await;
    assert_eq!(ws.text().await, "43456[1,\"2\",{\"3\":[false]}]");
}

#[tokio::test]
async fn message_binary_with_ack() {
    binary(
        format!("452-789[\"message-with-ack\",{PLACEHOLDERS}]"),
        format!("462-789[{PLACEHOLDERS}]"),
    )
    .await;
}

async fn closes(packet: &str) {
    let (_case, mut ws) = connected().await;
    ws.send(packet).await;
    ws.until_closed().await;
}

#[tokio::test]
async fn message_of_unknown_type() {
    closes("4abc").await;
}

#[tokio::test]
async fn message_with_invalid_payload() {
    closes("42{}").await;
}

#[tokio::test]
async fn message_with_invalid_ack_id() {
    closes("42abc[\"message-with-ack\",1,\"2\",{\"3\":[false]}]").await;
}
