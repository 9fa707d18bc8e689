//! What the bus promises while Redis is well.
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
use futures_util::future::join_all;
use pingtalk_capabilities::cluster::{Body, Notice, Stats};
use pingtalk_cluster_redis::{Config, examine};
use pingtalk_contract::{servers::redis, tenant};
use support::{Host, ask, names, quick};
use tokio::time::{Instant, sleep, timeout};

#[tokio::test]
async fn all_hear_the_same_in_the_same_order() {
    let (url, tenant) = (redis(), tenant());
    let mut listeners = Vec::new();
    for _ in 0..2 {
        listeners.push(Host::start(&url, &tenant, Config::default()).await);
    }
    let talkers: Vec<Host> =
        join_all((0..2).map(|_| Host::start(&url, &tenant, Config::default()))).await;
    let talk = talkers.into_iter().zip(["a", "b"]).map(|(mut host, name)| {
        tokio::spawn(async move {
            let texts = names(name, 0..500);
            let bus = &host.bus;
            join_all(texts.iter().map(|text| support::say(bus, text))).await;
            host.hear_all(500).await
        })
    });
    let by_talkers: Vec<Vec<String>> =
        join_all(talk.collect::<Vec<_>>()).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(by_talkers, [names("b", 0..500), names("a", 0..500)], "others, never oneself");
    let [one, two] = &mut listeners[..] else { panic!() };
    let (one, two) = (one.hear_all(1_000).await, two.hear_all(1_000).await);
    assert_eq!(one, two);
    let of = |name: &str| one.iter().filter(|text| text.starts_with(name)).cloned().collect();
    let (a, b): (Vec<String>, Vec<String>) = (of("a"), of("b"));
    assert_eq!((a, b), (names("a", 0..500), names("b", 0..500)));
}

#[tokio::test]
async fn a_subscription_hears_what_follows_it_and_no_other_tenant() {
    let (url, tenant) = (redis(), tenant());
    let one = Host::start(&url, &tenant, quick()).await;
    one.until_connected(true).await;
    one.say("before").await;
    let mut two = Host::start(&url, &tenant, quick()).await;
    let stranger = Host::start(&url, &pingtalk_contract::tenant(), quick()).await;
    stranger.until_connected(true).await;
    stranger.say("elsewhere").await;
    one.say("after").await;
    assert_eq!(two.hear().await, "after");
    let more = timeout(Duration::from_millis(700), two.ears.next()).await;
    assert!(more.is_err(), "{more:?}");
}

#[tokio::test]
async fn bodies_of_any_size_arrive() {
    let (url, tenant) = (redis(), tenant());
    let one = Host::start(&url, &tenant, quick()).await;
    let mut two = Host::start(&url, &tenant, quick()).await;
    let beside = quick().beside_bytes;
    let sizes = [0, 1, beside, beside + 1, 7_000_000];
    for size in sizes {
        let body: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
        let notice = Notice { head: Bytes::from(size.to_string()), body: Bytes::from(body) };
        one.bus.publish(notice).await;
    }
    for size in sizes {
        let (head, body, bytes) = two.hear_body().await;
        let bytes = bytes.unwrap();
        assert_eq!((head, bytes.len()), (size.to_string(), size));
        assert!(bytes.iter().enumerate().all(|(at, &byte)| usize::from(byte) == at % 251));
        let Body::Beside(key) = body else {
            assert!(size <= beside);
            continue;
        };
        assert!(size > beside);
        let left: i64 = ask(&url, &["PTTL", &key]).await;
        assert!(left > 0 && left <= 3_000, "{left} ms");
        // Whoever comes too late is told.
        let _: i64 = ask(&url, &["DEL", &key]).await;
        assert_eq!(two.ears.fetch(Body::Beside(key)).await, None);
    }
    assert_eq!(two.bus.stats().lost, 2);
}

#[tokio::test]
async fn memory_is_bounded_by_time() {
    let (url, tenant) = (redis(), tenant());
    let one = Host::start(&url, &tenant, quick()).await;
    let key = format!("pingtalk:cluster:{tenant}");
    let until = Instant::now() + Duration::from_secs(6);
    let (mut said, mut longest) = (0, 0);
    while Instant::now() < until {
        join_all((0..50).map(|_| one.say("x"))).await;
        said += 50;
        longest = longest.max(ask::<i64>(&url, &["XLEN", &key]).await);
        sleep(Duration::from_millis(20)).await;
    }
    // Half of it is older than the retention.
    assert!(longest < said * 3 / 4, "{longest} of {said}");
    // Beats go on trimming when nothing is said any more.
    sleep(Duration::from_secs(4)).await;
    let left: i64 = ask(&url, &["XLEN", &key]).await;
    assert!(left <= 200, "{left} are left");
    let life: i64 = ask(&url, &["PTTL", &key]).await;
    assert!(life > 0 && life <= 30_000, "{life} ms");
}

#[tokio::test]
async fn leaving_flushes_and_is_the_last() {
    let (url, tenant) = (redis(), tenant());
    let one = Host::start(&url, &tenant, quick()).await;
    let mut two = Host::start(&url, &tenant, quick()).await;
    join_all(names("x", 0..100).iter().map(|text| one.say(text))).await;
    assert!(one.bus.leave(Duration::from_secs(5)).await);
    one.say("after").await;
    assert_eq!(two.hear_all(100).await.len(), 100);
    let expected = Stats { connected: true, published: 100, ..Stats::default() };
    assert_eq!(one.bus.stats(), expected);
    let heard = two.bus.stats();
    assert_eq!((heard.received, heard.lost), (100, 0));
    let more = timeout(Duration::from_millis(500), two.ears.next()).await;
    assert!(more.is_err(), "{more:?}");
}

#[tokio::test]
async fn a_doctor_finds_nothing_wrong_or_says_what() {
    use pingtalk_capabilities::checkup::Severity;
    let well = examine(&pingtalk_redis_connection::Config::new(&redis()).unwrap()).await;
    assert!(well.iter().all(|finding| finding.severity != Severity::Problem), "{well:?}");
    assert_eq!(well[0].severity, Severity::Fine);
    let nowhere = "redis://:secret@127.0.0.1:1/";
    let away = examine(&pingtalk_redis_connection::Config::new(nowhere).unwrap()).await;
    assert_eq!(away.len(), 1);
    assert_eq!(away[0].severity, Severity::Problem);
    assert!(!format!("{away:?}").contains("secret"));
}
