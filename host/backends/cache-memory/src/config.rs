//! How much a tenant's cache may hold.

/// Settings of [`crate::MemoryCache`].
#[derive(Debug, Clone)]
pub struct Config {
    /// A tenant's keys and values, in bytes; beyond it the least useful go. Default: 64 MiB.
    pub max_bytes: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { max_bytes: 64 * 1024 * 1024 }
    }
}
