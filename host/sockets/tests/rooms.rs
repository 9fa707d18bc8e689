//! What a component does to its sockets: emit, rooms, users, order, disconnection.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod support;

use std::time::Duration;

use pingtalk_capabilities::sockets::{DisconnectReason, Message, SocketError, Sockets, Target};
use support::stage::{QUIET, Stage, config, event, events, room, socket};
use tokio::time::{Instant, sleep};

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
