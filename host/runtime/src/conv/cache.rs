//! `pingtalk:cache/store`.

use pingtalk_capabilities::cache::{CacheError, Counter};

use crate::bindings::pingtalk::cache::store as wit;

impl From<Counter> for wit::Counter {
    fn from(counter: Counter) -> Self {
        let expires_in_ms = u64::try_from(counter.expires_in.as_millis()).unwrap_or(u64::MAX);
        Self { value: counter.value, expires_in_ms }
    }
}

impl From<CacheError> for wit::Error {
    fn from(error: CacheError) -> Self {
        match error {
            CacheError::Denied(what) => Self::Denied(what),
            CacheError::Invalid(why) => Self::Invalid(why),
            CacheError::Unavailable(why) => Self::Unavailable(why),
        }
    }
}
