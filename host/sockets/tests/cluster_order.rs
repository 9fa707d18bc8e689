//! The order of a room's numbered events over several hosts, whose notices overtake each other.
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

use pingtalk_capabilities::sockets::Sockets;
use pingtalk_sockets::Config;
use support::{
    bus::{Bus, Seat},
    client::Ws,
    stage::{QUIET, Stage, config, event, events, room, socket},
};

async fn hosts<const COUNT: usize>() -> [(Stage, Arc<Seat>); COUNT] {
    hosts_with(config()).await
}

async fn hosts_with<const COUNT: usize>(config: Config) -> [(Stage, Arc<Seat>); COUNT] {
    let bus = Bus::new();
    let mut hosts = Vec::new();
    for number in 0..COUNT {
        let seat = bus.seat(number);
        hosts.push((Stage::among_others(config.clone(), &seat).await, seat));
    }
    hosts.try_into().ok().unwrap()
}

/// Joins as `joinChat {after}` does.
async fn rejoin(stage: &Stage, after: u64) -> (Ws, String) {
    let (ws, id) = stage.join("").await;
    stage.server.join(socket(&id), "r", true).await.unwrap();
    stage.server.release(socket(&id), "r", after).await.unwrap();
    (ws, id)
}

async fn emit(stage: &Stage, number: u64) {
    stage.emit(room("r"), &format!("e{number}"), Some(number)).await;
}

fn named(numbers: impl IntoIterator<Item = u64>) -> Vec<String> {
    numbers.into_iter().map(|number| format!("e{number}")).collect()
}

#[tokio::test]
async fn concurrent_senders_on_all_hosts_make_one_order() {
    // However slow the machine: what is tested is the order, not the giving up on it.
    let config = Config { reorder_window: Duration::from_secs(10), ..config() };
    let hosts: [_; 3] = hosts_with(config).await;
    let mut clients = Vec::new();
    for (stage, _) in &hosts {
        for _ in 0..3 {
            // Without a history: the first event starts the order.
            clients.push(stage.join("{\"rooms\":[\"r\"]}").await.0);
        }
    }
    let emits = (1..=300u64).map(|number| {
        let server = Arc::clone(&hosts[usize::try_from(number % 3).unwrap()].0.server);
        // In blocks of ten, each turned round.
        let number = (number - 1) / 10 * 10 + 10 - (number - 1) % 10;
        tokio::spawn(async move {
            let name = format!("e{number}");
            server.emit(room("r"), event(&name, "[]"), Some(number), None).await.unwrap();
        })
    });
    futures_util::future::join_all(emits).await;
    for ws in &mut clients {
        assert_eq!(events(ws, 300).await, named(1..=300));
        ws.silent_for(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn the_first_event_is_not_taken_for_the_start() {
    let [(a, a_seat), (b, _), (c, _)] = hosts().await;
    let (mut fresh, _) = c.join("{\"rooms\":[\"r\"]}").await;
    a_seat.mute();
    emit(&a, 1).await;
    emit(&b, 2).await;
    a_seat.unmute();
    assert_eq!(events(&mut fresh, 2).await, named([1, 2]));
    // With a history the first is known, so nothing is waited for.
    let (mut caught_up, _) = {
        drop(fresh);
        c.until(|stats| stats.rooms == 0).await;
        rejoin(&c, 10).await
    };
    a_seat.mute();
    emit(&a, 11).await;
    emit(&b, 12).await;
    caught_up.silent_for(QUIET).await;
    a_seat.unmute();
    assert_eq!(events(&mut caught_up, 2).await, named([11, 12]));
    let started = Instant::now();
    emit(&b, 13).await;
    assert_eq!(events(&mut caught_up, 1).await, named([13]));
    assert!(started.elapsed() < Duration::from_millis(40), "{:?}", started.elapsed());
}

#[tokio::test]
async fn the_emitting_host_waits_for_the_others_too() {
    let [(a, _), (b, b_seat)] = hosts().await;
    let (mut on_a, _) = rejoin(&a, 4).await;
    b_seat.mute();
    emit(&b, 5).await;
    let server = Arc::clone(&a.server);
    let started = Instant::now();
    let six = tokio::spawn(async move {
        server.emit(room("r"), event("e6", "[]"), Some(6), None).await.unwrap();
    });
    on_a.silent_for(QUIET).await;
    b_seat.unmute();
    assert_eq!(events(&mut on_a, 2).await, named([5, 6]));
    six.await.unwrap();
    assert!(started.elapsed() < Duration::from_millis(240), "{:?}", started.elapsed());
}

#[tokio::test]
async fn an_emit_waits_no_longer_than_the_window() {
    let [(a, _), (b, b_seat)] = hosts().await;
    let (mut on_a, _) = rejoin(&a, 4).await;
    let (mut on_b, _) = rejoin(&b, 4).await;
    b_seat.mute();
    emit(&b, 5).await;
    let started = Instant::now();
    emit(&a, 6).await;
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(240) && took < Duration::from_millis(500), "{took:?}");
    emit(&a, 7).await;
    assert_eq!(events(&mut on_a, 2).await, named([6, 7]));
    assert_eq!(events(&mut on_b, 3).await, named([5, 6, 7]));
    // What was said elsewhere meanwhile comes late, once.
    b_seat.unmute();
    assert_eq!(events(&mut on_a, 1).await, named([5]));
    emit(&b, 5).await;
    emit(&a, 5).await;
    emit(&b, 8).await;
    assert_eq!(events(&mut on_a, 1).await, named([8]));
    assert_eq!(events(&mut on_b, 1).await, named([8]));
}

/// It had stored a message, and nobody had heard of it. Its sender sends again, somewhere else.
#[tokio::test]
async fn what_a_dead_host_did_not_say_comes_late_and_once() {
    let [(a, _), (b, _), (c, c_seat)] = hosts().await;
    let (mut on_a, _) = rejoin(&a, 4).await;
    let (mut on_b, _) = b.join("{\"rooms\":[\"r\"]}").await;
    // Number 5 died with its host.
    emit(&a, 6).await;
    assert_eq!(events(&mut on_a, 1).await, named([6]));
    assert_eq!(events(&mut on_b, 1).await, named([6]));
    // The host where it is sent again has nobody in the room, or joined since.
    c_seat.deafen(true);
    let (mut on_c, _) = rejoin(&c, 6).await;
    emit(&c, 5).await;
    c_seat.deafen(false);
    emit(&c, 5).await;
    assert_eq!(events(&mut on_a, 1).await, named([5]));
    assert_eq!(events(&mut on_b, 1).await, named([5]));
    emit(&b, 7).await;
    assert_eq!(events(&mut on_a, 1).await, named([7]));
    assert_eq!(events(&mut on_b, 1).await, named([7]));
    // Its history had it.
    assert_eq!(events(&mut on_c, 1).await, named([7]));
    for ws in [&mut on_a, &mut on_b, &mut on_c] {
        ws.silent_for(QUIET).await;
    }
}

#[tokio::test]
async fn a_history_and_the_bus_meet_without_gap_or_repeat() {
    let [(a, _), (c, c_seat)] = hosts().await;
    let (mut there, _) = rejoin(&c, 0).await;
    let (mut ws, id) = c.join("").await;
    c_seat.deafen(true);
    for number in 1..=10 {
        emit(&a, number).await;
    }
    // The history read after joining goes up to 8; the rest was stored after that.
    c.server.join(socket(&id), "r", true).await.unwrap();
    c.server.release(socket(&id), "r", 8).await.unwrap();
    c_seat.deafen(false);
    emit(&a, 11).await;
    assert_eq!(events(&mut ws, 3).await, named(9..=11));
    assert_eq!(events(&mut there, 11).await, named(1..=11));
    ws.silent_for(QUIET).await;
}

#[tokio::test]
async fn held_events_of_several_hosts_are_sorted() {
    let [(a, _), (b, b_seat), (c, _)] = hosts().await;
    let (mut ws, id) = c.join("").await;
    c.server.join(socket(&id), "r", true).await.unwrap();
    b_seat.mute();
    emit(&b, 5).await;
    emit(&a, 6).await;
    emit(&a, 7).await;
    ws.silent_for(QUIET).await;
    // They have been taken for the start by now, and wait for the history.
    b_seat.unmute();
    c.emit(socket(&id), "history", None).await;
    assert_eq!(events(&mut ws, 1).await, ["history"]);
    c.server.release(socket(&id), "r", 4).await.unwrap();
    assert_eq!(events(&mut ws, 3).await, named(5..=7));
}
