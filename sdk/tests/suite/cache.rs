//! The cache: failures are misses, and a change is not undone by a slow reader.

use std::{cell::Cell, time::Duration};

use pingtalk_sdk::{
    cache::CacheError,
    fake::{Failure, Host, block_on},
};

const TTL: Duration = Duration::from_secs(10);

#[test]
fn values_expire() {
    let host = Host::new();
    let platform = host.platform();
    let cache = platform.cache();
    assert!(block_on(cache.set("k", &vec![1, 2], TTL)));
    assert_eq!(block_on(cache.get::<Vec<i32>>("k")), Some(vec![1, 2]));
    assert_eq!(block_on(cache.get::<String>("k")), None, "of another shape");
    assert!(!block_on(cache.set_if_absent("k", &0, TTL)));
    host.advance(TTL);
    assert_eq!(block_on(cache.get::<Vec<i32>>("k")), None);
    assert!(block_on(cache.set_if_absent("k", &0, TTL)));
    assert!(block_on(cache.invalidate(["k", "absent"])));
    assert_eq!(host.cached("k"), None);
}

#[test]
fn a_counter_keeps_its_first_expiry() {
    let host = Host::new();
    let platform = host.platform();
    let cache = platform.cache();
    let count = || block_on(cache.increment("c", 1, TTL)).unwrap();
    assert_eq!(count().value, 1);
    host.advance(Duration::from_secs(4));
    let second = count();
    assert_eq!((second.value, second.expires_in_ms), (2, 6_000));
    host.advance(Duration::from_secs(6));
    assert_eq!(count().value, 1);
}

#[test]
fn failures_are_misses() {
    let host = Host::new();
    let platform = host.platform();
    let cache = platform.cache();
    block_on(cache.set("k", &1, TTL));
    host.fail_always(Failure::Cache(CacheError::Unavailable("down".to_owned())));
    assert_eq!(block_on(cache.get::<i32>("k")), None);
    assert!(!block_on(cache.set("k", &2, TTL)));
    assert!(!block_on(cache.invalidate(["k"])));
    assert_eq!(block_on(cache.increment("c", 1, TTL)), None);
    host.recover();
    assert_eq!(block_on(cache.get::<i32>("k")), Some(1));
}

#[test]
fn a_refresh_ends_with_what_is_stored() {
    let host = Host::new();
    let platform = host.platform();
    let refresh = |loads: &Cell<usize>, values: &'static [Option<i32>]| {
        block_on(platform.cache().refresh("k", TTL, || {
            let value = values[loads.get().min(values.len() - 1)];
            loads.set(loads.get() + 1);
            async move { Ok::<_, ()>(value) }
        }))
        .unwrap();
    };
    let loads = Cell::new(0);
    refresh(&loads, &[Some(1)]);
    assert_eq!((host.cached("k"), loads.get()), (Some(1.into()), 2));
    // Another change came between the first load and the write.
    let loads = Cell::new(0);
    refresh(&loads, &[Some(2), Some(3)]);
    assert_eq!((host.cached("k"), loads.get()), (Some(3.into()), 3));
    let loads = Cell::new(0);
    refresh(&loads, &[Some(4), None]);
    assert_eq!(host.cached("k"), None);
}
