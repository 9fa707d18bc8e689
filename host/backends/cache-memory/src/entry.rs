//! A cached value with the time it ends.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use moka::Expiry;

/// What an entry costs besides its key and value, about: moka's own record of it.
const OVERHEAD: usize = 128;

#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) value: Bytes,
    pub(crate) expires: Instant,
}

impl Entry {
    pub(crate) fn new(value: Bytes, ttl: Duration) -> Self {
        let now = Instant::now();
        // A time to live beyond what the clock can tell is a century: as good as for ever.
        let century = Duration::from_secs(100 * 365 * 24 * 60 * 60);
        Self { value, expires: now + ttl.min(century) }
    }

    pub(crate) fn is_live(&self) -> bool {
        Instant::now() < self.expires
    }

    pub(crate) fn remaining(&self) -> Duration {
        self.expires.saturating_duration_since(Instant::now())
    }
}

pub(crate) fn weight(key: &Arc<str>, entry: &Entry) -> u32 {
    u32::try_from(key.len() + entry.value.len() + OVERHEAD).unwrap_or(u32::MAX)
}

/// Tells moka when an entry ends: when it says itself.
pub(crate) struct ByEntry;

impl Expiry<Arc<str>, Entry> for ByEntry {
    fn expire_after_create(
        &self,
        _key: &Arc<str>,
        entry: &Entry,
        created: Instant,
    ) -> Option<Duration> {
        Some(entry.expires.saturating_duration_since(created))
    }

    fn expire_after_update(
        &self,
        _key: &Arc<str>,
        entry: &Entry,
        updated: Instant,
        _remaining: Option<Duration>,
    ) -> Option<Duration> {
        Some(entry.expires.saturating_duration_since(updated))
    }
}
