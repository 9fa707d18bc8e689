//! What one tenant may use on this host in all: over its components, releases, instances and cores.
//!
//! What comes at a rate is slowed down when there is too much of it, so that a tenant that wants
//! more waits for itself and nobody waits for it. Memory is refused.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use crate::clock;

const SECOND: u64 = 1_000_000_000;
/// How much of a second's amount may be used at once after a quiet while, as time.
const BURST_NANOS: u64 = SECOND / 4;

/// How long after its last excess a tenant counts as straining the host.
const STRAIN_MILLIS: u64 = 10_000;

/// The bounds of a [`Quota`]. None: unbounded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QuotaLimits {
    /// CPU time of guest code a second; a second is one core.
    pub cpu: Option<Duration>,
    /// Linear memory of all instances together, in bytes.
    pub memory_bytes: Option<u64>,
    /// Calls of the host's capabilities a second.
    pub host_calls: Option<u32>,
    /// Outbound requests a second.
    pub outbound: Option<u32>,
    /// Events published a second.
    pub events: Option<u32>,
}

/// A tenant's account. Its bounds can be changed at any time.
#[derive(Debug, Default)]
pub struct Quota {
    /// In nanoseconds of CPU time.
    pub(crate) cpu: Rate,
    pub(crate) host_calls: Rate,
    pub(crate) outbound: Rate,
    pub(crate) events: Rate,
    pub(crate) memory: Amount,
    /// Until when it counts as straining the host, in milliseconds of [`clock`].
    strains_until: AtomicU64,
}

impl Quota {
    /// An account with these bounds.
    #[must_use]
    pub fn new(limits: &QuotaLimits) -> Self {
        let quota = Self::default();
        quota.set(limits);
        quota
    }

    /// Other bounds from now on.
    pub fn set(&self, limits: &QuotaLimits) {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.cpu.set(limits.cpu.map(nanos));
        self.host_calls.set(limits.host_calls.map(u64::from));
        self.outbound.set(limits.outbound.map(u64::from));
        self.events.set(limits.events.map(u64::from));
        self.memory.set(limits.memory_bytes);
    }

    /// Notes that the tenant used up its CPU time, or that an instance of it had to be ended. Without a
    /// bound on its CPU time there is nobody to protect from it.
    pub(crate) fn strain(&self) {
        if self.cpu.bounded() {
            self.strains_until.store(clock::now() + STRAIN_MILLIS, Relaxed);
        }
    }

    /// True for a while after the tenant used more than is good for its neighbours: its calls are
    /// served by threads of a lower priority then.
    #[must_use]
    pub fn strains(&self) -> bool {
        let until = self.strains_until.load(Relaxed);
        until != 0 && until > clock::now()
    }

    /// Linear memory in use, in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        self.memory.used.load(Relaxed)
    }
}

/// Units a second, kept as the moment at which everything taken so far is paid for (the generic
/// cell rate algorithm).
#[derive(Debug, Default)]
pub(crate) struct Rate {
    /// 0: unbounded.
    per_second: AtomicU64,
    /// Nanoseconds since the process started.
    paid_at: AtomicU64,
}

impl Rate {
    fn set(&self, per_second: Option<u64>) {
        // A rate of nothing would never be paid: the least there is stands for it.
        self.per_second.store(per_second.map_or(0, |units| units.max(1)), Relaxed);
    }

    fn bounded(&self) -> bool {
        self.per_second.load(Relaxed) != 0
    }

    /// Takes some, and says how long to wait for it.
    pub(crate) fn take(&self, units: u64) -> Duration {
        let per_second = self.per_second.load(Relaxed);
        if per_second == 0 {
            return Duration::ZERO;
        }
        self.take_at(clock::nanos(), units, per_second)
    }

    fn take_at(&self, now: u64, units: u64, per_second: u64) -> Duration {
        let cost = u128::from(units) * u128::from(SECOND) / u128::from(per_second);
        let cost = u64::try_from(cost).unwrap_or(u64::MAX);
        let least = now.saturating_sub(BURST_NANOS);
        let pay = |paid: u64| paid.max(least).saturating_add(cost);
        let before = self.paid_at.fetch_update(Relaxed, Relaxed, |paid| Some(pay(paid)));
        let paid_at = before.map_or(0, pay);
        Duration::from_nanos(paid_at.saturating_sub(now))
    }
}

/// Something of which there is so much at once.
#[derive(Debug, Default)]
pub(crate) struct Amount {
    /// 0: unbounded.
    limit: AtomicU64,
    used: AtomicU64,
}

impl Amount {
    fn set(&self, limit: Option<u64>) {
        self.limit.store(limit.map_or(0, |limit| limit.max(1)), Relaxed);
    }

    pub(crate) fn limit(&self) -> u64 {
        self.limit.load(Relaxed)
    }

    /// Takes some. False when there is not so much left.
    pub(crate) fn take(&self, amount: u64) -> bool {
        let limit = self.limit();
        let took = self.used.fetch_update(Relaxed, Relaxed, |used| {
            let total = used.saturating_add(amount);
            (limit == 0 || total <= limit).then_some(total)
        });
        took.is_ok()
    }

    pub(crate) fn give_back(&self, amount: u64) {
        self.used.fetch_sub(amount, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_lets_a_burst_through_and_then_slows_down() {
        let rate = Rate::default();
        let now = 10 * SECOND;
        // A hundred a second: a quarter of them at once.
        for _ in 0..25 {
            assert_eq!(rate.take_at(now, 1, 100), Duration::ZERO);
        }
        assert_eq!(rate.take_at(now, 1, 100), Duration::from_millis(10));
        assert_eq!(rate.take_at(now, 2, 100), Duration::from_millis(30));
        // 30 ms later everything is paid, and nothing is saved up.
        assert_eq!(rate.take_at(now + 30_000_000, 1, 100), Duration::from_millis(10));
        assert_eq!(rate.take_at(now + 10 * SECOND, 25, 100), Duration::ZERO, "after a quiet while");
    }

    #[test]
    fn what_is_unbounded_is_free_until_it_is_bounded() {
        let quota = Quota::default();
        assert_eq!(quota.cpu.take(u64::MAX), Duration::ZERO);
        assert!(quota.memory.take(1 << 40));
        quota.memory.give_back(1 << 40);
        quota.set(&QuotaLimits { memory_bytes: Some(10), ..QuotaLimits::default() });
        assert!(quota.memory.take(6) && !quota.memory.take(5) && quota.memory.take(4));
        assert_eq!(quota.memory_bytes(), 10);
        quota.memory.give_back(10);
        assert_eq!(quota.memory_bytes(), 0);
    }
}
