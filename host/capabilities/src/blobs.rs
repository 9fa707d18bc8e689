//! Blobs: `pingtalk:blobs/store` as a trait.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{TenantId, calls::Body};

/// Largest blob, in bytes.
pub const MAX_BLOB_BYTES: u64 = 32 * 1024 * 1024;
/// Longest name, in bytes.
pub const MAX_NAME_BYTES: usize = 200;

/// Why a blob call failed. Retryable: `Unavailable`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlobError {
    /// Not granted.
    #[error("not granted: {0}")]
    Denied(String),
    /// A bad name or bound.
    #[error("invalid: {0}")]
    Invalid(String),
    /// Over the bound; nothing was stored.
    #[error("too large")]
    TooLarge,
    /// Of no accepted type; nothing was stored. Says what was found.
    #[error("content type {0} is not accepted")]
    Unacceptable(String),
    /// No such blob.
    #[error("not found")]
    NotFound,
    /// Out of storage budget.
    #[error("storage quota exceeded")]
    QuotaExceeded,
    /// The store is away.
    #[error("unavailable: {0}")]
    Unavailable(String),
}

/// What is known of a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobInfo {
    /// Bytes.
    pub size: u64,
    /// By its bytes.
    pub content_type: String,
    /// For clients.
    pub url: String,
}

/// Bounds of a `put`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes.
    pub max_size: u64,
    /// Accepted content types; empty: any.
    pub accept: Vec<String>,
}

/// One tenant's blobs.
#[async_trait]
pub trait Blobs: Send + Sync {
    /// Stores a stream once it is complete. A body that errs stores nothing.
    /// A store that can't hold an empty blob refuses it as [`BlobError::Invalid`].
    async fn put(
        &self,
        container: &str,
        name: &str,
        content: Body,
        bounds: Bounds,
    ) -> Result<BlobInfo, BlobError>;

    /// A blob and its content.
    async fn get(&self, container: &str, name: &str) -> Result<(BlobInfo, Body), BlobError>;

    /// A blob without its content.
    async fn head(&self, container: &str, name: &str) -> Result<BlobInfo, BlobError>;

    /// Removes a blob.
    async fn delete(&self, container: &str, name: &str) -> Result<(), BlobError>;

    /// Bytes of all the tenant's blobs; none where the store can't tell. It may take a while where
    /// there are many.
    async fn stored_bytes(&self) -> Result<Option<u64>, BlobError>;
}

/// Opens tenants' blobs.
#[async_trait]
pub trait BlobsBackend: Send + Sync {
    /// Opens a tenant's blobs.
    async fn open(&self, tenant: &TenantId) -> Result<Arc<dyn Blobs>, BlobError>;
}

/// Checks a container's or blob's name: letters, digits, `-`, `_`, `.` and `/`, no empty or dot
/// segments, within [`MAX_NAME_BYTES`].
///
/// # Errors
/// [`BlobError::Invalid`] naming the rule.
pub fn check_name(name: &str) -> Result<(), BlobError> {
    let letters = |c: u8| c.is_ascii_alphanumeric() || b"-_./".contains(&c);
    let ok = !name.is_empty()
        && name.len() <= MAX_NAME_BYTES
        && name.bytes().all(letters)
        && name.split('/').all(|segment| !segment.is_empty() && segment != "." && segment != "..");
    if ok {
        Ok(())
    } else {
        Err(BlobError::Invalid(
            "a name is 1 to 200 of letters, digits, -, _, . and /, without empty or dot segments"
                .to_owned(),
        ))
    }
}
