//! Bounds and endings: slow readers, large messages, limits, drain, and that nothing is left.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod support;

use std::time::Duration;

use bytes::Bytes;
use pingtalk_capabilities::sockets::{DisconnectReason, Message, Sockets, Target};
use pingtalk_sockets::{Config, Stats};
use support::{
    client::{Ws, get, post},
    stage::{Stage, config, event, events, room, socket},
};
use tokio::time::sleep;

#[tokio::test]
async fn a_slow_reader_is_disconnected_and_others_are_not() {
    let stage = Stage::new(Config { send_queue_bytes: 2_000_000, ..config() }).await;
    let (slow, slow_id) = stage.join("{\"rooms\":[\"r\"]}").await;
    let (mut quick, _) = stage.join("{\"rooms\":[\"r\"]}").await;
    let reader = tokio::spawn(async move {
        let mut seen = 0;
        while seen < 400 {
            if quick.text().await.starts_with("42[\"big\"") {
                seen += 1;
            }
        }
        quick
    });
    let text = format!("[\"{}\"]", "x".repeat(50_000));
    for _ in 0..400 {
        stage.server.emit(room("r"), event("big", &text), None, None).await.unwrap();
        sleep(Duration::from_millis(2)).await;
        assert!(stage.server.stats().queued_bytes < 5_000_000);
    }
    let _quick = reader.await.unwrap();
    stage.until(|stats| stats.sockets == 1 && stats.queued_bytes == 0).await;
    let told = stage.component.disconnects.lock().unwrap().clone();
    assert_eq!(told, [(slow_id, DisconnectReason::Overflow)]);
    drop(slow);
}

#[tokio::test]
async fn a_message_over_the_queue_bound_goes_out_alone() {
    let stage = Stage::new(Config { send_queue_bytes: 8_000_000, ..config() }).await;
    let (mut ws, id) = stage.join("").await;
    let text = format!("[\"{}\"]", "x".repeat(7_000_000));
    stage.server.emit(socket(&id), event("file", &text), None, None).await.unwrap();
    stage.emit(socket(&id), "after", None).await;
    assert!(ws.text().await.len() > 7_000_000);
    assert_eq!(events(&mut ws, 1).await, ["after"]);
}

#[tokio::test]
async fn binary_events_go_out_whole() {
    let stage = Stage::new(config()).await;
    let (mut one, _) = stage.join("{\"rooms\":[\"r\"]}").await;
    let (mut two, _) = stage.join("{\"rooms\":[\"r\"]}").await;
    let arguments = "[{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]";
    for n in 0..100u8 {
        let message = Message {
            name: "b".to_owned(),
            arguments: arguments.to_owned(),
            attachments: vec![Bytes::from(vec![n; 10]), Bytes::from(vec![n; 2000])],
        };
        stage.server.emit(room("r"), message, None, None).await.unwrap();
    }
    for ws in [&mut one, &mut two] {
        for n in 0..100u8 {
            assert_eq!(ws.text().await, format!("452-[\"b\",{}", &arguments[1..]));
            assert_eq!(ws.binary().await, vec![n; 10]);
            assert_eq!(ws.binary().await, vec![n; 2000]);
        }
    }
}

#[tokio::test]
async fn a_long_polling_queue_survives_the_upgrade() {
    let stage = Stage::new(config()).await;
    let opened = get(&stage.base, "/socket.io/?EIO=4&transport=polling").await;
    let sid = opened.text().split('"').nth(3).unwrap().to_owned();
    let path = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
    post(&stage.base, &path, "40{\"rooms\":[\"r\"]}").await;
    assert!(get(&stage.base, &path).await.text().starts_with("40{"));
    // More than one answer holds.
    let text = format!("[\"{}\"]", "x".repeat(100_000));
    for n in 0..30 {
        stage.server.emit(room("r"), event(&format!("e{n}"), &text), None, None).await.unwrap();
    }
    let first = get(&stage.base, &path).await;
    assert!(first.body.len() <= 1_000_000, "{}", first.body.len());
    let mut seen = first.text().split('\u{1e}').count();
    let url = format!("/socket.io/?EIO=4&transport=websocket&sid={sid}");
    let mut ws = Ws::connect(&stage.base, &url).await.unwrap();
    ws.send("2probe").await;
    assert_eq!(ws.raw().await, "3probe");
    ws.send("5").await;
    while seen < 30 {
        assert_eq!(events(&mut ws, 1).await, [format!("e{seen}")]);
        seen += 1;
    }
    stage.until(|stats| stats.queued_bytes == 0).await;
}

#[tokio::test]
async fn a_polling_client_still_learns_that_it_was_sent_away() {
    let stage = Stage::new(config()).await;
    let opened = get(&stage.base, "/socket.io/?EIO=4&transport=polling").await;
    let sid = opened.text().split('"').nth(3).unwrap().to_owned();
    let path = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
    post(&stage.base, &path, "40{\"user\":\"ann\"}").await;
    assert!(get(&stage.base, &path).await.text().starts_with("40{"));
    stage.server.disconnect(Target::User("ann".to_owned()), None).await.unwrap();
    sleep(Duration::from_millis(50)).await;
    assert!(get(&stage.base, &path).await.text().starts_with("41"));
    stage.until(|stats| stats.connections == 0).await;
}

#[tokio::test]
async fn a_user_has_so_many_sockets() {
    let stage = Stage::new(Config { max_sockets_per_user: 2, ..config() }).await;
    let (_one, _) = stage.join("{\"user\":\"ann\"}").await;
    let (_two, _) = stage.join("{\"user\":\"ann\"}").await;
    let mut three = stage.open().await;
    three.send("40{\"user\":\"ann\"}").await;
    assert_eq!(three.text().await, "44{\"message\":\"Too many connections\"}");
}

#[tokio::test]
async fn an_address_has_so_many_connections() {
    let stage = Stage::new(Config { max_connections_per_address: 2, ..config() }).await;
    let (one, _) = stage.join("").await;
    let (_two, _) = stage.join("").await;
    let path = "/socket.io/?EIO=4&transport=websocket";
    let refused = Ws::connect(&stage.base, path).await;
    assert_eq!(refused.err().map(|status| status.as_u16()), Some(503));
    drop(one);
    stage.until(|stats| stats.connections == 1).await;
    assert!(Ws::connect(&stage.base, path).await.is_ok());
}

#[tokio::test]
async fn draining_lets_clients_come_back_elsewhere() {
    let stage = Stage::new(config()).await;
    let (mut ws, id) = stage.join("").await;
    let opened = get(&stage.base, "/socket.io/?EIO=4&transport=polling").await;
    assert_eq!(opened.status, 200);
    stage.server.drain().await;
    // No disconnect packet (41), after which clients would stay away.
    let seen = ws.until_closed().await;
    assert!(seen.iter().all(|message| message == "1"), "{seen:?}");
    assert_eq!(get(&stage.base, "/socket.io/?EIO=4&transport=polling").await.status, 503);
    let told = stage.component.disconnects.lock().unwrap().clone();
    assert_eq!(told, [(id, DisconnectReason::Shutdown)]);
    assert_eq!(stage.server.stats(), Stats::default());
}

#[tokio::test]
async fn nothing_is_left_of_a_thousand_connections() {
    let stage = Stage::new(config()).await;
    for round in 0..20 {
        let clients = (0..50).map(|n| {
            let stage = &stage;
            async move {
                let script =
                    format!("{{\"user\":\"u{}\",\"rooms\":[\"r{round}\",\"all\"]}}", n % 7);
                let (ws, id) = stage.join(&script).await;
                stage.server.join(socket(&id), "held", true).await.unwrap();
                stage.emit(room("all"), "e", Some(round * 50 + n)).await;
                ws
            }
        });
        let clients = futures_util::future::join_all(clients).await;
        drop(clients);
    }
    stage.until(|stats| stats == Stats::default()).await;
    sleep(Duration::from_millis(50)).await;
    assert_eq!(stage.component.disconnects.lock().unwrap().len(), 1000);
}
