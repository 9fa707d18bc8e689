//! Holds: what a room keeps back for a socket while its history is being sent.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod support;

use std::time::Duration;

use pingtalk_capabilities::sockets::{DisconnectReason, Sockets};
use pingtalk_sockets::Config;
use support::stage::{QUIET, Stage, config, events, room, socket};

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
