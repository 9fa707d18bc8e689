//! Sharing the broker with services that know nothing of us: what they publish, what they consume, what
//! they declared, and what they do to messages of ours.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod scene;

use std::time::Duration;

use lapin::{
    BasicProperties,
    options::{BasicAckOptions, BasicNackOptions},
    types::{AMQPValue, FieldTable},
};
use pingtalk_capabilities::{
    TenantId,
    events::{Disposition, Event},
};
use pingtalk_events_rabbitmq::{Config, RabbitEvents};
use scene::{Neighbour, config, event, next, nothing, open, queue, take, unavailable, until_ok};

/// What the original sets on `request.*`.
fn bare() -> BasicProperties {
    BasicProperties::default().with_delivery_mode(2)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_the_original_made_is_used_as_it_is() {
    let tenant = pingtalk_contract::tenant();
    let original = Neighbour::new(&tenant).await;
    original.declare_exchange().await;
    original.declare().await.unwrap();
    let events = open(config(), &tenant).await;
    events.publish(vec![event("x"), event("y")]).await.unwrap();
    assert_eq!(events.depth("q").await, Ok(2));
    next(&events).await.settle(Disposition::Retry("later".to_owned())).await.unwrap();
    assert_eq!(take(&events).await, Event { attempt: 1, ..event("y") });
    let again = next(&events).await;
    assert_eq!(again.event(), &Event { attempt: 2, ..event("x") });
    again.settle(Disposition::Reject("never".to_owned())).await.unwrap();
    assert_eq!(events.dead_letters("q", 9).await.unwrap().len(), 1);
    original.declare().await.expect("it is still the original's queue");
    original.clean_up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_queues_are_better_than_the_originals_unless_it_needs_them_plain() {
    let (ours, plain) = (pingtalk_contract::tenant(), pingtalk_contract::tenant());
    let _better = open(config(), &ours).await;
    let _plain = open(Config { plain_queues: true, ..config() }, &plain).await;
    let original = Neighbour::new(&plain).await;
    original.declare().await.unwrap();
    original.clean_up().await;
    let original = Neighbour::new(&ours).await;
    let refused = original.declare().await.unwrap_err().to_string();
    assert!(refused.contains("inequivalent"), "{refused}");
    original.clean_up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_without_id_and_type_are_handled_and_keep_one_id() {
    let tenant = pingtalk_contract::tenant();
    let events = open(config(), &tenant).await;
    let original = Neighbour::new(&tenant).await;
    original.publish("t", b"{\"requestId\":\"1\"}", bare()).await;
    let first = next(&events).await;
    let seen = first.event().clone();
    assert_eq!((seen.topic.as_str(), &seen.payload[..]), ("t", &b"{\"requestId\":\"1\"}"[..]));
    assert_eq!((seen.id.len(), seen.attempt), (64, 1));
    first.settle(Disposition::Retry("later".to_owned())).await.unwrap();
    let second = next(&events).await;
    assert_eq!(second.event(), &Event { attempt: 2, ..seen.clone() });
    second.settle(Disposition::Reject("never".to_owned())).await.unwrap();
    let dead = events.dead_letters("q", 9).await.unwrap();
    assert_eq!(dead[0].event, Event { attempt: 2, ..seen.clone() });
    assert_eq!(events.replay("q", &seen.id).await, Ok(true));
    assert_eq!(take(&events).await, Event { attempt: 1, ..seen.clone() });
    // The same content published again is another event: nobody said that they are one.
    original.publish("t", b"{\"requestId\":\"1\"}", bare()).await;
    assert_eq!(take(&events).await.id, seen.id);
    original.clean_up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_we_publish_is_what_the_originals_consumers_expect() {
    let tenant = pingtalk_contract::tenant();
    let events = open(config(), &tenant).await;
    let original = Neighbour::new(&tenant).await;
    events.publish(vec![event("x")]).await.unwrap();
    let message = original.get().await.unwrap().delivery;
    assert_eq!(message.data, b"{\"of\":\"x\"}");
    assert_eq!(message.exchange.as_str(), original.exchange);
    assert_eq!(message.routing_key.as_str(), "t");
    let properties = &message.properties;
    assert_eq!(properties.content_type().as_ref().unwrap().as_str(), "application/json");
    assert_eq!(*properties.delivery_mode(), Some(2));
    assert_eq!((properties.content_encoding(), properties.expiration()), (&None, &None));
    assert_eq!(properties.message_id().as_ref().unwrap().as_str(), "x");
    assert_eq!(*properties.timestamp(), Some(1_700_000_000));
    message.acker.ack(BasicAckOptions::default()).await.unwrap();
    original.clean_up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn duplicates_and_late_ones_are_handled_once() {
    let tenant = pingtalk_contract::tenant();
    let events = open(config(), &tenant).await;
    let other = Neighbour::new(&tenant).await;
    let publish = async |id: &str| {
        other.publish("t", b"{}", bare().with_message_id(id.into())).await;
    };
    for id in ["a", "b", "a", "c", "b"] {
        publish(id).await;
    }
    for id in ["a", "b", "c"] {
        assert_eq!(take(&events).await.id, id);
    }
    publish("b").await;
    publish("d").await;
    publish("a").await;
    assert_eq!(take(&events).await.id, "d");
    nothing(&events).await;
    assert_eq!(events.depth("q").await, Ok(0));
    other.clean_up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operators_process_replays_and_discards_while_hosts_consume() {
    let tenant = pingtalk_contract::tenant();
    let host = open(config(), &tenant).await;
    host.publish(["a", "poison", "worse"].map(event).to_vec()).await.unwrap();
    assert_eq!(take(&host).await.id, "a");
    for attempt in 1..=3 {
        for _ in 0..2 {
            let delivery = next(&host).await;
            assert_eq!(delivery.event().attempt, attempt);
            delivery.settle(Disposition::Retry("broken".to_owned())).await.unwrap();
        }
    }
    let operator = open(config(), &tenant).await;
    let dead = operator.dead_letters("q", 9).await.unwrap();
    let mut ids: Vec<_> = dead.iter().map(|dead| dead.event.id.as_str()).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["poison", "worse"]);
    assert!(dead.iter().all(|dead| dead.event.attempt == 3 && dead.reason == "broken"));
    assert_eq!(operator.discard("q", "worse").await, Ok(true));
    let (replayed, again) = tokio::join!(operator.replay("q", "poison"), take(&host));
    assert_eq!((replayed, again), (Ok(true), Event { attempt: 1, ..event("poison") }));
    assert_eq!(host.dead_letters("q", 9).await, Ok(vec![]));
    Neighbour::new(&tenant).await.clean_up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_consumer_rejects_is_among_the_dead_letters() {
    let tenant = pingtalk_contract::tenant();
    let events = open(config(), &tenant).await;
    let other = Neighbour::new(&tenant).await;
    events.publish(vec![event("x")]).await.unwrap();
    let message = other.get().await.unwrap();
    let never = BasicNackOptions { requeue: false, multiple: false };
    message.delivery.acker.nack(never).await.unwrap();
    let dead = loop {
        let dead = events.dead_letters("q", 9).await.unwrap();
        if !dead.is_empty() {
            break dead;
        }
    };
    assert_eq!(dead[0].event, Event { attempt: 0, ..event("x") });
    assert_eq!(dead[0].reason, "refused by another consumer");
    assert_eq!(events.replay("q", "x").await, Ok(true));
    assert_eq!(take(&events).await, Event { attempt: 1, ..event("x") });
    other.clean_up().await;
}

/// Takes and gives back, as hosts do that die with the event in hand.
async fn kill_hosts(neighbour: &Neighbour, times: u32) {
    for _ in 0..times {
        let message = loop {
            if let Some(message) = neighbour.get().await {
                break message;
            }
        };
        let back = BasicNackOptions { requeue: true, multiple: false };
        message.delivery.acker.nack(back).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_kills_hosts_again_and_again_is_a_dead_letter() {
    for plain in [false, true] {
        let tenant = pingtalk_contract::tenant();
        let other = Neighbour::new(&tenant).await;
        let config = Config { plain_queues: plain, ..config() };
        {
            let events = open(config.clone(), &tenant).await;
            events.publish(vec![event("harmless")]).await.unwrap();
            kill_hosts(&other, 3).await;
            assert_eq!(take(&events).await, Event { attempt: 1, ..event("harmless") });
        }
        if plain {
            // A classic queue does not count; we do, each time that it comes back.
            let mut headers = FieldTable::default();
            headers.insert("x-pingtalk-returns".into(), AMQPValue::LongLongInt(20));
            let properties = bare().with_message_id("poison".into()).with_headers(headers);
            other.publish("t", b"{}", properties).await;
            kill_hosts(&other, 1).await;
        } else {
            let events = open(config.clone(), &tenant).await;
            events.publish(vec![event("poison")]).await.unwrap();
            kill_hosts(&other, 21).await;
        }
        let events = open(config, &tenant).await;
        nothing(&events).await;
        let dead = events.dead_letters("q", 9).await.unwrap();
        assert_eq!((dead.len(), dead[0].event.id.as_str()), (1, "poison"));
        assert_eq!(dead[0].reason, "came back 21 times without an answer");
        other.clean_up().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_was_deleted_is_made_again() {
    let tenant = pingtalk_contract::tenant();
    let events = open(config(), &tenant).await;
    let other = Neighbour::new(&tenant).await;
    events.publish(vec![event("first")]).await.unwrap();
    assert_eq!(take(&events).await.id, "first");
    let name = other.queue.as_str().into();
    other.channel.queue_delete(name, Default::default()).await.unwrap();
    until_ok(async || events.publish(vec![event("second")]).await).await;
    assert_eq!(take(&events).await.id, "second");
    other.clean_up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_without_a_queue_are_unavailable_if_one_was_declared() {
    let tenant = pingtalk_contract::tenant();
    let events = open(config(), &tenant).await;
    let other = Neighbour::new(&tenant).await;
    let (queue, exchange) = (other.queue.as_str().into(), other.exchange.as_str().into());
    other.channel.queue_unbind(queue, exchange, "t".into(), FieldTable::default()).await.unwrap();
    events.publish(vec![Event { topic: "nobody's".to_owned(), ..event("free") }]).await.unwrap();
    let reason = unavailable(Duration::from_secs(2), events.publish(vec![event("x")])).await;
    assert!(reason.contains("no queue"), "{reason}");
    // The relay tries again, and by then the binding is back.
    events.publish(vec![event("x")]).await.unwrap();
    assert_eq!(take(&events).await.id, "x");
    other.clean_up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_share_a_queue_and_the_last_release_gives_back_what_it_held() {
    let tenant = pingtalk_contract::tenant();
    let backend = RabbitEvents::new(config());
    let (old, elsewhere) =
        (backend.open(&tenant, &[queue()]).await.unwrap(), open(config(), &tenant).await);
    old.publish((0..40).map(|at| event(&format!("{at}"))).collect()).await.unwrap();
    let (one, other) = (next(&old).await, next(&elsewhere).await);
    assert_ne!(one.event().id, other.event().id);
    one.settle(Disposition::Done).await.unwrap();
    other.settle(Disposition::Done).await.unwrap();
    // The process lives on, but this release and its prefetched events are gone.
    drop(old);
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < 38 {
        assert!(seen.insert(take(&elsewhere).await.id), "once");
    }
    nothing(&elsewhere).await;
    Neighbour::new(&tenant).await.clean_up().await;
    drop(backend);
}

#[tokio::test]
async fn what_amqp_can_not_name_is_invalid() {
    let backend = RabbitEvents::new(config());
    let tenant = TenantId::new("naming").unwrap();
    let mut twice = vec![queue(), queue()];
    assert!(backend.open(&tenant, &twice).await.is_err());
    twice[1].name = "q.dead".to_owned();
    assert!(backend.open(&tenant, &twice).await.is_err());
    twice[1].name = "other".to_owned();
    twice[1].topics = vec!["user.*".to_owned()];
    assert!(backend.open(&tenant, &twice).await.is_err());
}
