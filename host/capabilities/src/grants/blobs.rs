//! Which containers a component may use.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{
    blobs::{BlobError, BlobInfo, Blobs, Bounds},
    calls::Body,
};

/// Blobs as one component may use them.
pub struct GrantedBlobs {
    inner: Arc<dyn Blobs>,
    containers: Vec<String>,
}

impl GrantedBlobs {
    /// Puts a list of containers in front of a tenant's blobs.
    #[must_use]
    pub fn new(inner: Arc<dyn Blobs>, containers: Vec<String>) -> Self {
        Self { inner, containers }
    }

    fn check(&self, container: &str) -> Result<(), BlobError> {
        if self.containers.iter().any(|granted| granted == container) {
            Ok(())
        } else {
            Err(BlobError::Denied(format!("container {container}")))
        }
    }
}

#[async_trait]
impl Blobs for GrantedBlobs {
    async fn put(
        &self,
        container: &str,
        name: &str,
        content: Body,
        bounds: Bounds,
    ) -> Result<BlobInfo, BlobError> {
        self.check(container)?;
        self.inner.put(container, name, content, bounds).await
    }

    async fn get(&self, container: &str, name: &str) -> Result<(BlobInfo, Body), BlobError> {
        self.check(container)?;
        self.inner.get(container, name).await
    }

    async fn head(&self, container: &str, name: &str) -> Result<BlobInfo, BlobError> {
        self.check(container)?;
        self.inner.head(container, name).await
    }

    async fn delete(&self, container: &str, name: &str) -> Result<(), BlobError> {
        self.check(container)?;
        self.inner.delete(container, name).await
    }

    async fn stored_bytes(&self) -> Result<Option<u64>, BlobError> {
        self.inner.stored_bytes().await
    }
}
