//! How much one component may use. Every bound is on by default; exceeding one ends that call or
//! that instance with a clear error.

use std::{sync::Arc, time::Duration};

use crate::quota::Quota;

/// The bounds of one [`crate::Instances`].
#[derive(Debug, Clone)]
pub struct Limits {
    /// Linear memory of one instance in bytes, summed over its memories.
    pub memory_bytes: usize,
    /// Table elements of one instance, summed over its tables.
    pub table_elements: usize,
    /// From the enqueueing of a call to its answer. A response's body may stream on for as long
    /// again. A caller's earlier deadline wins.
    pub wall_time: Duration,
    /// How long guest code may run without giving way to anything else: the CPU time that one
    /// call can take in one piece. Checked every few milliseconds.
    pub cpu_time: Duration,
    /// Calls at once in one instance. WASI 0.2 components always run one at a time.
    pub concurrency: usize,
    /// Instances on one core.
    pub instances: usize,
    /// Calls that wait on one core for an instance; one more is refused as overloaded.
    pub waiting: usize,
    /// Calls before an instance is replaced by a fresh one.
    pub reuse: u32,
    /// How long an instance may idle. One a core is kept warm, if it has not grown large.
    pub idle: Duration,
    /// Bytes (roughly) that one call across the component boundary may copy into the host. Must
    /// leave room for a document of 16 MiB.
    pub hostcall_bytes: usize,
    /// Resources and streams that an instance may hold at once.
    pub handles: usize,
    /// Most bytes of one `wasi:random` call.
    pub random_bytes: u64,
    /// Most bytes of one set of headers (in memory), and of a response's headers.
    pub header_bytes: usize,
    /// What its tenant may use in all.
    pub quota: Arc<Quota>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 64 * 1024 * 1024,
            table_elements: 100_000,
            wall_time: Duration::from_secs(30),
            cpu_time: Duration::from_secs(5),
            concurrency: 64,
            instances: 8,
            waiting: 1_024,
            reuse: 10_000,
            idle: Duration::from_secs(10),
            hostcall_bytes: 24 * 1024 * 1024,
            handles: 10_000,
            random_bytes: 1024 * 1024,
            header_bytes: 64 * 1024,
            quota: Arc::default(),
        }
    }
}
