//! What the bus promises when Redis is away: nothing is lost over a short outage, and what may be
//! lost over a long one is said.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod support;

use std::time::Duration;

use pingtalk_contract::{servers::redis, tenant};
use pingtalk_fault_proxy::{Cut, Fault, FaultProxy};
use support::{Host, Server, ask, names, quick};
use tokio::time::{Instant, sleep, timeout};

/// A proxy in front of the shared Redis, and the address there.
async fn proxied() -> (FaultProxy, String) {
    let url = redis();
    let target = url.trim_start_matches("redis://").trim_end_matches('/').to_owned();
    let proxy = FaultProxy::start(target).await.unwrap();
    let url = format!("redis://{}/", proxy.address());
    (proxy, url)
}

async fn quiet(host: &mut Host, time: Duration) {
    let heard = timeout(time, host.ears.next()).await;
    assert!(heard.is_err(), "{heard:?}");
}

#[tokio::test]
async fn a_short_outage_loses_nothing() {
    let (proxy, url) = proxied().await;
    let tenant = tenant();
    let one = Host::start(&url, &tenant, quick()).await;
    let mut two = Host::start(&url, &tenant, quick()).await;
    let mut unharmed = Host::start(&redis(), &tenant, quick()).await;
    one.until_connected(true).await;
    one.say("x0").await;
    assert_eq!(two.hear().await, "x0");
    proxy.take_away();
    one.until_connected(false).await;
    let started = Instant::now();
    for text in names("x", 1..1_000) {
        one.say(&text).await;
    }
    assert!(started.elapsed() < Duration::from_millis(500), "{:?}", started.elapsed());
    // A beat may wait among them.
    assert!((999..=1_000).contains(&one.bus.stats().pending), "{:?}", one.bus.stats());
    unharmed.say("meanwhile").await;
    sleep(Duration::from_secs(1)).await;
    proxy.mend();
    one.until_connected(true).await;
    one.say("x1000").await;
    assert_eq!(unharmed.hear_all(1_001).await, names("x", 0..=1_000));
    // In the order of the stream: what the unharmed host said came before.
    let heard = two.hear_all(1_001).await;
    assert_eq!(heard[0], "meanwhile");
    assert_eq!(heard[1..], names("x", 1..=1_000));
    for host in [&mut two, &mut unharmed] {
        quiet(host, quick().beat * 5).await;
        assert_eq!(host.bus.stats().lost, 0);
    }
    assert_eq!(one.bus.stats().published, 1_001);
}

/// The entries are in the stream, and the answer that says so does not come.
#[tokio::test]
async fn what_was_sent_twice_is_heard_once() {
    let (proxy, url) = proxied().await;
    let tenant = tenant();
    let one = Host::start(&url, &tenant, quick()).await;
    let mut two = Host::start(&redis(), &tenant, quick()).await;
    one.until_connected(true).await;
    for round in 0..5 {
        let text = format!("round {round} ");
        let trap = proxy.trap(format!("{text}1"), Cut::BeforeReply);
        for number in 0..3 {
            one.say(&format!("{text}{number}")).await;
        }
        trap.sprung().await;
        assert_eq!(two.hear_all(3).await, names(&text, 0..3));
    }
    let entries: usize = ask(&redis(), &["XLEN", &format!("pingtalk:cluster:{tenant}")]).await;
    assert!(entries >= 20, "{entries}: each trap left a repeat");
    quiet(&mut two, quick().beat * 5).await;
}

#[tokio::test]
async fn a_redis_that_does_not_answer_holds_nobody_up_for_long() {
    let (proxy, url) = proxied().await;
    let tenant = tenant();
    let one = Host::start(&url, &tenant, quick()).await;
    let mut two = Host::start(&redis(), &tenant, quick()).await;
    one.until_connected(true).await;
    proxy.set(Fault::HoldAll);
    let started = Instant::now();
    one.say("x0").await;
    let waited = started.elapsed();
    assert!(waited >= Duration::from_millis(290) && waited < Duration::from_millis(600));
    one.until_connected(false).await;
    let started = Instant::now();
    for text in names("x", 1..100) {
        one.say(&text).await;
    }
    assert!(started.elapsed() < Duration::from_millis(100), "{:?}", started.elapsed());
    // Connections that open and then are silent make nobody wait again.
    sleep(Duration::from_secs(1)).await;
    assert!(!one.bus.stats().connected);
    proxy.mend();
    assert_eq!(two.hear_all(100).await, names("x", 0..100));
    quiet(&mut two, quick().beat * 5).await;
}

#[tokio::test]
async fn an_outage_beyond_the_retention_is_a_loss() {
    let (proxy, url) = proxied().await;
    let tenant = tenant();
    let mut away = Host::start(&url, &tenant, quick()).await;
    let there = Host::start(&redis(), &tenant, quick()).await;
    let mut listener = Host::start(&redis(), &tenant, quick()).await;
    there.until_connected(true).await;
    there.say("before").await;
    assert_eq!(away.hear().await, "before");
    proxy.take_away();
    // It listens all the time, so it loses nothing.
    let listening = tokio::spawn(async move {
        while listener.hear().await != "kept" {}
        assert_eq!(listener.bus.stats().lost, 0);
    });
    let until = Instant::now() + quick().retention + Duration::from_secs(2);
    while Instant::now() < until {
        for _ in 0..20 {
            there.say("missed").await;
        }
        sleep(Duration::from_millis(20)).await;
    }
    away.say("kept").await;
    proxy.mend();
    let (heard, reason) = away.until_lost().await;
    assert!(heard.is_empty(), "{heard:?}");
    assert!(reason.contains("no longer in the stream"), "{reason}");
    away.until_connected(true).await;
    there.say("after").await;
    assert_eq!(away.hear().await, "after");
    // It lost nothing of what it had to say itself.
    listening.await.unwrap();
    quiet(&mut away, quick().beat * 5).await;
}

#[tokio::test]
async fn a_redis_without_its_data_is_a_loss_for_all() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    let (url, tenant) = (server.url(), tenant());
    let mut one = Host::start(&url, &tenant, quick()).await;
    let mut two = Host::start(&url, &tenant, quick()).await;
    one.until_connected(true).await;
    one.say("before").await;
    assert_eq!(two.hear().await, "before");
    let port = server.kill();
    one.until_connected(false).await;
    one.say("meanwhile").await;
    let _server = Server::start_at(port, folder.path()).await;
    for host in [&mut one, &mut two] {
        let (_, reason) = host.until_lost().await;
        assert!(reason.contains("no longer in the stream"), "{reason}");
    }
    // Said after the loss was reported, so it is heard; once is enough for the loss.
    one.until_connected(true).await;
    two.until_connected(true).await;
    one.say("after").await;
    two.say("after").await;
    assert_eq!(one.hear().await, "after");
    assert!(two.hear_all(1).await == ["after"] || two.hear().await == "after");
    for host in [&mut one, &mut two] {
        quiet(host, quick().beat * 5).await;
        assert_eq!(host.bus.stats().lost, 1);
    }
}

#[tokio::test]
async fn a_redis_that_comes_back_with_its_data_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    let (url, tenant) = (server.url(), tenant());
    let one = Host::start(&url, &tenant, quick()).await;
    let mut two = Host::start(&url, &tenant, quick()).await;
    one.until_connected(true).await;
    one.say("x0").await;
    assert_eq!(two.hear().await, "x0");
    let port = server.stop().await;
    one.until_connected(false).await;
    one.say("x1").await;
    let _server = Server::start_at(port, folder.path()).await;
    one.until_connected(true).await;
    one.say("x2").await;
    // Beats after the saving may be gone; then it says so rather than guess.
    let first = two.next().await;
    if let pingtalk_capabilities::cluster::Received::Notice { head, .. } = &first {
        assert_eq!(head, "x1");
        assert_eq!(two.hear().await, "x2");
    } else {
        assert_eq!(two.hear_all(1).await.len(), 1);
    }
}

#[tokio::test]
async fn who_drops_what_waits_says_so() {
    let (proxy, url) = proxied().await;
    let tenant = tenant();
    let config = pingtalk_cluster_redis::Config { pending_notices: 50, ..quick() };
    let mut one = Host::start(&url, &tenant, config).await;
    let mut two = Host::start(&redis(), &tenant, quick()).await;
    one.until_connected(true).await;
    one.say("before").await;
    assert_eq!(two.hear().await, "before");
    proxy.take_away();
    one.until_connected(false).await;
    for text in names("x", 0..60) {
        one.say(&text).await;
    }
    // A beat may have been among them.
    assert!((49..=50).contains(&one.bus.stats().lost), "{:?}", one.bus.stats());
    proxy.mend();
    let (heard, reason) = two.until_lost().await;
    assert!(heard.is_empty() && reason.contains("dropped"), "{heard:?} {reason}");
    let first = two.hear().await;
    assert!(first == "x49" || first == "x50", "{first}");
    let rest = if first == "x49" { 50 } else { 51 };
    assert_eq!(two.hear_all(60 - rest).await, names("x", rest..60));
    two.say("and back").await;
    assert_eq!(one.hear().await, "and back");
}

/// Nobody knows how much it has said, so only it can say that something is missing.
#[tokio::test]
async fn who_drops_before_it_was_ever_heard_says_so_too() {
    let (proxy, url) = proxied().await;
    let tenant = tenant();
    let mut two = Host::start(&redis(), &tenant, quick()).await;
    proxy.take_away();
    let config = pingtalk_cluster_redis::Config { pending_notices: 50, ..quick() };
    let one = Host::start(&url, &tenant, config).await;
    for text in names("x", 0..60) {
        one.say(&text).await;
    }
    proxy.mend();
    let (heard, reason) = two.until_lost().await;
    assert!(heard.is_empty() && reason.contains("dropped"), "{heard:?} {reason}");
    assert_eq!(two.hear_all(10).await, names("x", 50..60));
    assert_eq!(two.bus.stats().lost, 1);
}

#[tokio::test]
async fn a_bus_that_is_away_at_the_start_is_a_loss_when_it_comes() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    let url = server.url();
    let port = server.kill();
    let tenant = tenant();
    let started = Instant::now();
    let mut one = Host::start(&url, &tenant, quick()).await;
    let two = Host::start(&url, &tenant, quick()).await;
    assert!(started.elapsed() < Duration::from_secs(5));
    two.say("early").await;
    let _server = Server::start_at(port, folder.path()).await;
    let (heard, reason) = one.until_lost().await;
    assert!(heard.is_empty() && reason.contains("at the start"), "{heard:?} {reason}");
    two.until_connected(true).await;
    two.say("late").await;
    let mut heard = one.hear().await;
    if heard == "early" {
        heard = one.hear().await;
    }
    assert_eq!(heard, "late");
}

/// It may have died with notices that it could not get rid of.
#[tokio::test]
async fn a_host_that_dies_during_an_outage_is_a_loss_and_else_it_is_not() {
    let (proxy, url) = proxied().await;
    let tenant = tenant();
    let one = Host::start(&url, &tenant, quick()).await;
    let mut two = Host::start(&url, &tenant, quick()).await;
    let gone = Host::start(&url, &tenant, quick()).await;
    for (host, text) in [(&one, "one"), (&gone, "gone")] {
        host.until_connected(true).await;
        host.say(text).await;
        assert_eq!(two.hear().await, text);
    }
    // Without an outage a host's death is its own sockets' business.
    drop(one);
    quiet(&mut two, quick().beat * 5).await;
    proxy.take_away();
    gone.until_connected(false).await;
    gone.say("never heard").await;
    drop(gone);
    proxy.mend();
    let (heard, reason) = two.until_lost().await;
    assert!(heard.is_empty() && reason.contains("did not come back"), "{heard:?} {reason}");
    quiet(&mut two, quick().beat * 5).await;
    assert_eq!(two.bus.stats().lost, 1);
}
