//! What a hostile guest does ends its own call with the right error, and the next call works.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use pingtalk_capabilities::calls::{CallError, HttpHandler as _};
use pingtalk_runtime::{Instances, Limits, LoadError, Pace, Stats};

use crate::support::{
    context_within, engine, fakes, get, limits, names, probe_limited, probe_with, request, text,
};

/// Calls a path, wants the deadline error in time, and a working instance after.
async fn overdue(path: &str) -> Arc<Instances> {
    let probe = probe_limited(limits()).await;
    text(&probe, "/hello").await;
    let started = Instant::now();
    let error = get(&probe, path).await.unwrap_err();
    assert!(matches!(error, CallError::DeadlineExceeded), "{path}: {error:?}");
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(390), "{path}: {took:?}");
    assert!(took < Duration::from_millis(600), "{path}: {took:?}");
    assert_eq!(text(&probe, "/hello").await, "hello");
    // Whoever answers the caller need not be who counts.
    soon(&probe, |stats| stats.deadline_exceeded > 0).await;
    assert_eq!(probe.stats().deadline_exceeded, 1);
    probe
}

/// The instance of an overdue call goes soon.
async fn killed(probe: &Instances) {
    soon(probe, |stats| stats.killed > 0).await;
}

async fn soon(probe: &Instances, holds: impl Fn(&Stats) -> bool) {
    let started = Instant::now();
    while !holds(&probe.stats()) {
        assert!(started.elapsed() < Duration::from_secs(1), "{:?}", probe.stats());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn an_endless_loop_misses_its_deadline() {
    killed(&*overdue("/loop").await).await;
}

#[tokio::test]
async fn a_loop_beside_an_import_misses_its_deadline() {
    killed(&*overdue("/loop-with-import").await).await;
}

#[tokio::test]
async fn a_loop_that_yields_misses_its_deadline() {
    killed(&*overdue("/yield-loop").await).await;
}

#[tokio::test]
async fn a_call_that_never_answers_misses_its_deadline() {
    killed(&*overdue("/never").await).await;
}

#[tokio::test]
async fn a_long_sleep_misses_its_deadline() {
    killed(&*overdue("/sleep?60000").await).await;
}

#[tokio::test]
async fn a_stuck_import_costs_the_call_and_not_the_instance() {
    let probe = probe_limited(limits()).await;
    // The import ends at the deadline, so the guest may still answer in time.
    match get(&probe, "/cache-get?never").await {
        Ok((_, body)) => assert!(body.contains("the call's deadline passed"), "{body}"),
        Err(error) => assert!(matches!(error, CallError::DeadlineExceeded), "{error:?}"),
    }
    assert_eq!(text(&probe, "/hello").await, "hello");
    tokio::time::sleep(Duration::from_millis(100)).await;
    let stats = probe.stats();
    assert_eq!((stats.killed, stats.started), (0, 1), "{stats:?}");
}

#[tokio::test]
async fn the_callers_earlier_deadline_wins() {
    let probe = probe_limited(limits()).await;
    let started = Instant::now();
    let context = context_within(Duration::from_millis(50));
    let error = probe.handle(context, request("/never")).await.unwrap_err();
    assert!(matches!(error, CallError::DeadlineExceeded), "{error:?}");
    assert!(started.elapsed() < Duration::from_millis(200));
}

/// Calls a path, wants a failure whose reason has `words`, and a working instance after.
async fn fails(path: &str, words: &str) {
    let probe = probe_limited(Limits { wall_time: Duration::from_secs(20), ..limits() }).await;
    text(&probe, "/hello").await;
    let error = get(&probe, path).await.unwrap_err();
    let CallError::Failed(reason) = &error else { panic!("{path}: {error:?}") };
    assert!(reason.contains(words), "{path}: {reason}");
    assert_eq!(text(&probe, "/served").await, "1", "a fresh instance");
    let stats = probe.stats();
    assert_eq!((stats.killed, stats.failed, stats.lost), (1, 1, 0), "{stats:?}");
}

#[tokio::test]
async fn a_trap_fails_the_call() {
    fails("/trap", "unreachable").await;
}

#[tokio::test]
async fn a_panic_fails_the_call() {
    fails("/panic", "unreachable").await;
}

#[tokio::test]
async fn unbounded_allocation_fails_the_call() {
    fails("/allocate", "bytes of memory").await;
}

#[tokio::test]
async fn unbounded_recursion_fails_the_call() {
    fails("/recurse", "trap").await;
}

#[tokio::test]
async fn a_flood_of_handles_fails_the_call() {
    fails("/flood", "").await;
}

#[tokio::test]
async fn randomness_is_bounded() {
    let probe = probe_limited(limits()).await;
    assert_eq!(text(&probe, "/random?20000000").await, "1048576");
}

#[tokio::test]
async fn too_much_computing_in_one_piece_fails_the_call() {
    let cpu_time = Duration::from_millis(100);
    let probe = probe_limited(Limits { cpu_time, wall_time: Duration::from_secs(20), ..limits() });
    let probe = probe.await;
    text(&probe, "/spin?20").await;
    let error = get(&probe, "/spin?10000").await.unwrap_err();
    assert!(matches!(&error, CallError::Failed(r) if r.contains("computed")), "{error:?}");
    assert_eq!(text(&probe, "/served").await, "1");
}

#[tokio::test]
async fn headers_are_bounded_without_a_failure() {
    let probe = probe_limited(limits()).await;
    let added: u32 = text(&probe, "/headers").await.parse().unwrap();
    assert!((40..64).contains(&added), "{added}");
}

#[tokio::test]
async fn there_is_nothing_outside_to_reach() {
    let probe = probe_limited(limits()).await;
    let found = text(&probe, "/reach-out").await;
    assert!(!found.contains("true"), "{found}");
}

#[tokio::test]
async fn many_log_lines_do_no_harm() {
    let probe = probe_limited(limits()).await;
    assert_eq!(text(&probe, "/log?1000").await, "logged");
}

#[tokio::test]
async fn a_neighbour_is_served_beside_a_loop() {
    let probe = probe_limited(limits()).await;
    let looping = tokio::spawn({
        let probe = Arc::clone(&probe);
        async move { get(&probe, "/loop").await }
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    let mut slowest = Duration::ZERO;
    for _ in 0..20 {
        let started = Instant::now();
        assert_eq!(text(&probe, "/hello").await, "hello");
        slowest = slowest.max(started.elapsed());
    }
    assert!(slowest < Duration::from_millis(150), "{slowest:?}");
    assert!(looping.await.unwrap().is_err());
    let stats = probe.stats();
    assert!(stats.started >= 2, "{stats:?}");
}

#[tokio::test]
async fn innocent_calls_survive_a_trap_or_say_that_they_were_lost() {
    // One instance, so that they share it.
    let limits = Limits { instances: 1, wall_time: Duration::from_secs(5), ..limits() };
    let fake = Arc::new(fakes::Fake::default());
    let probe = probe_with(fakes::granted(&fake), limits).await;
    let call = |path: &'static str| {
        let probe = Arc::clone(&probe);
        tokio::spawn(async move { get(&probe, path).await })
    };
    // This one has only slept: it is made again on the next instance.
    let untouched = call("/sleep?150");
    // This one has asked the cache: it can't be repeated.
    let touched = call("/cache-get?slow:150");
    tokio::time::sleep(Duration::from_millis(50)).await;
    let error = get(&probe, "/trap").await.unwrap_err();
    assert!(matches!(error, CallError::Failed(_)), "{error:?}");
    assert_eq!(untouched.await.unwrap().unwrap().1, "slept");
    let error = touched.await.unwrap().unwrap_err();
    assert!(matches!(error, CallError::InstanceLost), "{error:?}");
    let stats = probe.stats();
    assert_eq!((stats.retried, stats.failed, stats.killed), (1, 1, 1), "{stats:?}");
}

#[tokio::test]
async fn overload_is_refused_at_once() {
    let limits = Limits { concurrency: 2, instances: 1, waiting: 3, ..limits() };
    let probe = probe_limited(limits).await;
    let calls: Vec<_> = (0..8)
        .map(|_| {
            let probe = Arc::clone(&probe);
            tokio::spawn(async move { get(&probe, "/sleep?100").await })
        })
        .collect();
    let mut refused = 0;
    for call in calls {
        match call.await.unwrap() {
            Ok((_, body)) => assert_eq!(body, "slept"),
            Err(CallError::Overloaded) => refused += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(refused, 8 - 2 - 3);
    assert_eq!(probe.stats().overloaded, 3);
}

#[tokio::test]
async fn a_call_that_waits_too_long_is_overdue() {
    let limits = Limits { concurrency: 1, instances: 1, ..limits() };
    let probe = probe_limited(limits).await;
    let first = tokio::spawn({
        let probe = Arc::clone(&probe);
        async move { get(&probe, "/sleep?300").await }
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    let context = context_within(Duration::from_millis(50));
    let started = Instant::now();
    let error = probe.handle(context, request("/hello")).await.unwrap_err();
    assert!(matches!(error, CallError::DeadlineExceeded), "{error:?}");
    assert!(started.elapsed() < Duration::from_millis(150));
    assert_eq!(first.await.unwrap().unwrap().1, "slept");
}

/// Starts a component that is written as text in `tests/guests/text`, and says what came of it.
async fn starts(name: &str) -> Result<(), LoadError> {
    let file = format!("{}/../../tests/guests/text/{name}.wat", env!("CARGO_MANIFEST_DIR"));
    let component =
        engine().load(name, wat::parse_file(file).unwrap().into(), Pace::Eager, &|_| {}).await?;
    let limits = Limits { cpu_time: Duration::from_millis(200), ..limits() };
    Instances::new(&engine(), component, names(), fakes::capabilities(), limits)?.prove().await
}

#[tokio::test]
async fn what_a_component_does_at_its_start_is_bounded() {
    for (name, reason) in [
        ("trap-at-start", "unreachable"),
        ("loop-at-start", "it computed for 200ms without giving way"),
        ("memory-at-start", "memory"),
        ("table-at-start", "table"),
    ] {
        let started = Instant::now();
        let error = starts(name).await.unwrap_err();
        assert!(matches!(error, LoadError::DoesNotStart { .. }), "{name}: {error:?}");
        assert!(error.to_string().contains(reason), "{name}: {error}");
        assert!(started.elapsed() < Duration::from_secs(2), "{name}: {:?}", started.elapsed());
    }
}

#[tokio::test]
async fn tables_are_bounded_before_anything_runs() {
    for name in ["huge-table", "many-tables"] {
        let error = starts(name).await.unwrap_err();
        assert!(error.to_string().contains("table"), "{name}: {error}");
    }
}
