//! What one tenant may use on this host in all: over its components, releases, instances and cores.
//!
//! What comes at a rate is slowed down when there is too much of it, so that a tenant that wants
//! more waits for itself and nobody waits for it. Memory is refused.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use pingtalk_capabilities::rate::Rate;

use crate::clock;

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
