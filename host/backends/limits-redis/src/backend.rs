//! The limits' trait over one script.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use async_trait::async_trait;
use pingtalk_capabilities::{
    TenantId,
    limits::{LimitError, LimitRule, LimitsBackend, MAX_NAME_BYTES, SharedLimits},
};
use pingtalk_redis_connection::Redis;
use redis::Script;

/// Takes one request from a bucket. KEYS: the bucket. ARGV: what one request costs and how far
/// ahead of now the bucket may be, in microseconds. Returns how long to wait, 0 when it counted.
///
/// A bucket further ahead than it can get by itself was left by a clock that has been set back
/// since, and counts as full. Redis 5 and later replicate what a script did rather than the script,
/// so that it may ask for the time.
static TAKE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local time = redis.call('TIME')
        local now = time[1] * 1000000 + time[2]
        local cost, tolerance = tonumber(ARGV[1]), tonumber(ARGV[2])
        local empty = tonumber(redis.call('GET', KEYS[1]) or now) or now
        empty = math.min(math.max(empty, now), now + tolerance + cost)
        local ahead = empty - now
        if ahead > tolerance then
            return ahead - tolerance
        end
        local life = math.ceil((ahead + cost) / 1000)
        redis.call('SET', KEYS[1], string.format('%.0f', empty + cost), 'PX', life)
        return 0
        ",
    )
});

/// Limits in Redis, shared by all hosts that use it.
pub struct RedisLimits {
    redis: Redis,
}

impl RedisLimits {
    /// Limits over this connection.
    #[must_use]
    #[allow(clippy::new_ret_no_self)]
    pub fn new(redis: Redis) -> Arc<dyn LimitsBackend> {
        Arc::new(Self { redis })
    }
}

impl LimitsBackend for RedisLimits {
    fn open(&self, tenant: &TenantId) -> Arc<dyn SharedLimits> {
        // A tenant's name holds no colon, so that no two tenants' keys can be the same.
        let prefix = format!("pingtalk:limit:{tenant}:");
        Arc::new(TenantLimits { redis: self.redis.clone(), prefix })
    }
}

struct TenantLimits {
    redis: Redis,
    prefix: String,
}

#[async_trait]
impl SharedLimits for TenantLimits {
    async fn take(
        &self,
        bucket: &str,
        client: &str,
        rule: LimitRule,
    ) -> Result<Result<(), Duration>, LimitError> {
        if bucket.len() > MAX_NAME_BYTES || client.len() > MAX_NAME_BYTES {
            return Err(LimitError::Invalid("a name is at most 128 bytes".to_owned()));
        }
        // The bucket's length keeps `a:b` with `c` apart from `a` with `b:c`.
        let key = format!("{}{}:{bucket}:{client}", self.prefix, bucket.len());
        let cost = 1_000_000 / u64::from(rule.per_second.max(1));
        let tolerance = cost * u64::from(rule.burst);
        let wait: u64 = self
            .redis
            .script(TAKE.key(key).arg(cost).arg(tolerance))
            .await
            .map_err(|away| LimitError::Unavailable(away.to_string()))?;
        Ok(if wait == 0 { Ok(()) } else { Err(Duration::from_micros(wait)) })
    }
}
