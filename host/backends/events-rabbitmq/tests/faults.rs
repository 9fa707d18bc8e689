//! What a network and a broker that break do to us: nothing acknowledged is lost, nothing hangs, and
//! nobody has to restart anything.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod scene;

use std::time::{Duration, Instant};

use pingtalk_capabilities::events::{Disposition, Event};
use pingtalk_events_rabbitmq::Config;
use pingtalk_fault_proxy::{Cut, Fault, FaultProxy};
use scene::{
    Neighbour, address, config, config_at, event, next, nothing, open, take, unavailable, until_ok,
};

const SOON: Duration = Duration::from_secs(2);

async fn proxy() -> (FaultProxy, Config) {
    let proxy = FaultProxy::start(address()).await.unwrap();
    let config = config_at(proxy.address());
    (proxy, config)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publication_whose_confirm_is_lost_is_published_again_and_handled_once() {
    let tenant = pingtalk_contract::tenant();
    let (proxy, config_here) = proxy().await;
    let (events, elsewhere) = (open(config_here, &tenant).await, open(config(), &tenant).await);
    let trap = proxy.trap("lost-confirm", Cut::BeforeReply);
    let batch = || vec![event("before"), event("lost-confirm"), event("after")];
    unavailable(SOON, events.publish(batch())).await;
    trap.sprung().await;
    until_ok(async || events.publish(batch()).await).await;
    // The broker may have two of each; their order is that of the first.
    for id in ["before", "lost-confirm", "after"] {
        assert_eq!(take(&elsewhere).await.id, id);
    }
    nothing(&elsewhere).await;
    assert_eq!(elsewhere.depth("q").await, Ok(0));
    Neighbour::new(&tenant).await.clean_up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_in_hand_when_the_connection_broke_comes_again() {
    let tenant = pingtalk_contract::tenant();
    let (proxy, config) = proxy().await;
    let events = open(config, &tenant).await;
    events.publish(vec![event("dropped"), event("settled"), event("held")]).await.unwrap();
    let (dropped, settled, held) = (next(&events).await, next(&events).await, next(&events).await);
    proxy.reset();
    // All three are over: the next thing a consumer hears is that the connection is gone.
    unavailable(SOON, events.next("q")).await;
    drop(dropped);
    unavailable(SOON, settled.settle(Disposition::Done)).await;
    unavailable(SOON, held.settle(Disposition::Retry("too late".to_owned()))).await;
    let mut again = vec![take(&events).await, take(&events).await];
    again.sort_by(|one, other| one.id.cmp(&other.id));
    let first = |id| Event { attempt: 1, ..event(id) };
    assert_eq!(again, [first("dropped"), first("held")], "and what was handled does not");
    nothing(&events).await;
    assert_eq!(events.depth("q").await, Ok(0));
    Neighbour::new(&tenant).await.clean_up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_away_is_said_so_at_once_and_used_again_when_it_is_back() {
    let tenant = pingtalk_contract::tenant();
    let (proxy, config) = proxy().await;
    let events = open(config, &tenant).await;
    events.publish(vec![event("first")]).await.unwrap();
    assert_eq!(take(&events).await.id, "first");
    for round in 0..2 {
        proxy.take_away();
        let since = Instant::now();
        while since.elapsed() < Duration::from_secs(3) {
            unavailable(SOON, events.publish(vec![event(&format!("{round}"))])).await;
            unavailable(SOON, events.next("q")).await;
            unavailable(SOON, events.depth("q")).await;
            unavailable(SOON, events.dead_letters("q", 1)).await;
            unavailable(SOON, events.replay("q", "x")).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        proxy.mend();
        until_ok(async || events.publish(vec![event(&format!("{round}"))]).await).await;
        assert_eq!(take(&events).await.id, format!("{round}"));
        nothing(&events).await;
    }
    Neighbour::new(&tenant).await.clean_up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_hangs_holds_nobody_up_for_long() {
    let tenant = pingtalk_contract::tenant();
    let (proxy, config) = proxy().await;
    let config = Config {
        heartbeat: Duration::from_secs(1),
        connect_timeout: Duration::from_secs(1),
        call_timeout: Duration::from_secs(1),
        ..config
    };
    let events = open(config, &tenant).await;
    events.publish(vec![event("first")]).await.unwrap();
    let held = next(&events).await;
    proxy.set(Fault::HoldAll);
    let bound = Duration::from_secs(4);
    for _ in 0..4 {
        unavailable(bound, events.publish(vec![event("second")])).await;
        unavailable(bound, events.depth("q")).await;
        unavailable(bound, events.dead_letters("q", 1)).await;
    }
    // By now the heartbeats have ended both connections.
    unavailable(bound, held.settle(Disposition::Reject("too late".to_owned()))).await;
    unavailable(bound, events.next("q")).await;
    proxy.mend();
    until_ok(async || events.publish(vec![event("second")]).await).await;
    let mut seen = vec![take(&events).await.id, take(&events).await.id];
    seen.sort();
    assert_eq!(seen, ["first", "second"]);
    nothing(&events).await;
    Neighbour::new(&tenant).await.clean_up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_starts_without_its_broker() {
    let tenant = pingtalk_contract::tenant();
    let (proxy, config) = proxy().await;
    proxy.take_away();
    let events = open(config, &tenant).await;
    unavailable(SOON, events.publish(vec![event("x")])).await;
    unavailable(SOON, events.next("q")).await;
    proxy.mend();
    until_ok(async || events.publish(vec![event("x")]).await).await;
    assert_eq!(take(&events).await.id, "x");
    Neighbour::new(&tenant).await.clean_up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_or_a_burial_that_is_not_confirmed_loses_nothing() {
    let tenant = pingtalk_contract::tenant();
    let (proxy, config) = proxy().await;
    let events = open(config, &tenant).await;
    for cut in [Cut::BeforeRequest, Cut::BeforeReply] {
        let id = format!("{cut:?}");
        events.publish(vec![event(&id)]).await.unwrap();
        let trap = proxy.trap("try-later", cut);
        let delivery = next(&events).await;
        unavailable(SOON, delivery.settle(Disposition::Retry("try-later".to_owned()))).await;
        trap.sprung().await;
        // The event is back in the lane; its copy, if the broker has one, comes after the pause.
        assert_eq!(take(&events).await, Event { attempt: 1, ..event(&id) });
        nothing(&events).await;
        assert_eq!(until_ok(async || events.depth("q").await).await, 0);
    }
    events.publish(vec![event("poison")]).await.unwrap();
    let trap = proxy.trap("never-again", Cut::BeforeReply);
    let delivery = next(&events).await;
    unavailable(SOON, delivery.settle(Disposition::Reject("never-again".to_owned()))).await;
    trap.sprung().await;
    let reason = "never-again";
    loop {
        let again = next(&events).await;
        assert_eq!(again.event(), &Event { attempt: 1, ..event("poison") });
        // Until the connection for sending is back.
        if again.settle(Disposition::Reject(reason.to_owned())).await.is_ok() {
            break;
        }
    }
    let dead = until_ok(async || events.dead_letters("q", 10).await).await;
    assert!((1..=3).contains(&dead.len()), "{dead:?}");
    assert!(dead.iter().all(|dead| dead.event.id == "poison" && dead.reason == reason));
    Neighbour::new(&tenant).await.clean_up().await;
}
