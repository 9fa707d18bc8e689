//! Counters as this host last knew them, to go on with while Redis is away.
//!
//! A throttle lives in a counter. If it ended with Redis, an outage would be the time to guess
//! passwords. So each host remembers what it was last told, adds to it by itself, and adds the sum
//! to Redis's counter when that is back. Hosts don't see each other's counts meanwhile: a client may
//! do on each of them what it may do once otherwise.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use pingtalk_capabilities::cache::Counter;

pub(crate) struct Counters {
    max: usize,
    known: Mutex<HashMap<String, Known>>,
}

struct Known {
    value: i64,
    /// What Redis has not been told.
    owed: i64,
    expires: Instant,
}

impl Counters {
    pub(crate) fn new(max: usize) -> Self {
        Self { max: max.max(8), known: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        // Nothing panics while the lock is held, so a poisoned map is still whole.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what Redis has not been told of a counter. Put it back if Redis can't be told.
    pub(crate) fn take_owed(&self, key: &str) -> i64 {
        let mut known = self.lock();
        let live = known.get_mut(key).filter(|known| Instant::now() < known.expires);
        live.map_or(0, |known| std::mem::take(&mut known.owed))
    }

    pub(crate) fn put_back(&self, key: &str, owed: i64) {
        if owed != 0
            && let Some(known) = self.lock().get_mut(key)
        {
            known.owed = known.owed.saturating_add(owed);
        }
    }

    /// What Redis says.
    pub(crate) fn learn(&self, key: &str, counter: Counter) {
        let expires = Instant::now() + counter.expires_in;
        let mut known = self.lock();
        if let Some(known) = known.get_mut(key) {
            // What others added here since is still owed.
            known.value = counter.value.saturating_add(known.owed);
            known.expires = expires;
            return;
        }
        make_room(&mut known, self.max);
        known.insert(key.to_owned(), Known { value: counter.value, owed: 0, expires });
    }

    /// Adds without Redis; none when the counter would overflow. With `owe` Redis is told later.
    pub(crate) fn add(&self, key: &str, by: i64, ttl: Duration, owe: bool) -> Option<Counter> {
        let now = Instant::now();
        let mut all = self.lock();
        if !all.contains_key(key) {
            make_room(&mut all, self.max);
        }
        let fresh = || Known { value: 0, owed: 0, expires: now + ttl };
        let known = all.entry(key.to_owned()).or_insert_with(fresh);
        if known.expires <= now {
            *known = fresh();
        }
        known.value = known.value.checked_add(by)?;
        if owe {
            known.owed = known.owed.saturating_add(by);
        }
        Some(Counter { value: known.value, expires_in: known.expires - now })
    }

    /// The key was set or deleted: it is no counter we know any more.
    pub(crate) fn forget(&self, key: &str) {
        self.lock().remove(key);
    }
}

/// Forgets what has ended; when that is not enough, an eighth of the rest, nearest to its end first.
fn make_room(known: &mut HashMap<String, Known>, max: usize) {
    if known.len() < max {
        return;
    }
    let now = Instant::now();
    known.retain(|_, known| now < known.expires);
    if known.len() < max {
        return;
    }
    let mut ends: Vec<Instant> = known.values().map(|known| known.expires).collect();
    let (_, &mut limit, _) = ends.select_nth_unstable(max / 8);
    known.retain(|_, known| known.expires > limit);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn goes_on_from_what_it_was_told_and_owes_the_rest() {
        let counters = Counters::new(9);
        counters.learn("k", Counter { value: 14, expires_in: MINUTE });
        assert_eq!(counters.add("k", 1, MINUTE * 9, true).unwrap().value, 15);
        let counter = counters.add("k", 1, MINUTE * 9, true).unwrap();
        assert_eq!(counter.value, 16);
        assert!(counter.expires_in <= MINUTE, "it ends when it would have ended");
        assert_eq!(counters.take_owed("k"), 2);
        assert_eq!(counters.take_owed("k"), 0);
        counters.put_back("k", 2);
        assert_eq!(counters.take_owed("k"), 2);
        counters.learn("k", Counter { value: 20, expires_in: MINUTE });
        assert_eq!(counters.add("k", 1, MINUTE, false).unwrap().value, 21);
        assert_eq!(counters.take_owed("k"), 0, "this one was not to be told");
    }

    #[test]
    fn starts_over_when_its_time_is_over() {
        let counters = Counters::new(9);
        counters.add("k", 5, Duration::from_millis(1), true).unwrap();
        std::thread::sleep(Duration::from_millis(5));
        assert_eq!(counters.take_owed("k"), 0);
        assert_eq!(counters.add("k", 1, MINUTE, true).unwrap().value, 1);
    }

    #[test]
    fn is_bounded_and_keeps_what_lasts() {
        let counters = Counters::new(16);
        counters.add("long", 7, MINUTE * 60, true).unwrap();
        for at in 0..1_000 {
            counters.add(&at.to_string(), 1, MINUTE, true).unwrap();
        }
        assert!(counters.lock().len() <= 16);
        assert_eq!(counters.add("long", 1, MINUTE, true).unwrap().value, 8);
    }

    #[test]
    fn does_not_overflow() {
        let counters = Counters::new(9);
        counters.add("k", i64::MAX, MINUTE, true).unwrap();
        assert_eq!(counters.add("k", 1, MINUTE, true), None);
    }
}
