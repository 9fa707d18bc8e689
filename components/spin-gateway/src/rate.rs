//! A rate limit for each client address, over all instances: our gateway's rule (nginx's
//! `limit_req … burst=N nodelay`, kept as the time at which the client's bucket is empty again), in
//! Spin's key-value store.

use std::net::IpAddr;

use pingtalk_front::client::bucket;
use pingtalk_manifest::RateLimit;
use pingtalk_spin_platform::{Bucket, Expiring, KeyValueError, now_millis, sweep_now_and_then};

const MICROS: i64 = 1_000_000;

/// Counts a request; the seconds to wait if it is one too many. Without a store, or a client's
/// address, nothing is limited: a limit that is away must not take the service with it.
pub(crate) fn take((name, rule): &(String, RateLimit), client: Option<IpAddr>) -> Option<u64> {
    let taken = count(name, rule, client?);
    taken.unwrap_or_else(|error| {
        eprintln!("requests are not limited: {}", error.0);
        None
    })
}

fn count(name: &str, rule: &RateLimit, client: IpAddr) -> Result<Option<u64>, KeyValueError> {
    let store = Bucket::open()?;
    let now = now_millis();
    let key = Expiring::key(&format!("rate:{name}:{:x}", bucket(client)));
    let cost = MICROS / i64::from(rule.requests_per_second.max(1));
    let tolerance = cost * i64::from(rule.burst);
    let micros = now.saturating_mul(1_000);
    let wait = store.change(&key, |old| {
        let old = old.as_deref().and_then(|old| Expiring::live(old, now));
        let empty_at = old
            .and_then(|old| old.value.first_chunk().map(|bytes| i64::from_le_bytes(*bytes)))
            .unwrap_or(micros)
            .max(micros);
        let ahead = empty_at - micros;
        if ahead > tolerance {
            return (None, Some(ahead - tolerance));
        }
        let empty_at = empty_at + cost;
        // Once it is empty, the bucket is as good as none.
        let lives = u64::try_from((empty_at - micros) / 1_000 + 1).unwrap_or(1);
        (Some(Expiring::new(&empty_at.to_le_bytes(), now, lives).encode()), None)
    })?;
    sweep_now_and_then(&store, now);
    Ok(wait.map(|micros| u64::try_from((micros + MICROS - 1) / MICROS).unwrap_or(1).max(1)))
}
