//! Figures that only grow. Each core has its own, so that they stay in its cache.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use crate::instances::Stats;

/// One core's counters; [`Stats`] tells what each counts.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) calls: AtomicU64,
    pub(crate) overloaded: AtomicU64,
    pub(crate) deadline_exceeded: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) lost: AtomicU64,
    pub(crate) retried: AtomicU64,
    pub(crate) moved: AtomicU64,
    pub(crate) started: AtomicU64,
    pub(crate) killed: AtomicU64,
    pub(crate) host_calls: AtomicU64,
    /// In nanoseconds.
    pub(crate) throttled: AtomicU64,
    /// CPU time of instances that are gone, in nanoseconds.
    pub(crate) busy: AtomicU64,
}

/// Adds to a counter.
pub(crate) fn count(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}

impl Counters {
    /// Adds them up with those of other cores.
    pub(crate) fn add_to(&self, stats: &mut Stats) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        stats.calls += read(&self.calls);
        stats.overloaded += read(&self.overloaded);
        stats.deadline_exceeded += read(&self.deadline_exceeded);
        stats.failed += read(&self.failed);
        stats.lost += read(&self.lost);
        stats.retried += read(&self.retried);
        stats.moved += read(&self.moved);
        stats.started += read(&self.started);
        stats.killed += read(&self.killed);
        stats.host_calls += read(&self.host_calls);
        stats.throttled += Duration::from_nanos(read(&self.throttled));
        stats.busy += Duration::from_nanos(read(&self.busy));
    }
}
