//! The file backend: a folder per tenant.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use object_store::local::LocalFileSystem;
use pingtalk_capabilities::{
    TenantId,
    blobs::{BlobError, Blobs, BlobsBackend},
};
use tokio::sync::OnceCell;

use crate::{
    Config,
    error::classify,
    leftovers,
    limits::Limits,
    tenant::{TenantBlobs, Urls, folder},
};

/// A disk that takes longer is as good as gone.
const LIMITS: Limits = Limits { call: Duration::from_secs(30), least_upload_rate: 512 * 1024 };

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
        let folder = folder("", tenant);
        let (root, leftover) = (self.config.data_dir.clone(), self.config.data_dir.join(&folder));
        let files = tokio::task::spawn_blocking(move || open_folder(&root, &leftover))
            .await
            .map_err(|_| BlobError::Unavailable("the host is stopping".to_owned()))??;
        Ok(Arc::new(TenantBlobs {
            store: Arc::new(files),
            folder,
            urls: Urls::host(&self.config.public_url, tenant),
            // Files have names and contents only.
            labels: false,
            limits: LIMITS,
        }))
    }
}

/// Blocks. The store's root is the folder that holds all data, so that the store itself makes, and
/// syncs, the folders below it.
fn open_folder(root: &Path, leftover: &Path) -> Result<LocalFileSystem, BlobError> {
    std::fs::create_dir_all(root)
        .map_err(|error| BlobError::Unavailable(error.kind().to_string()))?;
    leftovers::remove(leftover);
    let files = LocalFileSystem::new_with_prefix(root).map_err(classify)?;
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
