//! Cache: `pingtalk:cache/store` as a trait. Losing a cache costs time only, so callers treat
//! every error as a miss.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;

use crate::TenantId;

/// Longest key, in bytes.
pub const MAX_KEY_BYTES: usize = 512;
/// Largest value, in bytes.
pub const MAX_VALUE_BYTES: usize = 1024 * 1024;

/// Why a cache call failed. Retryable: `Unavailable`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CacheError {
    /// Not granted.
    #[error("not granted: {0}")]
    Denied(String),
    /// Out of bounds.
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
    /// When it starts over.
    pub expires_in: Duration,
}

/// One tenant's cache.
#[async_trait]
pub trait Cache: Send + Sync {
    /// The value, unless absent or expired.
    async fn get(&self, key: &str) -> Result<Option<Bytes>, CacheError>;

    /// Stores for `ttl`; with `only_if_absent` an existing value stays. True when stored.
    async fn set(
        &self,
        key: &str,
        value: Bytes,
        ttl: Duration,
        only_if_absent: bool,
    ) -> Result<bool, CacheError>;

    /// Removes keys.
    async fn delete(&self, keys: &[String]) -> Result<(), CacheError>;

    /// Adds to a counter that expires `ttl` after its first increment.
    async fn increment(&self, key: &str, by: i64, ttl: Duration) -> Result<Counter, CacheError>;
}

/// Opens tenants' caches.
#[async_trait]
pub trait CacheBackend: Send + Sync {
    /// Opens a tenant's cache.
    async fn open(&self, tenant: &TenantId) -> Result<Arc<dyn Cache>, CacheError>;
}
