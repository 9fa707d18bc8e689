//! Counters of the gateway, for whoever reports them. They only grow, but for the two gauges.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use http::StatusCode;

use crate::connection::Link;

/// The gateway's own figures, shared by all cores.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Connections open now, upgraded ones included.
    pub connections: AtomicU64,
    /// Requests whose response has not ended.
    pub in_flight: AtomicU64,
    /// Connections accepted.
    pub accepted: AtomicU64,
    /// Connections refused at the bound.
    pub refused: AtomicU64,
    /// Failures of `accept`.
    pub accept_errors: AtomicU64,
    /// Requests that reached no route: refused before, or not found.
    pub unrouted: AtomicU64,
    /// Requests over a rate limit.
    pub rate_limited: AtomicU64,
    /// Requests that only this host's own rate limit judged, because the shared one was away.
    pub limited_alone: AtomicU64,
    /// Connections ended because a head or the client's reading took too long.
    pub overdue: AtomicU64,
}

/// One moment's [`Metrics`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// See [`Metrics::connections`].
    pub connections: u64,
    /// See [`Metrics::in_flight`].
    pub in_flight: u64,
    /// See [`Metrics::accepted`].
    pub accepted: u64,
    /// See [`Metrics::refused`].
    pub refused: u64,
    /// See [`Metrics::accept_errors`].
    pub accept_errors: u64,
    /// See [`Metrics::unrouted`].
    pub unrouted: u64,
    /// See [`Metrics::rate_limited`].
    pub rate_limited: u64,
    /// See [`Metrics::limited_alone`].
    pub limited_alone: u64,
    /// See [`Metrics::overdue`].
    pub overdue: u64,
}

impl Metrics {
    /// Reads all of them.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            connections: self.connections.load(Relaxed),
            in_flight: self.in_flight.load(Relaxed),
            accepted: self.accepted.load(Relaxed),
            refused: self.refused.load(Relaxed),
            accept_errors: self.accept_errors.load(Relaxed),
            unrouted: self.unrouted.load(Relaxed),
            rate_limited: self.rate_limited.load(Relaxed),
            limited_alone: self.limited_alone.load(Relaxed),
            overdue: self.overdue.load(Relaxed),
        }
    }

    pub(crate) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Relaxed);
    }
}

/// Upper bounds of the latency histogram's buckets, in microseconds. One more bucket holds what is
/// above the last.
pub const LATENCY_BOUNDS: [u64; 14] = [
    250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 10_000_000,
];

/// One route's figures.
#[derive(Debug, Default)]
pub struct RouteMetrics {
    /// Responses by class: 1xx, 2xx, 3xx, 4xx, 5xx.
    pub statuses: [AtomicU64; 5],
    /// Time to the response's head, summed, in microseconds.
    pub microseconds: AtomicU64,
    /// Responses by time to their head, see [`LATENCY_BOUNDS`].
    pub latency: [AtomicU64; LATENCY_BOUNDS.len() + 1],
}

impl RouteMetrics {
    pub(crate) fn record(&self, status: StatusCode, took: Duration) {
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        if let Some(counter) = self.statuses.get(class) {
            counter.fetch_add(1, Relaxed);
        }
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.microseconds.fetch_add(took, Relaxed);
        let bucket = LATENCY_BOUNDS.partition_point(|bound| *bound < took);
        if let Some(counter) = self.latency.get(bucket) {
            counter.fetch_add(1, Relaxed);
        }
    }

    /// Requests answered.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.statuses.iter().map(|counter| counter.load(Relaxed)).sum()
    }
}

/// One request, from its head to its response's last byte or its connection's end.
pub(crate) struct InFlight(Arc<Link>);

impl InFlight {
    pub(crate) fn new(link: Arc<Link>) -> Self {
        link.gateway.metrics.in_flight.fetch_add(1, Relaxed);
        link.in_flight.fetch_add(1, Relaxed);
        Self(link)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.gateway.metrics.in_flight.fetch_sub(1, Relaxed);
        self.0.in_flight.fetch_sub(1, Relaxed);
        self.0.phase.handed_over();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_counts_in_the_first_bucket_that_holds_it() {
        let metrics = RouteMetrics::default();
        for micros in [0, 250, 251, 10_000_000, 10_000_001] {
            metrics.record(StatusCode::OK, Duration::from_micros(micros));
        }
        let buckets: Vec<u64> = metrics.latency.iter().map(|bucket| bucket.load(Relaxed)).collect();
        assert_eq!(buckets, [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
        assert_eq!(metrics.requests(), 5);
    }
}
