//! What a component does to its sockets: emit, rooms, users, order, holds, disconnection.
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
use pingtalk_capabilities::sockets::{DisconnectReason, Message, SocketError, Sockets, Target};
use pingtalk_sockets::{Config, Stats};
use support::{
    client::{Ws, get, post},
    stage::{Stage, config, event, room, socket},
};
use tokio::time::{Instant, sleep};

const QUIET: Duration = Duration::from_millis(80);

/// The names of the next events.
async fn events(ws: &mut Ws, count: usize) -> Vec<String> {
    let mut names = Vec::new();
    for _ in 0..count {
        let text = ws.text().await;
        names.push(text.split('"').nth(1).unwrap().to_owned());
    }
    names
}

#[tokio::test]
async fn targets() {
    let stage = Stage::new(config()).await;
    let (mut one, one_id) = stage.join("{\"user\":\"ann\",\"rooms\":[\"r\"]}").await;
    let (mut two, two_id) = stage.join("{\"user\":\"ann\"}").await;
    let (mut three, _) = stage.join("{\"user\":\"bob\",\"rooms\":[\"r\",\"s\"]}").await;
    stage.emit(socket(&two_id), "socket", None).await;
    stage.emit(Target::User("ann".to_owned()), "user", None).await;
    stage.server.emit(room("r"), event("room", "[1]"), None, Some(one_id.clone())).await.unwrap();
    stage.emit(room("nobody"), "nobody", None).await;
    stage.emit(socket("nobody"), "nobody", None).await;
    assert_eq!(events(&mut one, 1).await, ["user"]);
    assert_eq!(events(&mut two, 2).await, ["socket", "user"]);
    assert_eq!(three.text().await, "42[\"room\",1]");
    for ws in [&mut one, &mut two, &mut three] {
        ws.silent_for(QUIET).await;
    }
    // A user's sockets, a room's sockets.
    stage.server.join(Target::User("ann".to_owned()), "s", false).await.unwrap();
    stage.server.leave(room("r"), "s").await.unwrap();
    stage.emit(room("s"), "only two", None).await;
    assert_eq!(events(&mut two, 1).await, ["only two"]);
    one.silent_for(QUIET).await;
    three.silent_for(Duration::from_millis(1)).await;
}

#[tokio::test]
async fn bad_arguments_are_refused() {
    let stage = Stage::new(config()).await;
    let emit = |message: Message| stage.server.emit(room("r"), message, None, None);
    for message in [event("disconnect", "[]"), event("a", "{}"), event("a", "[1"), event("a", "")] {
        assert!(matches!(emit(message).await, Err(SocketError::Invalid(_))));
    }
    let (_ws, id) = stage.join("").await;
    for name in ["", &"r".repeat(201)] {
        let joined = stage.server.join(socket(&id), name, false).await;
        assert!(matches!(joined, Err(SocketError::Invalid(_))));
    }
    for n in 0..1000 {
        stage.server.join(socket(&id), &format!("r{n}"), false).await.unwrap();
    }
    assert!(stage.server.join(socket(&id), "one more", false).await.is_err());
}

#[tokio::test]
async fn numbered_events_go_out_in_order() {
    let stage = Stage::new(config()).await;
    let (mut ws, _) = stage.join("{\"rooms\":[\"r\"]}").await;
    stage.emit(room("r"), "e5", Some(5)).await;
    let early = stage.emit(room("r"), "e7", Some(7));
    let late = async {
        sleep(Duration::from_millis(30)).await;
        stage.emit(room("r"), "e6", Some(6)).await;
    };
    let started = Instant::now();
    tokio::join!(early, late);
    assert!(started.elapsed() < Duration::from_millis(200));
    stage.emit(room("r"), "again", Some(6)).await;
    stage.emit(room("r"), "unnumbered", None).await;
    assert_eq!(events(&mut ws, 4).await, ["e5", "e6", "e7", "unnumbered"]);
    ws.silent_for(QUIET).await;
}

#[tokio::test]
async fn a_gap_delays_but_loses_nothing() {
    let stage = Stage::new(config()).await;
    let (mut ws, _) = stage.join("{\"rooms\":[\"r\"]}").await;
    stage.emit(room("r"), "e1", Some(1)).await;
    let started = Instant::now();
    // Returns once it has been queued.
    stage.emit(room("r"), "e3", Some(3)).await;
    assert!(started.elapsed() >= Duration::from_millis(240), "{:?}", started.elapsed());
    stage.emit(room("r"), "e2", Some(2)).await;
    assert_eq!(events(&mut ws, 3).await, ["e1", "e3", "e2"]);
}

#[tokio::test]
async fn concurrent_emits_reach_all_in_one_order() {
    let stage = Stage::new(config()).await;
    let mut clients = Vec::new();
    for _ in 0..5 {
        clients.push(stage.join("{\"rooms\":[\"r\"]}").await.0);
    }
    stage.emit(room("r"), "e0", Some(0)).await;
    let emits = (0..200u64).rev().map(|n| {
        let server = stage.server.clone();
        tokio::spawn(async move {
            // In blocks of ten, each turned round.
            let n = (n / 10) * 10 + (9 - n % 10);
            if n > 0 {
                server.emit(room("r"), event(&format!("e{n}"), "[]"), Some(n), None).await.unwrap();
            }
        })
    });
    futures_util::future::join_all(emits).await;
    let expected: Vec<_> = (0..200).map(|n| format!("e{n}")).collect();
    for ws in &mut clients {
        assert_eq!(events(ws, 200).await, expected);
    }
}

#[tokio::test]
async fn held_events_follow_the_history() {
    let stage = Stage::new(config()).await;
    let (mut ws, id) = stage.join("").await;
    let (_other, _) = stage.join("{\"rooms\":[\"r\"]}").await;
    stage.server.join(socket(&id), "r", true).await.unwrap();
    for n in 1..=4 {
        stage.emit(room("r"), &format!("live{n}"), Some(n)).await;
    }
    stage.emit(room("r"), "unnumbered", None).await;
    // The history up to 3, straight to the socket: numbers there don't touch the room's order.
    for n in 1..=3 {
        stage.emit(socket(&id), &format!("old{n}"), Some(n)).await;
    }
    assert_eq!(events(&mut ws, 3).await, ["old1", "old2", "old3"]);
    ws.silent_for(QUIET).await;
    stage.server.release(socket(&id), "r", 3).await.unwrap();
    assert_eq!(events(&mut ws, 2).await, ["live4", "unnumbered"]);
    stage.emit(room("r"), "live5", Some(5)).await;
    assert_eq!(events(&mut ws, 1).await, ["live5"]);
    // A duplicate and a second release bring nothing again.
    stage.emit(room("r"), "live4", Some(4)).await;
    stage.server.release(socket(&id), "r", 3).await.unwrap();
    ws.silent_for(QUIET).await;
}

#[tokio::test]
async fn what_the_history_covered_is_not_sent_again() {
    let stage = Stage::new(config()).await;
    let (mut ws, id) = stage.join("").await;
    stage.server.join(socket(&id), "r", true).await.unwrap();
    stage.server.release(socket(&id), "r", 10).await.unwrap();
    stage.emit(room("r"), "live10", Some(10)).await;
    stage.emit(room("r"), "live11", Some(11)).await;
    assert_eq!(events(&mut ws, 1).await, ["live11"]);
}

#[tokio::test]
async fn a_hold_that_overflows_ends_the_socket() {
    let stage = Stage::new(Config { hold_events: 10, ..config() }).await;
    let (mut ws, id) = stage.join("").await;
    let (mut other, _) = stage.join("{\"rooms\":[\"r\"]}").await;
    stage.server.join(socket(&id), "r", true).await.unwrap();
    for n in 1..=11 {
        stage.emit(room("r"), "e", Some(n)).await;
    }
    ws.until_closed().await;
    assert_eq!(events(&mut other, 11).await.len(), 11);
    stage.until(|stats| stats.sockets == 1).await;
    let told = stage.component.disconnects.lock().unwrap().clone();
    assert_eq!(told, [(id, DisconnectReason::Overflow)]);
}

#[tokio::test]
async fn a_hold_nobody_releases_ends_the_socket() {
    let stage = Stage::new(Config { hold_timeout: Duration::from_millis(100), ..config() }).await;
    let (mut ws, id) = stage.join("").await;
    let (mut released, released_id) = stage.join("").await;
    stage.server.join(socket(&id), "r", true).await.unwrap();
    stage.server.join(socket(&released_id), "r", true).await.unwrap();
    stage.server.release(socket(&released_id), "r", 0).await.unwrap();
    // No disconnect packet (41): the client is to come back by itself.
    let seen = ws.until_closed().await;
    assert!(seen.iter().all(|message| message == "1"), "{seen:?}");
    released.silent_for(QUIET * 2).await;
    assert_eq!(stage.server.stats().sockets, 1);
}

#[tokio::test]
async fn leaving_is_immediate() {
    let stage = Stage::new(config()).await;
    let (mut ws, id) = stage.join("{\"rooms\":[\"r\"]}").await;
    let (mut other, _) = stage.join("{\"rooms\":[\"r\"]}").await;
    stage.emit(room("r"), "e1", Some(1)).await;
    let server = stage.server.clone();
    // Waits for its predecessor while the socket leaves.
    let early = tokio::spawn(async move {
        server.emit(room("r"), event("e3", "[]"), Some(3), None).await.unwrap();
    });
    sleep(Duration::from_millis(20)).await;
    stage.server.leave(socket(&id), "r").await.unwrap();
    stage.emit(room("r"), "e2", Some(2)).await;
    early.await.unwrap();
    assert_eq!(events(&mut other, 3).await, ["e1", "e2", "e3"]);
    assert_eq!(events(&mut ws, 1).await, ["e1"]);
    ws.silent_for(QUIET).await;
    // What was held back is gone, too.
    stage.server.join(socket(&id), "r", true).await.unwrap();
    stage.emit(room("r"), "e4", Some(4)).await;
    stage.server.leave(socket(&id), "r").await.unwrap();
    stage.server.release(socket(&id), "r", 0).await.unwrap();
    ws.silent_for(QUIET).await;
}

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
async fn disconnecting_a_user_spares_a_room() {
    let stage = Stage::new(config()).await;
    let (mut gone, gone_id) = stage.join("{\"user\":\"ann\"}").await;
    let (mut spared, _) = stage.join("{\"user\":\"ann\",\"rooms\":[\"this session\"]}").await;
    let (mut other, _) = stage.join("{\"user\":\"bob\"}").await;
    let ann = Target::User("ann".to_owned());
    stage.server.disconnect(ann, Some("this session".to_owned())).await.unwrap();
    assert_eq!(gone.text().await, "41");
    gone.until_closed().await;
    spared.silent_for(QUIET).await;
    other.silent_for(Duration::from_millis(1)).await;
    stage.until(|stats| stats.sockets == 2).await;
    let told = stage.component.disconnects.lock().unwrap().clone();
    assert_eq!(told, [(gone_id, DisconnectReason::Server)]);
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
