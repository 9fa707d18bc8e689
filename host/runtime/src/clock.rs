//! Time as a number of milliseconds since the process started, so that deadlines fit an atomic.

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

static START: OnceLock<Instant> = OnceLock::new();

fn start() -> Instant {
    *START.get_or_init(Instant::now)
}

/// Milliseconds since the start; moments before it are 0.
pub(crate) fn millis(at: Instant) -> u64 {
    u64::try_from(at.saturating_duration_since(start()).as_millis()).unwrap_or(u64::MAX)
}

/// Milliseconds from the start until now.
pub(crate) fn now() -> u64 {
    millis(Instant::now())
}

/// The moment so many milliseconds after the start.
pub(crate) fn instant(millis: u64) -> Instant {
    let start = start();
    // A century is as good as never, and can be added to any moment.
    start
        .checked_add(Duration::from_millis(millis))
        .unwrap_or_else(|| start + Duration::from_secs(100 * 365 * 24 * 60 * 60))
}
