//! A rate limit for each client address, shared by all cores and by all routes that hold it.
//!
//! The rule is nginx's `limit_req … burst=N nodelay`: N requests beyond the first pass at once,
//! then one every 1/rate seconds. It is kept as one number for each client, the time at which its
//! bucket is empty again (GCRA), so an entry in the past is the same as none and can be dropped.
//!
//! Hosts may keep a limit together ([`RateLimit::shared`]); each then asks the others' count about
//! what its own let pass.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use pingtalk_capabilities::limits::{LimitRule, SharedLimits};

use pingtalk_front::client::bucket;

use crate::shared_limit::SharedLimit;

const SHARDS: usize = 16;

/// The rule of one bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateRule {
    /// Requests a second.
    pub per_second: u32,
    /// Requests beyond the first that pass at once.
    pub burst: u32,
    /// Clients remembered at once, at 32 bytes or so each. When more come within the few seconds
    /// that an entry lives, those nearest to their end are forgotten.
    pub clients: usize,
}

impl Default for RateRule {
    fn default() -> Self {
        Self { per_second: 10, burst: 20, clients: 100_000 }
    }
}

/// The buckets of all clients.
pub struct RateLimit {
    rule: RateRule,
    shared: Option<SharedLimit>,
    /// Microseconds that one request costs.
    cost: u64,
    /// How far ahead of now a bucket may be.
    tolerance: u64,
    clients_per_shard: usize,
    start: Instant,
    hasher: RandomState,
    shards: [Mutex<HashMap<u128, u64>>; SHARDS],
}

impl RateLimit {
    /// Empty buckets. A rate of 0 counts as 1.
    #[must_use]
    pub fn new(rule: RateRule) -> Self {
        let cost = 1_000_000 / u64::from(rule.per_second.max(1));
        Self {
            rule,
            shared: None,
            cost,
            tolerance: cost * u64::from(rule.burst),
            clients_per_shard: (rule.clients / SHARDS).max(1),
            start: Instant::now(),
            hasher: RandomState::new(),
            shards: std::array::from_fn(|_| Mutex::default()),
        }
    }

    /// Keeps the limit together with other hosts, whose limits have the same name and rule. While
    /// they can't be asked, each host limits by itself.
    #[must_use]
    pub fn shared(mut self, limits: Arc<dyn SharedLimits>, name: &str) -> Self {
        let rule = LimitRule { per_second: self.rule.per_second, burst: self.rule.burst };
        self.shared = Some(SharedLimit::new(limits, name, rule));
        self
    }

    /// The part that is kept with other hosts.
    pub(crate) fn with_others(&self) -> Option<&SharedLimit> {
        self.shared.as_ref()
    }

    /// Counts one request of a client on this host.
    ///
    /// # Errors
    /// When it is one too many: how long to wait. It did not count then.
    pub fn take(&self, client: IpAddr) -> Result<(), Duration> {
        self.take_at(client, Instant::now())
    }

    fn take_at(&self, client: IpAddr, now: Instant) -> Result<(), Duration> {
        let now = now.saturating_duration_since(self.start);
        let now = u64::try_from(now.as_micros()).unwrap_or(u64::MAX / 2);
        let key = bucket(client);
        let index = usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).unwrap_or(0);
        let Some(shard) = self.shards.get(index) else { return Ok(()) };
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        let empty_at = shard.get(&key).copied().unwrap_or(0).max(now);
        let ahead = empty_at - now;
        if ahead > self.tolerance {
            return Err(Duration::from_micros(ahead - self.tolerance));
        }
        if shard.len() >= self.clients_per_shard && !shard.contains_key(&key) {
            make_room(&mut shard, now);
        }
        shard.insert(key, empty_at + self.cost);
        Ok(())
    }

    /// Clients remembered now.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.shards
            .iter()
            .map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).len())
            .sum()
    }
}

/// Forgets whoever's bucket is empty; when that is not an eighth of them, whoever's is nearest to
/// it. Costs one pass for every eighth of the shard's clients, however many come.
fn make_room(shard: &mut HashMap<u128, u64>, now: u64) {
    let before = shard.len();
    shard.retain(|_, empty_at| *empty_at > now);
    let wanted = before - before / 8;
    if shard.len() < wanted || before < 8 {
        if before < 8 && shard.len() == before {
            shard.clear();
        }
        return;
    }
    let mut ends: Vec<u64> = shard.values().copied().collect();
    let index = shard.len() - wanted;
    let (_, &mut limit, _) = ends.select_nth_unstable(index);
    shard.retain(|_, empty_at| *empty_at > limit);
}

#[cfg(test)]
mod tests {
    use std::{
        net::{IpAddr, Ipv4Addr, Ipv6Addr},
        time::{Duration, Instant},
    };

    use super::{RateLimit, RateRule};

    const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

    #[test]
    fn of_forty_at_once_twenty_one_pass() {
        let limit = RateLimit::new(RateRule::default());
        let now = Instant::now();
        let passed = (0..40).filter(|_| limit.take_at(CLIENT, now).is_ok()).count();
        assert_eq!(passed, 21);
    }

    #[test]
    fn a_tenth_of_a_second_buys_one_request() {
        let limit = RateLimit::new(RateRule::default());
        let now = Instant::now();
        while limit.take_at(CLIENT, now).is_ok() {}
        assert_eq!(limit.take_at(CLIENT, now), Err(Duration::from_millis(100)));
        let later = now + Duration::from_millis(100);
        assert_eq!(limit.take_at(CLIENT, later), Ok(()));
        assert!(limit.take_at(CLIENT, later).is_err());
        let much_later = now + Duration::from_secs(60);
        let passed = (0..40).filter(|_| limit.take_at(CLIENT, much_later).is_ok()).count();
        assert_eq!(passed, 21, "an old bucket is a fresh one");
    }

    #[test]
    fn clients_do_not_share_a_bucket() {
        let limit = RateLimit::new(RateRule { burst: 0, ..RateRule::default() });
        let now = Instant::now();
        assert!(limit.take_at(CLIENT, now).is_ok());
        assert!(limit.take_at(CLIENT, now).is_err());
        let other = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
        assert!(limit.take_at(other, now).is_ok());
    }

    #[test]
    fn memory_is_bounded_and_the_busy_are_remembered() {
        let limit = RateLimit::new(RateRule { clients: 1_600, ..RateRule::default() });
        let now = Instant::now();
        while limit.take_at(CLIENT, now).is_ok() {}
        for number in 0..20_000_u128 {
            let address = IpAddr::V6(Ipv6Addr::from_bits(number << 64 | 1 << 127));
            assert!(limit.take_at(address, now).is_ok());
        }
        assert!(limit.clients() <= 1_600, "{}", limit.clients());
        assert!(limit.take_at(CLIENT, now).is_err(), "the flood did not wash the limit away");
    }
}
