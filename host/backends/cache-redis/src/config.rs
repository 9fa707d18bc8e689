//! What a host remembers of a cache that is away.

use std::time::Duration;

/// Settings of [`crate::RedisCache`], for each tenant.
#[derive(Debug, Clone)]
pub struct Config {
    /// Keys that are remembered as owed a deletion, at up to 600 bytes each. Beyond it this host
    /// reads nothing from the tenant's cache until every old value must have expired. As many of
    /// the latest changes are remembered for when another Redis takes over. Default: 20,000.
    pub max_owed: usize,
    /// Counters that are kept at hand, at up to 600 bytes each. Beyond it those that would end
    /// first are forgotten. Default: 20,000.
    pub max_counters: usize,
    /// Longest life of a value; one stored for longer ends then. It bounds how long an old value
    /// can do harm. Default: a day.
    pub max_ttl: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self { max_owed: 20_000, max_counters: 20_000, max_ttl: Duration::from_secs(24 * 60 * 60) }
    }
}
