//! Which keys a component may touch, by prefix.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;

use crate::cache::{Cache, CacheError, Counter};

/// A cache as one component may use it.
pub struct GrantedCache {
    inner: Arc<dyn Cache>,
    prefixes: Vec<String>,
}

impl GrantedCache {
    /// Puts key prefixes in front of a tenant's cache.
    #[must_use]
    pub fn new(inner: Arc<dyn Cache>, prefixes: Vec<String>) -> Self {
        Self { inner, prefixes }
    }

    fn check(&self, key: &str) -> Result<(), CacheError> {
        if self.prefixes.iter().any(|prefix| key.starts_with(prefix.as_str())) {
            return Ok(());
        }
        // The key itself may hold what a client sent; its kind is enough to find the grant.
        let kind = key.split_once(':').map_or("keys without a prefix", |(kind, _)| kind);
        Err(CacheError::Denied(format!("cache keys of {kind}")))
    }
}

#[async_trait]
impl Cache for GrantedCache {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, CacheError> {
        self.check(key)?;
        self.inner.get(key).await
    }

    async fn set(
        &self,
        key: &str,
        value: Bytes,
        ttl: Duration,
        only_if_absent: bool,
    ) -> Result<bool, CacheError> {
        self.check(key)?;
        self.inner.set(key, value, ttl, only_if_absent).await
    }

    async fn delete(&self, keys: &[String]) -> Result<(), CacheError> {
        for key in keys {
            self.check(key)?;
        }
        self.inner.delete(keys).await
    }

    async fn increment(&self, key: &str, by: i64, ttl: Duration) -> Result<Counter, CacheError> {
        self.check(key)?;
        self.inner.increment(key, by, ttl).await
    }
}
