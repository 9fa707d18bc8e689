//! Units a second: the account that slows down whoever takes more.

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

const SECOND: u64 = 1_000_000_000;
/// How much of a second's amount may be taken at once after a quiet while, as time.
const BURST_NANOS: u64 = SECOND / 4;

/// Units a second, kept as the moment at which everything taken so far is paid for (the generic
/// cell rate algorithm). The bound can be changed at any time.
#[derive(Debug, Default)]
pub struct Rate {
    /// 0: unbounded.
    per_second: AtomicU64,
    /// Nanoseconds since the process first asked.
    paid_at: AtomicU64,
}

impl Rate {
    /// So many units a second; none: unbounded.
    #[must_use]
    pub fn new(per_second: Option<u64>) -> Self {
        let rate = Self::default();
        rate.set(per_second);
        rate
    }

    /// Another bound from now on.
    pub fn set(&self, per_second: Option<u64>) {
        // A rate of nothing would never be paid: the least there is stands for it.
        self.per_second.store(per_second.map_or(0, |units| units.max(1)), Relaxed);
    }

    /// False when it slows nobody down.
    #[must_use]
    pub fn bounded(&self) -> bool {
        self.per_second.load(Relaxed) != 0
    }

    /// Takes some that was used already, and says how long to wait for it.
    pub fn take(&self, units: u64) -> Duration {
        self.take_within(units, Duration::MAX).unwrap_or(Duration::MAX)
    }

    /// Takes some and says how long to wait for it, unless that is longer than `patience`: whoever gives up
    /// must not leave a debt for those after it.
    pub fn take_within(&self, units: u64, patience: Duration) -> Option<Duration> {
        let per_second = self.per_second.load(Relaxed);
        if per_second == 0 {
            return Some(Duration::ZERO);
        }
        self.take_at(nanos(), units, per_second, patience)
    }

    fn take_at(
        &self,
        now: u64,
        units: u64,
        per_second: u64,
        patience: Duration,
    ) -> Option<Duration> {
        let cost = u128::from(units) * u128::from(SECOND) / u128::from(per_second);
        let cost = u64::try_from(cost).unwrap_or(u64::MAX);
        let least = now.saturating_sub(BURST_NANOS);
        let pay = |paid: u64| paid.max(least).saturating_add(cost);
        let wait = |paid: u64| Duration::from_nanos(paid.saturating_sub(now));
        let take = |paid: u64| Some(pay(paid)).filter(|paid| wait(*paid) <= patience);
        self.paid_at.fetch_update(Relaxed, Relaxed, take).ok().map(|before| wait(pay(before)))
    }
}

/// Nanoseconds since the process first asked.
fn nanos() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(START.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_goes_through_and_then_it_slows_down() {
        let rate = Rate::default();
        let now = 10 * SECOND;
        // A hundred a second: a quarter of them at once.
        let take = |now, units| rate.take_at(now, units, 100, Duration::from_millis(30));
        let millis = |millis| Some(Duration::from_millis(millis));
        for _ in 0..25 {
            assert_eq!(take(now, 1), millis(0));
        }
        assert_eq!(take(now, 1), millis(10));
        assert_eq!(take(now, 2), millis(30));
        // What nobody waits for is not owed.
        assert_eq!(take(now, 1), None);
        // 30 ms later everything is paid, and nothing is saved up.
        assert_eq!(take(now + 30_000_000, 1), millis(10));
        assert_eq!(take(now + 10 * SECOND, 25), millis(0), "after a quiet while");
    }

    #[test]
    fn without_a_bound_it_is_free() {
        let rate = Rate::new(None);
        assert!(!rate.bounded());
        assert_eq!(rate.take(u64::MAX), Duration::ZERO);
        rate.set(Some(0));
        assert!(rate.bounded(), "the least there is");
    }
}
