//! Several hosts that deliver to each other's sockets: whom, evictions, what happens when notices
//! are late or lost. The order of a room's events has a file of its own.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod support;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use pingtalk_capabilities::sockets::{DisconnectReason, Message, Sockets, Target};
use pingtalk_sockets::Config;
use support::{
    bus::{Bus, Seat},
    stage::{QUIET, Stage, config, event, events, room, socket},
};

fn user(name: &str) -> Target {
    Target::User(name.to_owned())
}

/// Hosts on one bus. They close quickly what they must.
async fn hosts<const COUNT: usize>() -> (Arc<Bus>, [(Stage, Arc<Seat>); COUNT]) {
    let bus = Bus::new();
    let mut hosts = Vec::new();
    for number in 0..COUNT {
        let seat = bus.seat(number);
        let config = Config { reset_spread: Duration::from_millis(200), ..config() };
        hosts.push((Stage::among_others(config, &seat).await, seat));
    }
    (bus, hosts.try_into().ok().unwrap())
}

#[tokio::test]
async fn targets_are_found_wherever_they_are() {
    let (_bus, [(a, _), (b, _), (c, _)]) = hosts().await;
    let (mut on_a, id_a) = a.join("{\"user\":\"ann\",\"rooms\":[\"r\"]}").await;
    let (mut on_b, id_b) = b.join("{\"user\":\"ann\",\"rooms\":[\"r\"]}").await;
    let (mut on_c, _) = c.join("{\"user\":\"bob\",\"rooms\":[\"r\"]}").await;
    a.emit(room("r"), "room", None).await;
    a.emit(user("ann"), "user", None).await;
    a.emit(socket(&id_b), "socket", None).await;
    a.emit(socket(&id_a), "own", None).await;
    // The spared socket is on another host than the call.
    a.server.emit(room("r"), event("others", "[]"), None, Some(id_b.clone())).await.unwrap();
    a.emit(room("r"), "end", None).await;
    assert_eq!(events(&mut on_a, 5).await, ["room", "user", "own", "others", "end"]);
    assert_eq!(events(&mut on_b, 4).await, ["room", "user", "socket", "end"]);
    assert_eq!(events(&mut on_c, 3).await, ["room", "others", "end"]);
    for ws in [&mut on_a, &mut on_b, &mut on_c] {
        ws.silent_for(QUIET).await;
    }
}

#[tokio::test]
async fn rooms_are_joined_held_and_left_from_anywhere() {
    let (_bus, [(a, _), (b, _)]) = hosts().await;
    let (mut ws, id) = b.join("{\"user\":\"ann\"}").await;
    a.server.join(socket(&id), "r", true).await.unwrap();
    a.emit(room("r"), "e1", Some(1)).await;
    a.emit(room("r"), "e2", Some(2)).await;
    a.emit(socket(&id), "history", Some(1)).await;
    a.server.release(socket(&id), "r", 1).await.unwrap();
    assert_eq!(events(&mut ws, 2).await, ["history", "e2"]);
    // A removed member gets nothing that is emitted after the removal.
    a.server.leave(user("ann"), "r").await.unwrap();
    a.emit(room("r"), "e3", Some(3)).await;
    a.emit(user("ann"), "last", None).await;
    assert_eq!(events(&mut ws, 1).await, ["last"]);
}

#[tokio::test]
async fn evictions_reach_every_host() {
    let (_bus, [(a, _), (b, _), (c, _)]) = hosts().await;
    let (mut gone, gone_id) = b.join("{\"user\":\"ann\",\"rooms\":[\"session 1\"]}").await;
    let (mut spared, _) = b.join("{\"user\":\"ann\",\"rooms\":[\"session 2\"]}").await;
    let (mut other, _) = c.join("{\"user\":\"bob\"}").await;
    // A changed password, then a logout, both handled where no such socket is.
    a.server.disconnect(user("ann"), Some("session 2".to_owned())).await.unwrap();
    assert_eq!(gone.text().await, "41");
    gone.until_closed().await;
    b.until(|stats| stats.sockets == 1).await;
    let told = b.component.disconnects.lock().unwrap().clone();
    assert_eq!(told, [(gone_id, DisconnectReason::Server)]);
    spared.silent_for(QUIET).await;
    a.server.disconnect(room("session 2"), None).await.unwrap();
    assert_eq!(spared.text().await, "41");
    other.silent_for(QUIET).await;
}

#[tokio::test]
async fn only_what_may_concern_others_is_told() {
    let (_bus, [(a, _), (b, _)]) = hosts().await;
    let (mut ws, id) = a.join("").await;
    a.emit(socket(&id), "here", None).await;
    a.server.join(socket(&id), "r", true).await.unwrap();
    a.server.release(socket(&id), "r", 0).await.unwrap();
    a.server.leave(socket(&id), "r").await.unwrap();
    assert_eq!(events(&mut ws, 1).await, ["here"]);
    drop(ws);
    a.until(|stats| stats.sockets == 0).await;
    // It was ours, so it is nobody else's.
    a.emit(socket(&id), "gone", None).await;
    let published = |stage: &Stage| stage.server.stats().cluster.unwrap().published;
    assert_eq!(published(&a), 0);
    b.emit(socket(&id), "who knows", None).await;
    assert_eq!(published(&b), 1);
}

#[tokio::test]
async fn large_bodies_travel_only_where_they_are_wanted() {
    let (bus, [(a, _), (b, _), (c, _)]) = hosts().await;
    let (mut on_b, _) = b.join("{\"rooms\":[\"r\"]}").await;
    let (mut on_c, _) = c.join("{\"rooms\":[\"s\"]}").await;
    let message = Message {
        name: "file".to_owned(),
        arguments: "[{\"_placeholder\":true,\"num\":0}]".to_owned(),
        attachments: vec![Bytes::from(vec![7; 2_000_000])],
    };
    a.server.emit(room("r"), message, Some(1), None).await.unwrap();
    a.emit(room("r"), "after", Some(2)).await;
    a.emit(room("s"), "elsewhere", None).await;
    assert_eq!(on_b.text().await, "451-[\"file\",{\"_placeholder\":true,\"num\":0}]");
    assert_eq!(on_b.binary().await, vec![7; 2_000_000]);
    assert_eq!(events(&mut on_b, 1).await, ["after"]);
    assert_eq!(events(&mut on_c, 1).await, ["elsewhere"]);
    assert_eq!(bus.fetched(), 1);
    // A body that is gone is a notice that is lost.
    bus.forget_bodies();
    a.server.emit(room("r"), event("e", &format!("[{:2000}]", 1)), None, None).await.unwrap();
    on_b.until_closed().await;
    on_c.silent_for(QUIET).await;
}

/// A client with a gap must not receive what comes after it: it would catch up after that.
#[tokio::test]
async fn clients_come_back_when_notices_are_lost() {
    let (_bus, [(a, _), (b, seat)]) = hosts().await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(b.join("{\"rooms\":[\"r\"]}").await.0);
    }
    let (mut elsewhere, _) = a.join("{\"rooms\":[\"r\"]}").await;
    a.emit(room("r"), "e1", Some(1)).await;
    for ws in &mut clients {
        assert_eq!(events(ws, 1).await, ["e1"]);
    }
    seat.deafen(true);
    a.emit(room("r"), "e2", Some(2)).await;
    seat.lose();
    let started = Instant::now();
    seat.deafen(false);
    b.until(|stats| stats.sockets == 0).await;
    a.emit(room("r"), "e3", Some(3)).await;
    b.emit(room("r"), "e4", Some(4)).await;
    for ws in &mut clients {
        // Neither a later event nor a disconnect packet (41), after which a client stays away.
        let seen = ws.until_closed().await;
        assert!(seen.iter().all(|message| message == "1"), "{seen:?}");
    }
    assert!(started.elapsed() < Duration::from_secs(2));
    let told = b.component.disconnects.lock().unwrap().clone();
    assert!(told.len() == 20 && told.iter().all(|(_, why)| *why == DisconnectReason::Transport));
    // The other host's clients missed nothing, and whoever comes back hears everything again.
    assert_eq!(events(&mut elsewhere, 4).await, ["e1", "e2", "e3", "e4"]);
    let (mut back, id) = b.join("").await;
    b.server.join(socket(&id), "r", true).await.unwrap();
    b.server.release(socket(&id), "r", 4).await.unwrap();
    a.emit(room("r"), "e5", Some(5)).await;
    assert_eq!(events(&mut back, 1).await, ["e5"]);
}

#[tokio::test]
async fn a_host_that_cannot_speak_goes_on_and_catches_up() {
    let (_bus, [(a, seat), (b, _)]) = hosts().await;
    let (mut on_a, _) = a.join("{\"rooms\":[\"r\"]}").await;
    let (mut on_b, id) = b.join("{\"user\":\"ann\",\"rooms\":[\"r\"]}").await;
    // Its history tells the first number; else nothing would go out before it is removed.
    b.server.release(socket(&id), "r", 0).await.unwrap();
    seat.mute();
    for number in 1..=50 {
        a.emit(room("r"), &format!("e{number}"), Some(number)).await;
    }
    a.server.leave(user("ann"), "r").await.unwrap();
    a.emit(room("r"), "e51", Some(51)).await;
    assert_eq!(events(&mut on_a, 51).await.len(), 51);
    on_b.silent_for(QUIET).await;
    assert_eq!(a.server.stats().cluster.unwrap().pending, 52);
    seat.unmute();
    let expected: Vec<_> = (1..=50).map(|number| format!("e{number}")).collect();
    assert_eq!(events(&mut on_b, 50).await, expected);
    on_b.silent_for(QUIET).await;
}

#[tokio::test]
async fn a_host_that_dropped_notices_says_so() {
    let (_bus, [(a, seat), (b, _)]) = hosts().await;
    let (mut on_a, _) = a.join("{\"rooms\":[\"r\"]}").await;
    let (mut on_b, _) = b.join("{\"rooms\":[\"r\"]}").await;
    seat.mute();
    for number in 1..=150 {
        a.emit(room("r"), "e", Some(number)).await;
    }
    seat.unmute();
    on_b.until_closed().await;
    assert_eq!(events(&mut on_a, 150).await.len(), 150);
    on_a.silent_for(QUIET).await;
}

#[tokio::test]
async fn taking_leave_tells_the_others_what_is_left() {
    let (_bus, [(a, seat), (b, _)]) = hosts().await;
    let (mut on_b, _) = b.join("{\"rooms\":[\"r\"]}").await;
    seat.mute();
    a.emit(room("r"), "last words", None).await;
    a.server.drain().await;
    let leaving = tokio::spawn(async move {
        a.server.leave_cluster(Duration::from_secs(10)).await;
        a
    });
    on_b.silent_for(QUIET).await;
    assert!(!leaving.is_finished());
    seat.unmute();
    leaving.await.unwrap();
    assert_eq!(events(&mut on_b, 1).await, ["last words"]);
}
