//! Where blobs lie and where clients fetch them.

use std::path::PathBuf;

/// Settings of [`crate::FileBlobs`].
#[derive(Debug, Clone)]
pub struct Config {
    /// A tenant's blobs are files below `data_dir/tenants/<tenant>/blobs`.
    pub data_dir: PathBuf,
    /// What clients reach this host under, such as `https://chat.example.com`. A blob's URL is
    /// `<public_url>/blobs/<tenant>/<container>/<name>`. Empty: a path on the same host.
    pub public_url: String,
}

impl Config {
    /// Blobs in this folder, fetched from this address.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>, public_url: &str) -> Self {
        Self { data_dir: data_dir.into(), public_url: public_url.trim_end_matches('/').to_owned() }
    }
}
