//! The capability's traits over Redis commands.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use pingtalk_capabilities::{
    TenantId,
    cache::{Cache, CacheBackend, CacheError, Counter},
};
use pingtalk_redis_connection::{Away, Redis};
use redis::Script;
use tokio::task::AbortHandle;

use crate::{
    Config,
    counters::Counters,
    keys::{Scope, check_value, invalid, ttl_ms},
    settle::{self, Debts},
};

/// An expiry that is as good as none, within what Redis can add to its clock.
const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
/// Keys in one command: more would hold up other commands.
const BATCH: usize = 500;

/// Adds to a counter, which expires from its first addition. KEYS: the counter. ARGV: how much, and
/// its life in ms. Returns the value and what is left of its life.
static INCREMENT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local value = redis.pcall('INCRBY', KEYS[1], ARGV[1])
        if type(value) == 'table' then
            return value
        end
        local left = redis.call('PTTL', KEYS[1])
        if left < 0 then
            redis.call('PEXPIRE', KEYS[1], ARGV[2])
            left = tonumber(ARGV[2])
        end
        -- As text: a script's numbers are exact only up to 2^53.
        return { redis.call('GET', KEYS[1]), left }
        ",
    )
});

/// Caches in one Redis, one per tenant.
pub struct RedisCache {
    redis: Redis,
    config: Config,
    /// Kept while the process lives: opening a tenant again (a new release) finds what it owes.
    tenants: Mutex<HashMap<TenantId, Arc<TenantCache>>>,
}

impl RedisCache {
    /// A cache over this connection.
    #[must_use]
    #[allow(clippy::new_ret_no_self)]
    pub fn new(redis: Redis, config: Config) -> Arc<dyn CacheBackend> {
        Arc::new(Self { redis, config, tenants: Mutex::default() })
    }
}

#[async_trait]
impl CacheBackend for RedisCache {
    /// Opens a tenant's cache, whether Redis is there or not. What the cache comes to owe is paid
    /// from the runtime this is called on.
    async fn open(&self, tenant: &TenantId) -> Result<Arc<dyn Cache>, CacheError> {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let cache = tenants
            .entry(tenant.clone())
            .or_insert_with(|| Arc::new(TenantCache::new(tenant, &self.redis, &self.config)));
        Ok(Arc::clone(cache) as Arc<dyn Cache>)
    }
}

struct TenantCache {
    redis: Redis,
    scope: Scope,
    debts: Arc<Debts>,
    counters: Counters,
    max_ttl: Duration,
    settling: AbortHandle,
}

impl TenantCache {
    fn new(tenant: &TenantId, redis: &Redis, config: &Config) -> Self {
        let debts = Arc::new(Debts::new(config.max_owed, redis));
        let settling = tokio::spawn(settle::run(redis.clone(), Arc::clone(&debts))).abort_handle();
        Self {
            redis: redis.clone(),
            scope: Scope::of(tenant),
            debts,
            counters: Counters::new(config.max_counters),
            max_ttl: config.max_ttl,
            settling,
        }
    }
}

impl Drop for TenantCache {
    fn drop(&mut self) {
        self.settling.abort();
    }
}

fn unavailable(away: &Away) -> CacheError {
    CacheError::Unavailable(away.to_string())
}

/// Whether the fault is the value's: it is no counter, or would overflow.
fn is_no_counter(away: &Away) -> bool {
    let Away::Refused { code, detail } = away else { return false };
    let detail = detail.to_ascii_lowercase();
    code == "WRONGTYPE" || detail.contains("not an integer") || detail.contains("overflow")
}

#[async_trait]
impl Cache for TenantCache {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, CacheError> {
        let key = self.scope.key(key)?;
        let takeovers = self.debts.recent.takeovers();
        if self.debts.hides(&key) {
            return Ok(None);
        }
        let found: Result<Option<Vec<u8>>, Away> =
            self.redis.query(redis::cmd("GET").arg(&key)).await;
        if self.debts.recent.takeovers() != takeovers {
            return Ok(None);
        }
        found.map(|found| found.map(Bytes::from)).map_err(|away| unavailable(&away))
    }

    async fn set(
        &self,
        key: &str,
        value: Bytes,
        ttl: Duration,
        only_if_absent: bool,
    ) -> Result<bool, CacheError> {
        let key = self.scope.key(key)?;
        let ttl = ttl_ms(ttl, self.max_ttl)?;
        check_value(&value)?;
        self.debts.stores_for(Duration::from_millis(ttl));
        if only_if_absent && self.debts.owed.refuses_fill(&key) {
            return Ok(false);
        }
        let mut command = redis::cmd("SET");
        command.arg(&key).arg(&*value).arg("PX").arg(ttl);
        if only_if_absent {
            command.arg("NX");
        } else {
            self.counters.forget(&key);
        }
        let change = (!only_if_absent).then(|| Change::begin(self, vec![key]));
        let stored: Result<Option<String>, Away> = self.redis.query(&command).await;
        match (stored, change) {
            (Ok(stored), Some(change)) => {
                change.done();
                Ok(stored.is_some())
            }
            (Ok(stored), None) => Ok(stored.is_some()),
            // Whoever fills the cache with what was read changes nothing.
            (Err(away), None) => Err(unavailable(&away)),
            (Err(away), Some(change)) => Err(change.failed(&away)),
        }
    }

    async fn delete(&self, keys: &[String]) -> Result<(), CacheError> {
        let keys: Vec<String> =
            keys.iter().map(|key| self.scope.key(key)).collect::<Result<_, _>>()?;
        for key in &keys {
            self.counters.forget(key);
        }
        let change = Change::begin(self, keys);
        for batch in change.keys.chunks(BATCH) {
            let mut command = redis::cmd("UNLINK");
            for key in batch {
                command.arg(key);
            }
            if let Err(away) = self.redis.query::<u64>(&command).await {
                return Err(change.failed(&away));
            }
        }
        change.done();
        Ok(())
    }

    async fn increment(&self, key: &str, by: i64, ttl: Duration) -> Result<Counter, CacheError> {
        let key = self.scope.key(key)?;
        let ttl_ms = ttl_ms(ttl, CENTURY)?;
        let alone = |owe| {
            let counter = self.counters.add(&key, by, ttl.min(CENTURY), owe);
            counter.ok_or_else(|| invalid("the counter would overflow"))
        };
        if self.debts.owed.awaits(&key) {
            // What Redis counts under this key was to be deleted.
            return alone(false);
        }
        let owed = self.counters.take_owed(&key);
        let sum = by.checked_add(owed).ok_or_else(|| invalid("the counter would overflow"))?;
        let answer: Result<(String, i64), Away> =
            self.redis.script(INCREMENT.key(&key).arg(sum).arg(ttl_ms)).await;
        match answer {
            Ok((value, left)) => {
                let value = value.parse().map_err(|_| invalid("the value is not a counter"))?;
                let expires_in = Duration::from_millis(u64::try_from(left).unwrap_or(0));
                let counter = Counter { value, expires_in };
                self.counters.learn(&key, counter);
                Ok(counter)
            }
            Err(away) if is_no_counter(&away) => {
                Err(invalid("the value is not a counter, or it would overflow"))
            }
            Err(away) => {
                // Redis may have counted it and not said so. Told again it counts twice, which for a
                // throttle is the lesser evil.
                tracing::debug!(%away, "counting without Redis");
                self.counters.put_back(&key, owed);
                alone(true)
            }
        }
    }
}

/// A change under way. Dropped before its answer (the caller's deadline), it is owed: it may not
/// have got there, and a later one of its kind will not come.
struct Change<'a> {
    cache: &'a TenantCache,
    keys: Vec<String>,
}

impl<'a> Change<'a> {
    fn begin(cache: &'a TenantCache, keys: Vec<String>) -> Self {
        for key in &keys {
            cache.debts.changes(key);
        }
        Self { cache, keys }
    }

    fn done(mut self) {
        self.keys.clear();
    }

    fn failed(mut self, away: &Away) -> CacheError {
        self.cache.debts.owe(std::mem::take(&mut self.keys));
        unavailable(away)
    }
}

impl Drop for Change<'_> {
    fn drop(&mut self) {
        if !self.keys.is_empty() {
            self.cache.debts.owe(std::mem::take(&mut self.keys));
        }
    }
}
