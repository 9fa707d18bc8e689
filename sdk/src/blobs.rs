//! Blobs: files that clients fetch by URL.

#[cfg(target_family = "wasm")] // A trait object needs no import.
use crate::Host;
use crate::{Body, platform::ThisHost};

/// Why a blob call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlobError {
    /// The manifest does not grant this container.
    #[error("not granted: {0}")]
    Denied(String),
    /// A bad name or bound.
    #[error("invalid: {0}")]
    Invalid(String),
    /// Over the bound; nothing was stored.
    #[error("too large")]
    TooLarge,
    /// Of no accepted type; nothing was stored. The text names what was found.
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
    /// Found by looking at the bytes.
    pub content_type: String,
    /// Where a client can fetch it.
    pub url: String,
}

/// Bounds of a blob to store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes, at most 32 MiB.
    pub max_size: u64,
    /// Content types to accept; empty: any.
    pub accept: Vec<String>,
}

impl Bounds {
    /// Up to this many bytes of any type.
    #[must_use]
    pub fn up_to(max_size: u64) -> Self {
        Self { max_size, accept: Vec::new() }
    }

    /// Accepts this content type, besides those named before.
    #[must_use]
    pub fn accept(mut self, content_type: impl Into<String>) -> Self {
        self.accept.push(content_type.into());
        self
    }
}

/// The tenant's blobs.
#[derive(Clone, Copy)]
pub struct Blobs<'a> {
    host: &'a ThisHost,
}

impl<'a> Blobs<'a> {
    pub(crate) fn new(host: &'a ThisHost) -> Self {
        Self { host }
    }

    /// Stores bytes or a stream, replacing what had this name once it is complete.
    ///
    /// # Errors
    /// [`BlobError::TooLarge`] and [`BlobError::Unacceptable`] by the bounds.
    pub async fn put(
        self,
        container: &str,
        name: &str,
        content: impl Into<Body>,
        bounds: Bounds,
    ) -> Result<BlobInfo, BlobError> {
        self.host.blob_put(container, name, content.into(), bounds).await
    }

    /// A blob with its content. Its last piece is an error if it was cut short.
    ///
    /// # Errors
    /// [`BlobError::NotFound`], or those of the store.
    pub async fn get(self, container: &str, name: &str) -> Result<(BlobInfo, Body), BlobError> {
        self.host.blob_get(container, name).await
    }

    /// A blob without its content.
    ///
    /// # Errors
    /// [`BlobError::NotFound`], or those of the store.
    pub async fn head(self, container: &str, name: &str) -> Result<BlobInfo, BlobError> {
        self.host.blob_head(container, name).await
    }

    /// Removes a blob; an absent one is no error.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn delete(self, container: &str, name: &str) -> Result<(), BlobError> {
        self.host.blob_delete(container, name).await
    }
}
