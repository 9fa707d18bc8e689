//! Meets `pingtalk:cache/store` with Spin's key-value store.
//!
//! That store knows no expiry: each value carries its own, see [`Expiring`].
#![cfg(target_family = "wasm")]

mod bindings;

use bindings::exports::pingtalk::cache::store::{Counter, Error, Guest};
use pingtalk_spin_platform::{
    Bucket, Expiring, KeyValueError, Served, now_millis, sweep_now_and_then,
};

/// Longest key, in bytes.
const MAX_KEY_BYTES: usize = 512;
/// Largest value, in bytes.
const MAX_VALUE_BYTES: usize = 1024 * 1024;

/// What is exported.
pub(crate) struct Cache;

impl Guest for Cache {
    async fn get(key: String) -> Result<Option<Vec<u8>>, Error> {
        let bucket = open(&key)?;
        let now = now_millis();
        let entry = bucket.get(&stored(&key)).map_err(unavailable)?;
        Ok(entry
            .as_deref()
            .and_then(|bytes| Expiring::live(bytes, now))
            .map(|entry| entry.value.into()))
    }

    async fn set(
        key: String,
        value: Vec<u8>,
        ttl_ms: u64,
        only_if_absent: bool,
    ) -> Result<bool, Error> {
        let bucket = open(&key)?;
        check_ttl(ttl_ms)?;
        if value.len() > MAX_VALUE_BYTES {
            return Err(invalid("a value is at most 1 MiB"));
        }
        let now = now_millis();
        let new = Expiring::new(&value, now, ttl_ms).encode();
        let key = stored(&key);
        let stored = if only_if_absent {
            bucket.change(&key, |old| {
                match old.as_deref().and_then(|old| Expiring::live(old, now)) {
                    Some(_) => (None, false),
                    None => (Some(new.clone()), true),
                }
            })
        } else {
            bucket.set(&key, &new).map(|()| true)
        };
        sweep_now_and_then(&bucket, now);
        stored.map_err(unavailable)
    }

    async fn delete(keys: Vec<String>) -> Result<(), Error> {
        for key in keys {
            open(&key)?.delete(&stored(&key)).map_err(unavailable)?;
        }
        Ok(())
    }

    async fn increment(key: String, by: i64, ttl_ms: u64) -> Result<Counter, Error> {
        let bucket = open(&key)?;
        check_ttl(ttl_ms)?;
        let now = now_millis();
        let changed = bucket.change(&stored(&key), |old| {
            let old = old.as_deref().and_then(|old| Expiring::live(old, now));
            match added(old.as_ref(), by) {
                Ok(value) => {
                    let text = value.to_string();
                    let mut entry = Expiring::new(text.as_bytes(), now, ttl_ms);
                    if let Some(old) = old {
                        entry.expires = old.expires;
                    }
                    let expires_in_ms = u64::try_from(entry.expires - now).unwrap_or_default();
                    (Some(entry.encode()), Ok(Counter { value, expires_in_ms }))
                }
                Err(error) => (None, Err(error)),
            }
        });
        sweep_now_and_then(&bucket, now);
        changed.map_err(unavailable)?
    }
}

/// The store, for a key that the component may use.
fn open(key: &str) -> Result<Bucket, Error> {
    if key.len() > MAX_KEY_BYTES {
        return Err(invalid("a key is at most 512 bytes"));
    }
    let granted = Served::with(|served| {
        let granted = served.component().map(|component| component.host.cache.as_slice());
        granted.unwrap_or_default().iter().any(|prefix| key.starts_with(prefix.as_str()))
    });
    match granted {
        Ok(true) => Bucket::open().map_err(unavailable),
        Ok(false) => {
            let kind = key.split_inclusive(':').next().unwrap_or_default();
            Err(Error::Denied(format!("cache keys of {kind}")))
        }
        Err(why) => Err(Error::Unavailable(why)),
    }
}

/// The key in the store, which the application may use for other things too.
fn stored(key: &str) -> String {
    Expiring::key(&format!("cache:{key}"))
}

/// A counter is decimal text, as Redis keeps its counters.
fn added(old: Option<&Expiring<'_>>, by: i64) -> Result<i64, Error> {
    let before = match old {
        None => 0,
        Some(entry) => std::str::from_utf8(entry.value)
            .ok()
            .and_then(|text| text.parse::<i64>().ok())
            .ok_or_else(|| invalid("the value is not a counter"))?,
    };
    before.checked_add(by).ok_or_else(|| invalid("the counter would overflow"))
}

fn check_ttl(ttl_ms: u64) -> Result<(), Error> {
    if ttl_ms == 0 { Err(invalid("an expiry is at least 1 ms")) } else { Ok(()) }
}

fn invalid(text: &str) -> Error {
    Error::Invalid(text.to_owned())
}

fn unavailable(error: KeyValueError) -> Error {
    Error::Unavailable(error.0)
}
