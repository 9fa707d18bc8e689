//! Values that expire, in a store that keeps everything: eight bytes of milliseconds since the epoch,
//! then the value. What has expired counts as absent, and is swept away now and then.

use crate::{Bucket, KeyValueError};

/// What the keys of expiring values start with in the store, which the application may use for other
/// things too.
const PREFIX: &str = "expiring:";
/// When the next sweep is due, over all instances.
const DUE: &str = "sweep";
/// Pause between sweeps, in milliseconds.
const EVERY: u64 = 5 * 60 * 1_000;

/// A value and when it ends.
#[derive(Debug, Clone, Copy)]
pub struct Expiring<'v> {
    /// Milliseconds since the epoch.
    pub expires: i64,
    /// The value.
    pub value: &'v [u8],
}

impl<'v> Expiring<'v> {
    /// A value that lives for a time.
    #[must_use]
    pub fn new(value: &'v [u8], now: i64, ttl_ms: u64) -> Self {
        let ttl = i64::try_from(ttl_ms).unwrap_or(i64::MAX);
        Self { expires: now.saturating_add(ttl), value }
    }

    /// The key under which it is stored.
    #[must_use]
    pub fn key(key: &str) -> String {
        format!("{PREFIX}{key}")
    }

    /// What was stored, unless it has expired.
    #[must_use]
    pub fn live(stored: &'v [u8], now: i64) -> Option<Self> {
        let (expires, value) = stored.split_first_chunk()?;
        let expires = i64::from_le_bytes(*expires);
        (expires > now).then_some(Self { expires, value })
    }

    /// As it is stored.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(8 + self.value.len());
        bytes.extend_from_slice(&self.expires.to_le_bytes());
        bytes.extend_from_slice(self.value);
        bytes
    }
}

/// Removes what has expired, if it is time: a store without expiry would keep it for ever, and clients
/// can make new keys. To be called by whoever adds a key.
pub fn sweep_now_and_then(bucket: &Bucket, now: i64) {
    thread_local! {
        /// Not before this does the instance ask the store whether it is time.
        static ASK: std::cell::Cell<i64> = const { std::cell::Cell::new(0) };
    }
    if now < ASK.get() {
        return;
    }
    ASK.set(now + i64::try_from(EVERY / 10).unwrap_or(i64::MAX));
    let due = bucket.change(DUE, |old| {
        if old.as_deref().and_then(|old| Expiring::live(old, now)).is_some() {
            return (None, false);
        }
        (Some(Expiring::new(&[], now, EVERY).encode()), true)
    });
    if let Ok(true) = due {
        // What can't be swept now is next time.
        drop(sweep(bucket, now));
    }
}

fn sweep(bucket: &Bucket, now: i64) -> Result<(), KeyValueError> {
    for key in bucket.keys()?.iter().filter(|key| key.starts_with(PREFIX)) {
        let stored = bucket.get(key)?;
        // A value set in between is lost with the old one: what expires may be forgotten.
        if stored.is_some_and(|stored| Expiring::live(&stored, now).is_none()) {
            bucket.delete(key)?;
        }
    }
    Ok(())
}
