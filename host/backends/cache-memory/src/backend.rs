//! The capability's traits over a moka cache per tenant.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use moka::{ops::compute::Op, sync::Cache as Moka};
use pingtalk_capabilities::{
    TenantId,
    cache::{Cache, CacheBackend, CacheError, Counter, MAX_KEY_BYTES, MAX_VALUE_BYTES},
};

use crate::{
    Config,
    entry::{ByEntry, Entry, weight},
};

/// Caches in memory, one per tenant.
pub struct MemoryCache {
    config: Config,
    /// Kept while the process lives: opening a tenant again (a new release) finds its counters.
    tenants: Mutex<HashMap<TenantId, Arc<TenantCache>>>,
}

impl MemoryCache {
    /// A backend with these settings.
    #[must_use]
    #[allow(clippy::new_ret_no_self)]
    pub fn new(config: Config) -> Arc<dyn CacheBackend> {
        Arc::new(Self { config, tenants: Mutex::default() })
    }
}

#[async_trait]
impl CacheBackend for MemoryCache {
    async fn open(&self, tenant: &TenantId) -> Result<Arc<dyn Cache>, CacheError> {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let cache = tenants
            .entry(tenant.clone())
            .or_insert_with(|| Arc::new(TenantCache::new(self.config.max_bytes)));
        Ok(Arc::clone(cache) as Arc<dyn Cache>)
    }
}

struct TenantCache {
    entries: Moka<Arc<str>, Entry>,
}

impl TenantCache {
    fn new(max_bytes: u64) -> Self {
        let entries =
            Moka::builder().max_capacity(max_bytes).weigher(weight).expire_after(ByEntry).build();
        Self { entries }
    }
}

fn invalid(text: &str) -> CacheError {
    CacheError::Invalid(text.to_owned())
}

fn check_key(key: &str) -> Result<(), CacheError> {
    if key.len() > MAX_KEY_BYTES { Err(invalid("a key is at most 512 bytes")) } else { Ok(()) }
}

fn check_ttl(ttl: Duration) -> Result<(), CacheError> {
    if ttl.is_zero() { Err(invalid("an expiry is at least 1 ms")) } else { Ok(()) }
}

// None of these waits: moka's locks are held for single operations.
#[async_trait]
impl Cache for TenantCache {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, CacheError> {
        check_key(key)?;
        Ok(self.entries.get(key).filter(Entry::is_live).map(|entry| entry.value))
    }

    async fn set(
        &self,
        key: &str,
        value: Bytes,
        ttl: Duration,
        only_if_absent: bool,
    ) -> Result<bool, CacheError> {
        check_key(key)?;
        check_ttl(ttl)?;
        if value.len() > MAX_VALUE_BYTES {
            return Err(invalid("a value is at most 1 MiB"));
        }
        // A slice may hold a much larger buffer alive; the weight counts only the value.
        let entry = Entry::new(Bytes::copy_from_slice(&value), ttl);
        if !only_if_absent {
            self.entries.insert(Arc::from(key), entry);
            return Ok(true);
        }
        let mut stored = false;
        self.entries.entry(Arc::from(key)).and_compute_with(|old| {
            if old.is_some_and(|old| old.value().is_live()) {
                return Op::Nop;
            }
            stored = true;
            Op::Put(entry)
        });
        Ok(stored)
    }

    async fn delete(&self, keys: &[String]) -> Result<(), CacheError> {
        for key in keys {
            check_key(key)?;
        }
        for key in keys {
            self.entries.invalidate(key.as_str());
        }
        Ok(())
    }

    async fn increment(&self, key: &str, by: i64, ttl: Duration) -> Result<Counter, CacheError> {
        check_key(key)?;
        check_ttl(ttl)?;
        let mut result = Err(invalid("no counter"));
        self.entries.entry(Arc::from(key)).and_compute_with(|old| {
            let old = old.map(moka::Entry::into_value).filter(Entry::is_live);
            match add(old.as_ref(), by, ttl) {
                Ok((value, entry)) => {
                    result = Ok(Counter { value, expires_in: entry.remaining() });
                    Op::Put(entry)
                }
                Err(error) => {
                    result = Err(error);
                    Op::Nop
                }
            }
        });
        result
    }
}

/// A counter after an addition. It is kept as decimal text, as Redis keeps its counters, and ends
/// when it would have ended before.
fn add(old: Option<&Entry>, by: i64, ttl: Duration) -> Result<(i64, Entry), CacheError> {
    let before = match old {
        None => 0,
        Some(entry) => std::str::from_utf8(&entry.value)
            .ok()
            .and_then(|text| text.parse::<i64>().ok())
            .ok_or_else(|| invalid("the value is not a counter"))?,
    };
    let value = before.checked_add(by).ok_or_else(|| invalid("the counter would overflow"))?;
    let mut entry = Entry::new(Bytes::from(value.to_string()), ttl);
    if let Some(old) = old {
        entry.expires = old.expires;
    }
    Ok((value, entry))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test]
    async fn a_full_cache_forgets() {
        let cache = TenantCache::new(100_000);
        for at in 0..1_000 {
            let value = Bytes::from(vec![7; 1_000]);
            cache.set(&at.to_string(), value, Duration::from_secs(60), false).await.unwrap();
        }
        cache.entries.run_pending_tasks();
        assert!(cache.entries.weighted_size() <= 100_000);
        assert!(cache.entries.entry_count() > 50, "it forgets no more than it must");
    }
}
