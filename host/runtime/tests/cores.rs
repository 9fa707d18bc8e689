//! Calls stay on their core until it is full. A process of its own, because cores are entered once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "it/support/mod.rs"]
#[allow(dead_code, unreachable_pub)]
mod support;

use std::{
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use pingtalk_capabilities::calls::CallError;
use pingtalk_runtime::{
    Engine, EngineConfig, Instances, Limits, Pace, Quota, QuotaLimits, enter_core,
};
use tokio::runtime::Handle;

/// A thread that serves a core, for as long as the test runs.
fn core(index: usize) -> Handle {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            enter_core(index);
            sender.send(Handle::current()).unwrap();
            std::future::pending::<()>().await;
        });
    });
    receiver.recv().unwrap()
}

/// Calls of a tenant that strains the host go to a thread of their own, those under way included.
fn a_strained_core_is_left_alone(cores: &[Handle]) {
    let background = core(2);
    let engine =
        Engine::new(EngineConfig { cores: 2, background: 1, ..EngineConfig::default() }).unwrap();
    let here = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let probe = here
        .block_on(engine.load("probe", support::guests::read("probe"), Pace::Eager, &|_| {}))
        .unwrap();
    let bounds = QuotaLimits { cpu: Some(Duration::from_secs(2)), ..QuotaLimits::default() };
    let quota = Arc::new(Quota::new(&bounds));
    let (cpu_time, wall_time) = (Duration::from_millis(100), Duration::from_secs(10));
    let limits = Limits { quota: Arc::clone(&quota), cpu_time, wall_time, ..Limits::default() };
    let capabilities = support::fakes::capabilities();
    let probe = Instances::new(&engine, probe, support::names(), capabilities, limits).unwrap();
    // A core whose thread is held up for a while.
    let hold = || {
        cores.iter().for_each(|core| {
            core.spawn(async { thread::sleep(Duration::from_millis(300)) });
        });
        thread::sleep(Duration::from_millis(20));
        Instant::now()
    };

    assert_eq!(here.block_on(support::text(&probe, "/hello")), "hello");
    let held = hold();
    assert_eq!(here.block_on(support::text(&probe, "/hello")), "hello");
    assert!(held.elapsed() > Duration::from_millis(200), "it is served by a core");

    assert!(!quota.strains());
    let (endless, held) = here.block_on(async {
        tokio::join!(support::get(&probe, "/loop"), async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            support::get(&probe, "/trap").await.unwrap_err();
            tokio::time::sleep(Duration::from_millis(20)).await;
            hold()
        })
    });
    assert!(quota.strains());
    let CallError::Failed(reason) = endless.unwrap_err() else { panic!() };
    assert!(reason.contains("it computed for 100ms"), "{reason}");
    assert!(held.elapsed() < Duration::from_millis(200), "it went on in the background");
    let held = hold();
    assert_eq!(here.block_on(support::text(&probe, "/hello")), "hello");
    assert!(held.elapsed() < Duration::from_millis(200), "it is served in the background");
    drop(background);
}

#[test]
fn a_full_core_hands_calls_over_and_then_refuses_them() {
    let cores = [core(0), core(1)];
    a_strained_core_is_left_alone(&cores);
    let engine = Engine::new(EngineConfig { cores: 2, ..EngineConfig::default() }).unwrap();
    let here = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let probe = here
        .block_on(engine.load("probe", support::guests::read("probe"), Pace::Eager, &|_| {}))
        .unwrap();
    let limits = Limits {
        concurrency: 2,
        instances: 1,
        waiting: 1,
        wall_time: Duration::from_secs(5),
        ..Limits::default()
    };
    let capabilities = support::fakes::capabilities();
    let probe = Instances::new(&engine, probe, support::names(), capabilities, limits).unwrap();

    // One after another, all stay at home, on whichever core they come in.
    for core in &cores {
        for _ in 0..3 {
            let probe = Arc::clone(&probe);
            let call = core.spawn(async move { support::text(&probe, "/hello").await });
            assert_eq!(here.block_on(call).unwrap(), "hello");
        }
    }
    let stats = probe.stats();
    assert_eq!((stats.started, stats.moved), (2, 0), "{stats:?}");

    // Six at once on one core: two are served there, two on the other, one waits, one is refused.
    let calls: Vec<_> = (0..6)
        .map(|_| {
            let probe = Arc::clone(&probe);
            cores[0].spawn(async move { support::get(&probe, "/sleep?300").await })
        })
        .collect();
    let mut refused = 0;
    for call in calls {
        match here.block_on(call).unwrap() {
            Ok((_, body)) => assert_eq!(body, "slept"),
            Err(CallError::Overloaded) => refused += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    let stats = probe.stats();
    assert_eq!((refused, stats.moved), (1, 2), "{stats:?}");

    // A thread that serves no core is served by core 0.
    assert_eq!(here.block_on(support::text(&probe, "/hello")), "hello");
    assert_eq!(probe.stats().instances, 2);
}
