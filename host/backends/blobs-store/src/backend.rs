//! The capability's traits over an object store.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use object_store::{ObjectStore, ObjectStoreExt, local::LocalFileSystem, path::Path as Location};
use pingtalk_capabilities::{
    TenantId,
    blobs::{BlobError, BlobInfo, Blobs, BlobsBackend, Bounds, MAX_BLOB_BYTES, check_name},
    calls::{Body, BodyError},
};
use tokio::sync::OnceCell;

use crate::{
    Config,
    content_type::{SNIFFED_BYTES, content_type},
    leftovers,
    upload::upload,
};

/// Blobs as files, in a folder per tenant.
pub struct FileBlobs {
    config: Config,
    /// Tenants opened before: their leftovers are gone, and uploads may be under way.
    tenants: Mutex<HashMap<TenantId, Arc<OnceCell<Arc<TenantBlobs>>>>>,
}

impl FileBlobs {
    /// A backend with these settings. Folders are made when tenants are opened.
    #[must_use]
    #[allow(clippy::new_ret_no_self)]
    pub fn new(config: Config) -> Arc<dyn BlobsBackend> {
        Arc::new(Self { config, tenants: Mutex::default() })
    }

    async fn prepare(&self, tenant: &TenantId) -> Result<Arc<TenantBlobs>, BlobError> {
        let folder = format!("tenants/{tenant}/blobs");
        let (root, leftover) = (self.config.data_dir.clone(), self.config.data_dir.join(&folder));
        let files = tokio::task::spawn_blocking(move || open_folder(&root, &leftover))
            .await
            .map_err(|_| BlobError::Unavailable("the host is stopping".to_owned()))??;
        let url = format!("{}/blobs/{tenant}", self.config.public_url);
        Ok(Arc::new(TenantBlobs { store: Arc::new(files), folder, url }))
    }
}

/// Blocks. The store's root is the folder that holds all data, so that the store itself makes, and
/// syncs, the folders below it.
fn open_folder(root: &Path, leftover: &Path) -> Result<LocalFileSystem, BlobError> {
    std::fs::create_dir_all(root)
        .map_err(|error| BlobError::Unavailable(error.kind().to_string()))?;
    leftovers::remove(leftover);
    let files = LocalFileSystem::new_with_prefix(root).map_err(unavailable)?;
    // An acknowledged blob survives a power cut, as it does in S3.
    Ok(files.with_fsync(true))
}

#[async_trait]
impl BlobsBackend for FileBlobs {
    async fn open(&self, tenant: &TenantId) -> Result<Arc<dyn Blobs>, BlobError> {
        let cell = {
            let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(tenants.entry(tenant.clone()).or_default())
        };
        let blobs = cell.get_or_try_init(|| self.prepare(tenant)).await?;
        Ok(Arc::clone(blobs) as Arc<dyn Blobs>)
    }
}

struct TenantBlobs {
    store: Arc<dyn ObjectStore>,
    /// Where this tenant's blobs lie in the store.
    folder: String,
    /// What URLs of this tenant start with.
    url: String,
}

impl TenantBlobs {
    /// Where a blob lies. Folders end in `+`, which no name contains, so that the blobs `a` and
    /// `a/b` don't get in each other's way.
    fn locate(&self, container: &str, name: &str) -> Result<Location, BlobError> {
        check_name(container)?;
        check_name(name)?;
        if container.contains('/') {
            return Err(BlobError::Invalid("a container's name has no /".to_owned()));
        }
        Location::parse(format!("{}/{container}/{}", self.folder, name.replace('/', "+/")))
            .map_err(|_| BlobError::Invalid("a name has no such segment".to_owned()))
    }

    fn info(&self, container: &str, name: &str, size: u64, content_type: &str) -> BlobInfo {
        BlobInfo {
            size,
            content_type: content_type.to_owned(),
            url: format!("{}/{container}/{name}", self.url),
        }
    }
}

#[async_trait]
impl Blobs for TenantBlobs {
    async fn put(
        &self,
        container: &str,
        name: &str,
        content: Body,
        bounds: Bounds,
    ) -> Result<BlobInfo, BlobError> {
        let path = self.locate(container, name)?;
        if bounds.max_size > MAX_BLOB_BYTES {
            return Err(BlobError::Invalid("a blob is at most 32 MiB".to_owned()));
        }
        let (size, found) = upload(&*self.store, &path, content, &bounds).await?;
        Ok(self.info(container, name, size, found))
    }

    async fn get(&self, container: &str, name: &str) -> Result<(BlobInfo, Body), BlobError> {
        let path = self.locate(container, name)?;
        let found = self.store.get(&path).await.map_err(unavailable)?;
        let size = found.meta.size;
        let mut rest = found.into_stream();
        let mut start = BytesMut::new();
        while start.len() < SNIFFED_BYTES {
            let Some(chunk) = rest.next().await else { break };
            start.extend_from_slice(&chunk.map_err(unavailable)?);
        }
        let info = self.info(container, name, size, content_type(&start));
        let rest = rest.map(|chunk| chunk.map_err(cut_short));
        let chunks = stream::iter([Ok(start.freeze())]).chain(rest);
        let body = StreamBody::new(chunks.map(|chunk: Result<Bytes, _>| chunk.map(Frame::data)));
        Ok((info, body.boxed_unsync()))
    }

    async fn head(&self, container: &str, name: &str) -> Result<BlobInfo, BlobError> {
        let path = self.locate(container, name)?;
        let size = self.store.head(&path).await.map_err(unavailable)?.size;
        // There is no empty range.
        let start = if size == 0 {
            Bytes::new()
        } else {
            let sniffed = u64::try_from(SNIFFED_BYTES).unwrap_or(u64::MAX);
            self.store.get_range(&path, 0..size.min(sniffed)).await.map_err(unavailable)?
        };
        Ok(self.info(container, name, size, content_type(&start)))
    }

    async fn delete(&self, container: &str, name: &str) -> Result<(), BlobError> {
        let path = self.locate(container, name)?;
        match self.store.delete(&path).await.map_err(unavailable) {
            Err(BlobError::NotFound) => Ok(()),
            result => result,
        }
    }
}

/// A store's error as a caller may see it: without the paths in its text.
pub(crate) fn unavailable(error: object_store::Error) -> BlobError {
    match error {
        object_store::Error::NotFound { .. } => BlobError::NotFound,
        _ => BlobError::Unavailable("the blob store failed".to_owned()),
    }
}

fn cut_short(_: object_store::Error) -> BodyError {
    BodyError::Aborted(Arc::from("the blob store failed"))
}
