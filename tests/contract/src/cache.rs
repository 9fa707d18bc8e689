//! What every cache does.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use pingtalk_capabilities::cache::{
    Cache, CacheBackend, CacheError, MAX_KEY_BYTES, MAX_VALUE_BYTES,
};

use crate::tenant;

/// Runs the suite; see the crate's description.
#[macro_export]
macro_rules! cache {
    ($setup:expr) => {
        $crate::suite!(
            cache,
            $setup,
            [
                keeps_until_it_expires,
                only_if_absent_has_one_winner,
                deletes,
                counters_add_up_and_keep_their_first_expiry,
                counters_are_text,
                bounds_are_checked,
                tenants_are_apart,
                reopening_finds_the_same_cache,
            ]
        );
    };
}

const MINUTE: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(400);

async fn open(backend: &Arc<dyn CacheBackend>) -> Arc<dyn Cache> {
    backend.open(&tenant()).await.unwrap()
}

fn bytes(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

/// A value is there until its time, and can be replaced, its expiry with it.
pub async fn keeps_until_it_expires(backend: Arc<dyn CacheBackend>) {
    let cache = open(&backend).await;
    assert_eq!(cache.get("k").await, Ok(None));
    assert_eq!(cache.set("k", bytes("one"), SHORT, false).await, Ok(true));
    assert_eq!(cache.get("k").await, Ok(Some(bytes("one"))));
    tokio::time::sleep(SHORT * 2).await;
    assert_eq!(cache.get("k").await, Ok(None));
    cache.set("k", bytes("two"), SHORT, false).await.unwrap();
    cache.set("k", bytes("three"), MINUTE, false).await.unwrap();
    tokio::time::sleep(SHORT * 2).await;
    assert_eq!(cache.get("k").await, Ok(Some(bytes("three"))));
}

/// Of many who store only if absent, one does; an expired value counts as absent.
pub async fn only_if_absent_has_one_winner(backend: Arc<dyn CacheBackend>) {
    let cache = open(&backend).await;
    let attempts = (0..32).map(|at| {
        let cache = Arc::clone(&cache);
        tokio::spawn(async move {
            cache.set("k", Bytes::from(format!("{at}")), MINUTE, true).await.unwrap()
        })
    });
    let mut winners = 0;
    for attempt in attempts.collect::<Vec<_>>() {
        winners += u32::from(attempt.await.unwrap());
    }
    assert_eq!(winners, 1);
    cache.set("e", bytes("early"), SHORT, true).await.unwrap();
    tokio::time::sleep(SHORT * 2).await;
    assert_eq!(cache.set("e", bytes("again"), MINUTE, true).await, Ok(true));
    assert_eq!(cache.set("e", bytes("late"), MINUTE, true).await, Ok(false));
    assert_eq!(cache.get("e").await, Ok(Some(bytes("again"))));
}

/// Deleting removes; an absent key is no error.
pub async fn deletes(backend: Arc<dyn CacheBackend>) {
    let cache = open(&backend).await;
    cache.set("a", bytes("1"), MINUTE, false).await.unwrap();
    cache.set("b", bytes("2"), MINUTE, false).await.unwrap();
    cache.delete(&["a".to_owned(), "absent".to_owned()]).await.unwrap();
    cache.delete(&[]).await.unwrap();
    assert_eq!(cache.get("a").await, Ok(None));
    assert_eq!(cache.get("b").await, Ok(Some(bytes("2"))));
}

/// Concurrent additions all count, and the first sets the expiry for good.
pub async fn counters_add_up_and_keep_their_first_expiry(backend: Arc<dyn CacheBackend>) {
    let cache = open(&backend).await;
    let first = cache.increment("n", 1, SHORT * 4).await.unwrap();
    assert_eq!(first.value, 1);
    assert!(first.expires_in <= SHORT * 4 && first.expires_in > SHORT * 2, "{first:?}");
    let additions = (0..50).map(|_| {
        let cache = Arc::clone(&cache);
        tokio::spawn(async move { cache.increment("n", 2, MINUTE).await.unwrap() })
    });
    for addition in additions.collect::<Vec<_>>() {
        assert!(addition.await.unwrap().expires_in <= SHORT * 4);
    }
    assert_eq!(cache.increment("n", -1, MINUTE).await.unwrap().value, 100);
    tokio::time::sleep(SHORT * 5).await;
    let anew = cache.increment("n", 5, MINUTE).await.unwrap();
    assert_eq!(anew.value, 5);
    assert!(anew.expires_in > SHORT * 5);
}

/// A counter reads as its decimal text; what is no number can't be added to.
pub async fn counters_are_text(backend: Arc<dyn CacheBackend>) {
    let cache = open(&backend).await;
    cache.increment("n", 41, MINUTE).await.unwrap();
    assert_eq!(cache.get("n").await, Ok(Some(bytes("41"))));
    cache.set("n", bytes("7"), MINUTE, false).await.unwrap();
    assert_eq!(cache.increment("n", 1, MINUTE).await.unwrap().value, 8);
    cache.set("w", bytes("word"), MINUTE, false).await.unwrap();
    assert!(matches!(cache.increment("w", 1, MINUTE).await, Err(CacheError::Invalid(_))));
}

/// Keys, values and expiries out of bounds are the caller's fault.
pub async fn bounds_are_checked(backend: Arc<dyn CacheBackend>) {
    let cache = open(&backend).await;
    let invalid = |result: Result<bool, CacheError>| matches!(result, Err(CacheError::Invalid(_)));
    let long = "k".repeat(MAX_KEY_BYTES + 1);
    let value = Bytes::from(vec![7; MAX_VALUE_BYTES]);
    assert!(invalid(cache.set(&long, bytes("v"), MINUTE, false).await));
    assert!(invalid(cache.set("k", bytes("v"), Duration::ZERO, false).await));
    let larger = Bytes::from(vec![7; MAX_VALUE_BYTES + 1]);
    assert!(invalid(cache.set("k", larger, MINUTE, false).await));
    assert!(matches!(cache.increment("k", 1, Duration::ZERO).await, Err(CacheError::Invalid(_))));
    assert!(matches!(cache.get(&long).await, Err(CacheError::Invalid(_))));
    let longest = "k".repeat(MAX_KEY_BYTES);
    assert_eq!(cache.set(&longest, value.clone(), MINUTE, false).await, Ok(true));
    assert_eq!(cache.get(&longest).await, Ok(Some(value)));
}

/// One tenant's keys are not another's.
pub async fn tenants_are_apart(backend: Arc<dyn CacheBackend>) {
    let (one, two) = (open(&backend).await, open(&backend).await);
    one.set("k", bytes("1"), MINUTE, false).await.unwrap();
    assert_eq!(two.get("k").await, Ok(None));
    two.delete(&["k".to_owned()]).await.unwrap();
    assert_eq!(one.get("k").await, Ok(Some(bytes("1"))));
}

/// A new release of a tenant finds what the old one stored.
pub async fn reopening_finds_the_same_cache(backend: Arc<dyn CacheBackend>) {
    let tenant = tenant();
    let one = backend.open(&tenant).await.unwrap();
    one.set("k", bytes("1"), MINUTE, false).await.unwrap();
    let two = backend.open(&tenant).await.unwrap();
    assert_eq!(two.get("k").await, Ok(Some(bytes("1"))));
}
