//! What the process uses.

use std::time::Duration;

/// Resident memory, in bytes; 0 where the system does not say.
pub(super) fn memory_bytes() -> u64 {
    // The second number is the resident pages (proc(5)).
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    let page = u64::try_from(rustix::param::page_size()).unwrap_or(0);
    pages.unwrap_or(0).saturating_mul(page)
}

/// CPU time of all threads so far.
pub(super) fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let (seconds, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.unwrap_or(0), nanos.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_process_uses_something() {
        assert!(super::memory_bytes() > 1024 * 1024 || !cfg!(target_os = "linux"));
        assert!(!super::cpu_time().is_zero());
    }
}
