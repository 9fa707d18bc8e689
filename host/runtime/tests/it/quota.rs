//! What a tenant may use in all, over several components.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use pingtalk_capabilities::calls::CallError;
use pingtalk_runtime::{Limits, Quota, QuotaLimits};

use crate::support::{get, limits, probe_limited, text};

fn shared(quota: &Arc<Quota>) -> Limits {
    Limits { quota: Arc::clone(quota), ..limits() }
}

#[tokio::test]
async fn who_computes_more_than_its_share_waits() {
    let bounds = QuotaLimits { cpu: Some(Duration::from_millis(50)), ..QuotaLimits::default() };
    let quota = Arc::new(Quota::new(&bounds));
    let wall_time = Duration::from_secs(2);
    let one = probe_limited(Limits { wall_time, ..shared(&quota) }).await;
    let other = probe_limited(Limits { wall_time, ..shared(&quota) }).await;
    let started = Instant::now();
    let (first, second) = tokio::join!(get(&one, "/loop"), get(&other, "/loop"));
    for outcome in [first, second] {
        assert!(matches!(outcome, Err(CallError::DeadlineExceeded)), "{outcome:?}");
    }
    let took = started.elapsed();
    let (one, other) = (one.stats(), other.stats());
    let used = one.busy + other.busy;
    // A twentieth of the time, and a slice for each that was begun; without a bound it is half.
    assert!(used < took / 5, "{used:?} of {took:?}");
    assert!(one.throttled + other.throttled > took / 2, "{one:?} {other:?}");
}

#[tokio::test]
async fn the_memory_of_all_instances_is_bounded() {
    let quota = Arc::new(Quota::default());
    let (one, other) = (probe_limited(shared(&quota)).await, probe_limited(shared(&quota)).await);
    text(&one, "/hello").await;
    text(&other, "/hello").await;
    let idle = quota.memory_bytes();
    assert!(idle > 0 && idle == one.stats().memory_bytes + other.stats().memory_bytes);
    quota
        .set(&QuotaLimits { memory_bytes: Some(idle + 9 * 1024 * 1024), ..QuotaLimits::default() });
    text(&one, "/grow?6").await;
    let refused = get(&other, "/grow?6").await;
    let reason = "its tenant wanted more than";
    assert!(matches!(&refused, Err(CallError::Failed(why)) if why.contains(reason)), "{refused:?}");
    drop((one, other));
    let started = Instant::now();
    while quota.memory_bytes() > 0 {
        assert!(started.elapsed() < Duration::from_secs(5), "{} bytes", quota.memory_bytes());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn who_calls_the_host_too_often_waits() {
    let bounds = QuotaLimits { host_calls: Some(1_000), ..QuotaLimits::default() };
    let quota = Arc::new(Quota::new(&bounds));
    let probe = probe_limited(shared(&quota)).await;
    let started = Instant::now();
    // A quarter of a second's worth is free.
    assert_eq!(text(&probe, "/cache-flood?350").await, "350 of 350");
    assert!(started.elapsed() >= Duration::from_millis(90), "{:?}", started.elapsed());
    assert_eq!(probe.stats().host_calls, 350);
    let flood = get(&probe, "/cache-flood?100000").await;
    assert!(matches!(flood, Err(CallError::DeadlineExceeded)), "{flood:?}");
}

#[tokio::test]
async fn who_publishes_too_often_waits() {
    let bounds = QuotaLimits { events: Some(20), ..QuotaLimits::default() };
    let quota = Arc::new(Quota::new(&bounds));
    let probe = probe_limited(shared(&quota)).await;
    let started = Instant::now();
    // Each publishes one; a quarter of a second's worth, five, is free.
    for _ in 0..10 {
        text(&probe, "/commit?1").await;
    }
    assert!(started.elapsed() >= Duration::from_millis(200), "{:?}", started.elapsed());
}
