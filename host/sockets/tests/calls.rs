//! Calls into the component: what reaches it, in which order, and what its answers become.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod support;

use std::{sync::atomic::Ordering, time::Duration};

use pingtalk_capabilities::sockets::{DisconnectReason, Sockets};
use pingtalk_sockets::Config;
use support::{
    client::{Ws, get, post, request},
    stage::{Stage, config, socket},
};
use tokio::time::{Instant, sleep};

#[tokio::test]
async fn one_sockets_events_are_handled_one_at_a_time_in_order() {
    let stage = Stage::new(config()).await;
    let (mut ws, _) = stage.join("").await;
    for n in 0..20 {
        // The first take longest, so that any overtaking would show.
        ws.send(format!("42[\"slow\",{}]", 20 - n)).await;
    }
    ws.send("421[\"echo\"]").await;
    assert_eq!(ws.text().await, "431[]");
    let expected: Vec<_> = (0..20).map(|n| format!("slow [{}]", 20 - n)).collect();
    assert_eq!(stage.component.record().await[1..21], expected);
    assert_eq!(stage.component.most_running.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn different_sockets_are_handled_at_once() {
    let stage = Stage::new(config()).await;
    let mut clients = Vec::new();
    for _ in 0..8 {
        clients.push(stage.join("").await.0);
    }
    let started = Instant::now();
    for ws in &mut clients {
        ws.send("42[\"slow\",200]").await;
        ws.send("421[\"echo\"]").await;
    }
    for ws in &mut clients {
        assert_eq!(ws.text().await, "431[]");
    }
    assert!(started.elapsed() < Duration::from_millis(800), "{:?}", started.elapsed());
}

#[tokio::test]
async fn events_sent_before_connect_returned_wait_for_it() {
    let stage = Stage::new(config()).await;
    let mut ws = stage.open().await;
    ws.send("40{\"slow\":100}").await;
    ws.send("42[\"early\",1]").await;
    ws.send("429[\"echo\",2]").await;
    assert!(ws.text().await.starts_with("40{"));
    assert_eq!(ws.text().await, "439[2]");
    assert_eq!(stage.component.record().await, ["connect ", "early [1]", "echo [2]"]);
}

#[tokio::test]
async fn a_refusal_becomes_a_connect_error() {
    let stage = Stage::new(config()).await;
    let mut ws = stage.open().await;
    ws.send("40{\"refuse\":\"Unauthorized - No cookies\"}").await;
    assert_eq!(ws.text().await, "44{\"message\":\"Unauthorized - No cookies\"}");
    ws.send("40{\"refuse\":\"no\",\"data\":{\"code\":1}}").await;
    assert_eq!(ws.text().await, "44{\"message\":\"no\",\"data\":{\"code\":1}}");
    // It may try again on the same connection; the refused ones were never sockets.
    ws.send("40").await;
    assert!(ws.text().await.starts_with("40{"));
    drop(ws);
    stage.until(|stats| stats.connections == 0).await;
    assert_eq!(stage.component.disconnects.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_failing_connect_is_refused_and_the_server_lives() {
    let stage = Stage::new(config()).await;
    for script in ["{\"fail\":true}", "{\"attachment\":5000}", "{\"rooms\":[\"\"]}"] {
        let mut ws = stage.open().await;
        ws.send(format!("40{script}")).await;
        assert_eq!(ws.text().await, "44{\"message\":\"Internal error, please try again\"}");
    }
    stage.join("").await;
}

#[tokio::test]
async fn a_failing_event_gets_an_error_event_and_the_socket_stays() {
    let stage = Stage::new(config()).await;
    let (mut ws, _) = stage.join("").await;
    for name in ["fail", "panic", "bad-ack"] {
        ws.send(format!("425[\"{name}\"]")).await;
        assert_eq!(ws.text().await, "42[\"error\",\"Internal error, please try again\"]", "{name}");
    }
    ws.send("427[\"echo\",true]").await;
    assert_eq!(ws.text().await, "437[true]");
}

#[tokio::test]
async fn a_call_that_takes_too_long_is_given_up() {
    let stage =
        Stage::new(Config { handler_deadline: Duration::from_millis(100), ..config() }).await;
    let (mut ws, _) = stage.join("").await;
    ws.send("42[\"slow\",60000]").await;
    assert_eq!(ws.text().await, "42[\"error\",\"Internal error, please try again\"]");
}

#[tokio::test]
async fn disconnect_is_told_once_after_the_last_event() {
    let stage = Stage::new(config()).await;
    let (mut ws, id) = stage.join("").await;
    ws.send("42[\"slow\",50]").await;
    ws.send("42[\"last\"]").await;
    ws.send("41").await;
    drop(ws);
    stage.until(|stats| stats.connections == 0).await;
    sleep(Duration::from_millis(150)).await;
    assert_eq!(stage.component.record().await[1..], ["slow [50]", "last []", "disconnect"]);
    assert_eq!(*stage.component.disconnects.lock().unwrap(), [(id, DisconnectReason::Client)]);
}

#[tokio::test]
async fn a_lost_connection_is_told_too_also_while_connecting() {
    let stage = Stage::new(config()).await;
    let (ws, id) = stage.join("").await;
    drop(ws);
    let mut connecting = stage.open().await;
    connecting.send("40{\"slow\":100,\"user\":\"u\",\"rooms\":[\"r\"]}").await;
    drop(connecting);
    stage.until(|stats| stats.connections == 0).await;
    sleep(Duration::from_millis(150)).await;
    let told = stage.component.disconnects.lock().unwrap().clone();
    assert_eq!(told.len(), 2);
    assert_eq!(told[0], (id, DisconnectReason::Transport));
    assert_eq!(told[1].1, DisconnectReason::Transport);
    assert_eq!(stage.server.stats(), pingtalk_sockets::Stats::default());
}

#[tokio::test]
async fn a_client_that_sends_too_fast_is_not_read_from() {
    let stage = Stage::new(Config { inbound_events: 800, ..config() }).await;
    let (mut ws, _) = stage.join("").await;
    // Far more than may wait; nothing may be lost and nobody is disconnected.
    for n in 0..3000 {
        ws.send(format!("42[\"back\",{n},\"{}\"]", "x".repeat(300))).await;
        if n % 10 == 0 {
            ws.send("42[\"slow\",1]").await;
        }
    }
    for n in 0..3000 {
        assert!(ws.text().await.starts_with(&format!("42[\"back\",{n},")));
    }
}

#[tokio::test]
async fn a_burst_over_the_hard_bound_ends_that_connection_only() {
    let stage = Stage::new(Config { inbound_events: 100, ..config() }).await;
    let (_other, _) = stage.join("").await;
    let opened = get(&stage.base, "/socket.io/?EIO=4&transport=polling").await;
    let sid = opened.text().split('"').nth(3).unwrap().to_owned();
    let path = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
    post(&stage.base, &path, "40").await;
    let burst = vec!["42[\"slow\",100]"; 300].join("\u{1e}");
    post(&stage.base, &path, burst).await;
    stage.until(|stats| stats.sockets == 1).await;
}

#[tokio::test]
async fn a_chat_namespace_is_the_main_one() {
    let stage = Stage::new(config()).await;
    for spelling in ["/chat", "/chat/"] {
        let mut ws = stage.open().await;
        ws.send(format!("40{spelling},{{}}")).await;
        let answer = ws.text().await;
        let id = answer.split('"').nth(3).unwrap().to_owned();
        assert!(answer.starts_with(&format!("40{spelling},{{")), "{answer}");
        ws.send(format!("42{spelling},3[\"echo\",1]")).await;
        assert_eq!(ws.text().await, format!("43{spelling},3[1]"));
        stage.emit(socket(&id), "news", None).await;
        assert_eq!(ws.text().await, format!("42{spelling},[\"news\"]"));
        stage.server.disconnect(socket(&id), None).await.unwrap();
        assert_eq!(ws.text().await, format!("41{spelling},"));
    }
}

#[tokio::test]
async fn protocol_errors_cost_the_connection() {
    let stage = Stage::new(config()).await;
    for packet in
        ["40", "42/nowhere,[\"a\"]", "451-[\"a\"]|42[\"b\"]", "44{}", "42[\"connect\"]", "b"]
    {
        let (mut ws, _) = stage.join("").await;
        for part in packet.split('|') {
            let _ = futures_util::SinkExt::send(
                &mut ws.0,
                tokio_tungstenite::tungstenite::Message::text(part.to_owned()),
            )
            .await;
        }
        ws.until_closed().await;
    }
    // An event before CONNECT, an attachment out of the blue.
    let mut ws = stage.open().await;
    ws.send("42[\"a\"]").await;
    ws.until_closed().await;
    let (mut ws, _) = stage.join("").await;
    ws.send_binary(&[1]).await;
    ws.until_closed().await;
    stage.until(|stats| stats.connections == 0).await;
}

#[tokio::test]
async fn coming_and_going_too_fast_costs_the_connection() {
    let stage = Stage::new(config()).await;
    let mut ws = stage.open().await;
    for _ in 0..100 {
        let text = |text: &str| tokio_tungstenite::tungstenite::Message::text(text.to_owned());
        let _ = futures_util::SinkExt::send(&mut ws.0, text("40{\"slow\":200}")).await;
        let _ = futures_util::SinkExt::send(&mut ws.0, text("41")).await;
    }
    ws.until_closed().await;
    stage.until(|stats| stats.connections == 0).await;
    sleep(Duration::from_millis(300)).await;
    let calls = stage.component.record().await.len();
    assert!(calls <= 64, "{calls}");
}

#[tokio::test]
async fn foreign_origins_are_refused() {
    let stage = Stage::new(config()).await;
    let path = "/socket.io/?EIO=4&transport=websocket";
    let from = |origin| [("origin", origin)];
    let refused = Ws::connect_with(&stage.base, path, &from("http://evil.test")).await;
    assert_eq!(refused.err().map(|status| status.as_u16()), Some(403));
    assert!(Ws::connect_with(&stage.base, path, &from("http://good.test")).await.is_ok());
    let polling = "/socket.io/?EIO=4&transport=polling";
    let refused =
        request(&stage.base, http::Method::GET, polling, &from("http://evil.test"), "").await;
    assert_eq!(
        (refused.status.as_u16(), refused.text()),
        (403, "{\"code\":4,\"message\":\"Forbidden\"}")
    );
}

#[tokio::test]
async fn the_component_sees_the_cookie() {
    let stage = Stage::new(config()).await;
    let path = "/socket.io/?EIO=4&transport=websocket";
    let mut ws = Ws::connect_with(&stage.base, path, &[("cookie", "token=abc")]).await.unwrap();
    ws.send("40").await;
    ws.raw().await;
    ws.raw().await;
    assert_eq!(stage.component.record().await, ["connect token=abc"]);
}

#[tokio::test]
async fn engine_errors_are_the_reference_servers() {
    let stage = Stage::new(config()).await;
    for (query, error) in [
        (
            "EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAA",
            "{\"code\":1,\"message\":\"Session ID unknown\"}",
        ),
        ("EIO=4&transport=polling&sid=nonsense", "{\"code\":1,\"message\":\"Session ID unknown\"}"),
        ("EIO=4&transport=tcp", "{\"code\":0,\"message\":\"Transport unknown\"}"),
        ("EIO=3&transport=polling", "{\"code\":5,\"message\":\"Unsupported protocol version\"}"),
    ] {
        let answer = get(&stage.base, &format!("/socket.io/?{query}")).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (400, error));
        assert_eq!(answer.headers["content-type"], "application/json");
    }
}

#[tokio::test]
async fn a_payload_over_the_limit_is_refused() {
    let stage = Stage::new(config()).await;
    let opened = get(&stage.base, "/socket.io/?EIO=4&transport=polling").await;
    let sid = opened.text().split('"').nth(3).unwrap().to_owned();
    let path = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
    assert_eq!(post(&stage.base, &path, vec![b'4'; 1_000_001]).await.status, 413);
    let (mut ws, _) = stage.join("").await;
    let long = format!("42[\"a\",\"{}\"]", "x".repeat(1_000_000));
    let _ =
        futures_util::SinkExt::send(&mut ws.0, tokio_tungstenite::tungstenite::Message::text(long))
            .await;
    ws.until_closed().await;
}
