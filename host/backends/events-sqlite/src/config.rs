//! Where the queues lie and how much they may take.

use std::path::PathBuf;

/// Settings of [`crate::SqliteEvents`].
#[derive(Debug, Clone)]
pub struct Config {
    /// Each tenant's database is `data_dir/tenants/<tenant>/events.sqlite`.
    pub data_dir: PathBuf,
    /// Operations of a tenant that may wait for the writer; more are refused as unavailable.
    /// Default: 1,024.
    pub max_waiting: usize,
    /// A tenant's greatest database, in bytes; beyond it publishing is unavailable, and events stay
    /// in the outbox. Default: 8 GiB.
    pub max_bytes: u64,
}

impl Config {
    /// The defaults, in this folder.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self { data_dir: data_dir.into(), max_waiting: 1_024, max_bytes: 8 * 1024 * 1024 * 1024 }
    }
}
