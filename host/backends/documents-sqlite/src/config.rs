//! Where the documents lie and how much they may take.

use std::path::PathBuf;

/// Settings of [`crate::SqliteDocuments`].
#[derive(Debug, Clone)]
pub struct Config {
    /// Each tenant's database is `data_dir/tenants/<tenant>/documents.sqlite`.
    pub data_dir: PathBuf,
    /// Reader threads of a tenant. Default: 2.
    pub readers: usize,
    /// Operations of a tenant that may wait for the writer, and again for the readers; more are
    /// refused as unavailable. Default: 1,024.
    pub max_waiting: usize,
    /// A tenant's greatest database, in bytes; writes beyond it are refused as unavailable. The
    /// last resort below the tenant's own storage budget. Default: 64 GiB.
    pub max_bytes: u64,
    /// Page cache of each connection, in KiB. Default: 4,096 (4 MiB);
    /// the system keeps more of the file in memory anyway.
    pub cache_kib: u32,
}

impl Config {
    /// The defaults, in this folder.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            readers: 2,
            max_waiting: 1_024,
            max_bytes: 64 * 1024 * 1024 * 1024,
            cache_kib: 4 * 1024,
        }
    }
}
