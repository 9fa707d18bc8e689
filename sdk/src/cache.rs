//! The cache, which may fail or forget at any time: a failure is a miss, and goes to the log.

use std::{fmt, time::Duration};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

#[cfg(target_family = "wasm")] // A trait object needs no import.
use crate::Host;
use crate::{log, platform::ThisHost};

/// How often a refresh looks whether another change has overtaken it.
const REFRESH_ROUNDS: usize = 4;

/// Why a cache call failed. Services don't see it; hosts and fakes return it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CacheError {
    /// The manifest does not grant keys with this prefix.
    #[error("not granted: {0}")]
    Denied(String),
    /// A key, value or expiry out of bounds.
    #[error("invalid: {0}")]
    Invalid(String),
    /// The cache is away.
    #[error("unavailable: {0}")]
    Unavailable(String),
}

/// A counter after an increment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counter {
    /// Its value.
    pub value: i64,
    /// Milliseconds until it starts over.
    pub expires_in_ms: u64,
}

/// The tenant's cache.
#[derive(Clone, Copy)]
pub struct Cache<'a> {
    host: &'a ThisHost,
}

impl<'a> Cache<'a> {
    pub(crate) fn new(host: &'a ThisHost) -> Self {
        Self { host }
    }

    /// A value; none when it is absent, expired, of another shape, or out of reach.
    pub async fn get<T: DeserializeOwned>(self, key: &str) -> Option<T> {
        let bytes = known("get", self.host.cache_get(key).await)??;
        known("decode", serde_json::from_slice(&bytes))
    }

    /// Stores a value as JSON. True when it was stored.
    pub async fn set(self, key: &str, value: &impl Serialize, ttl: Duration) -> bool {
        self.put(key, value, ttl, false).await
    }

    /// Stores a value as JSON unless there is one. A reader that fills the cache uses this, so
    /// that it can't overwrite what a writer has put there since.
    pub async fn set_if_absent(self, key: &str, value: &impl Serialize, ttl: Duration) -> bool {
        self.put(key, value, ttl, true).await
    }

    async fn put(self, key: &str, value: &impl Serialize, ttl: Duration, absent: bool) -> bool {
        let Some(bytes) = known("encode", serde_json::to_vec(value)) else { return false };
        let stored = self.host.cache_set(key, Bytes::from(bytes), millis(ttl), absent).await;
        known("set", stored).unwrap_or(false)
    }

    /// Makes a change that was just stored count: loads the value and stores it, over whatever is
    /// there, or forgets the key if there is no value any more.
    ///
    /// Prefer this to forgetting the key: a reader that loaded the old value before the change
    /// can't put it back with [`Cache::set_if_absent`]. Two changes may come here in the other
    /// order than they were stored, so each looks again after writing: the last one to write has
    /// then seen every change before.
    ///
    /// # Errors
    /// Those of `load`. The change itself has been made by then.
    pub async fn refresh<T, E, F>(
        self,
        key: &str,
        ttl: Duration,
        load: impl Fn() -> F,
    ) -> Result<(), E>
    where
        T: Serialize + PartialEq,
        F: Future<Output = Result<Option<T>, E>>,
    {
        let mut written = None;
        for _ in 0..REFRESH_ROUNDS {
            let current = load().await?;
            if current == written && written.is_some() {
                return Ok(());
            }
            match &current {
                Some(value) => {
                    self.set(key, value, ttl).await;
                }
                None => {
                    self.invalidate([key]).await;
                    return Ok(());
                }
            }
            written = current;
        }
        // Changes keep coming, and each of them refreshes too.
        Ok(())
    }

    /// Forgets keys. True when the cache did so; when it is out of reach the old values live on
    /// until they expire.
    pub async fn invalidate<K: Into<String>>(self, keys: impl IntoIterator<Item = K>) -> bool {
        let keys = keys.into_iter().map(Into::into).collect();
        known("delete", self.host.cache_delete(keys).await).is_some()
    }

    /// Adds to a counter that starts over `ttl` after its first increment; none when the cache
    /// is out of reach.
    pub async fn increment(self, key: &str, by: i64, ttl: Duration) -> Option<Counter> {
        known("increment", self.host.cache_increment(key, by, millis(ttl)).await)
    }
}

fn millis(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)
}

fn known<T, E: fmt::Display>(operation: &str, result: Result<T, E>) -> Option<T> {
    result
        .inspect_err(|error| {
            log::warn("cache call failed", &[("operation", &operation), ("error", error)]);
        })
        .ok()
}
