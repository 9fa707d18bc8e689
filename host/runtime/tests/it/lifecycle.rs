//! Reuse, idling, draining.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use pingtalk_capabilities::calls::CallError;
use pingtalk_runtime::{Drained, Engine, EngineConfig, Instances, Limits, Pace};

use crate::support::{fakes, get, guests, limits, names, probe_limited, probe_with, text};

#[tokio::test]
async fn an_instance_is_reused_so_often_and_no_more() {
    let probe = probe_limited(Limits { reuse: 3, ..limits() }).await;
    let mut served = Vec::new();
    for _ in 0..7 {
        served.push(text(&probe, "/served").await);
    }
    assert_eq!(served, ["1", "2", "3", "1", "2", "3", "1"]);
    assert_eq!(probe.stats().started, 3);
    assert_eq!(probe.stats().killed, 0);
}

#[tokio::test]
async fn calls_in_flight_outlive_their_instances_retirement() {
    let probe = probe_limited(Limits { reuse: 2, ..limits() }).await;
    let calls: Vec<_> = (0..10)
        .map(|_| {
            let probe = Arc::clone(&probe);
            tokio::spawn(async move { text(&probe, "/sleep?50").await })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), "slept");
    }
}

#[tokio::test]
async fn idle_instances_go_and_one_stays_warm() {
    let limits = Limits { concurrency: 1, idle: Duration::from_millis(200), ..limits() };
    let probe = probe_limited(limits).await;
    let calls: Vec<_> = (0..4)
        .map(|_| {
            let probe = Arc::clone(&probe);
            tokio::spawn(async move { text(&probe, "/sleep?30").await })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
    assert_eq!(probe.stats().instances, 4);
    let started = Instant::now();
    while probe.stats().instances > 1 {
        assert!(started.elapsed() < Duration::from_secs(2), "{:?}", probe.stats());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(probe.stats().instances, 1);
    assert!(probe.stats().memory_bytes > 0);
}

#[tokio::test]
async fn a_drain_waits_for_calls_in_flight() {
    let probe = probe_limited(limits()).await;
    let call = tokio::spawn({
        let probe = Arc::clone(&probe);
        async move { get(&probe, "/sleep?100").await }
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    let drained = probe.drain(Instant::now() + Duration::from_secs(5)).await;
    assert_eq!(drained, Drained::Finished);
    assert_eq!(call.await.unwrap().unwrap().1, "slept");
    let error = get(&probe, "/hello").await.unwrap_err();
    assert!(matches!(error, CallError::ShuttingDown), "{error:?}");
    let started = Instant::now();
    while probe.stats().instances > 0 {
        assert!(started.elapsed() < Duration::from_secs(1), "{:?}", probe.stats());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(probe.stats().killed, 0);
}

#[tokio::test]
async fn a_drain_cuts_off_what_is_not_done_in_time() {
    let probe = probe_limited(Limits { wall_time: Duration::from_secs(20), ..limits() }).await;
    let call = tokio::spawn({
        let probe = Arc::clone(&probe);
        async move { get(&probe, "/sleep?10000").await }
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    let drained = probe.drain(Instant::now() + Duration::from_millis(50)).await;
    assert_eq!(drained, Drained::CutOff(1));
    let error = call.await.unwrap().unwrap_err();
    assert!(matches!(error, CallError::ShuttingDown), "{error:?}");
}

#[tokio::test]
async fn work_after_the_answer_is_finished() {
    let fake = Arc::new(fakes::Fake::default());
    let probe = probe_with(fakes::granted(&fake), limits()).await;
    assert_eq!(text(&probe, "/after?50").await, "answered");
    assert!(fake.asked().is_empty());
    let started = Instant::now();
    while fake.asked().is_empty() {
        assert!(started.elapsed() < Duration::from_secs(1));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_component_is_proven_without_a_call() {
    let probe = probe_limited(limits()).await;
    probe.prove().await.unwrap();
    assert_eq!(probe.stats().instances, 0);
    let cramped = probe_limited(Limits { memory_bytes: 64 * 1024, ..limits() }).await;
    let error = cramped.prove().await.unwrap_err();
    assert!(error.to_string().contains("bytes of memory"), "{error}");
    let error = get(&cramped, "/hello").await.unwrap_err();
    assert!(matches!(error, CallError::Failed(_)), "{error:?}");
}

#[tokio::test]
async fn a_full_machine_refuses_calls_and_recovers() {
    let config = EngineConfig { cores: 1, instances: 1, ..EngineConfig::default() };
    let engine = Engine::new(config).unwrap();
    let component =
        engine.load("probe", guests::read("probe"), Pace::Eager, &|_| {}).await.unwrap();
    let make = |limits| {
        let component = Arc::clone(&component);
        Instances::new(&engine, component, names(), fakes::capabilities(), limits).unwrap()
    };
    let first = make(limits());
    let second = make(limits());
    assert_eq!(text(&first, "/hello").await, "hello");
    let error = get(&second, "/hello").await.unwrap_err();
    assert!(matches!(error, CallError::Overloaded), "{error:?}");
    first.drain(Instant::now()).await;
    let started = Instant::now();
    while get(&second, "/hello").await.is_err() {
        assert!(started.elapsed() < Duration::from_secs(1));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn an_idle_instance_that_has_grown_goes_too() {
    let probe = probe_limited(Limits { idle: Duration::from_millis(50), ..limits() }).await;
    assert_eq!(text(&probe, "/grow?20").await, "20");
    assert!(probe.stats().memory_bytes > 20 << 20);
    let started = Instant::now();
    while probe.stats().instances > 0 {
        assert!(started.elapsed() < Duration::from_secs(2), "{:?}", probe.stats());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
