//! The capability's traits over an account.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use pingtalk_capabilities::{
    TenantId,
    blobs::{BlobError, BlobInfo, Blobs, BlobsBackend, Bounds, MAX_BLOB_BYTES},
    calls::Body,
};
use tokio::sync::Semaphore;

use crate::{
    api::Api,
    config::{Config, ConfigError},
    content_type::{SNIFFED_BYTES, content_type},
    delivery::Delivery,
    error::{Failure, unavailable},
    place::{Asset, Places},
};

/// Blobs as assets of an account.
pub struct CloudinaryBlobs {
    shared: Arc<Shared>,
}

struct Shared {
    api: Api,
    /// Each permit is a blob that may be in memory.
    uploads: Semaphore,
}

impl CloudinaryBlobs {
    /// A backend with these settings. Asks nothing of the service yet.
    ///
    /// # Errors
    /// When the settings can't be right.
    #[allow(clippy::new_ret_no_self)]
    pub fn new(config: Config) -> Result<Arc<dyn BlobsBackend>, ConfigError> {
        let uploads = Semaphore::new(config.concurrent_uploads.clamp(1, Semaphore::MAX_PERMITS));
        Ok(Arc::new(Self { shared: Arc::new(Shared { api: Api::new(config)?, uploads }) }))
    }
}

#[async_trait]
impl BlobsBackend for CloudinaryBlobs {
    async fn open(&self, tenant: &TenantId) -> Result<Arc<dyn Blobs>, BlobError> {
        Ok(Arc::new(TenantBlobs { shared: Arc::clone(&self.shared), tenant: tenant.clone() }))
    }
}

struct TenantBlobs {
    shared: Arc<Shared>,
    tenant: TenantId,
}

impl TenantBlobs {
    fn places(&self, container: &str, name: &str) -> Result<Places, BlobError> {
        Places::of(&self.shared.api.config.folder, &self.tenant, container, name)
    }

    fn info(&self, asset: &Asset, size: u64, content_type: &str) -> BlobInfo {
        let url = asset.url(&self.shared.api.config);
        BlobInfo { size, content_type: content_type.to_owned(), url }
    }

    /// Stores a blob in one of its places, and sees to it that it is found there.
    async fn store(&self, places: Places, content: Bytes, found: &str) -> Result<Asset, BlobError> {
        let api = &self.shared.api;
        let Some(picture) = places.picture else {
            return match api.upload(&places.raw, content).await {
                Ok(()) => Ok(places.raw),
                Err(Failure::Blob(error)) => Err(error),
                Err(Failure::NotAPicture) => Err(unavailable("Cloudinary takes it for a picture")),
            };
        };
        if picture.content_type == found {
            match api.upload(&picture.asset, content.clone()).await {
                // An older raw asset of this name is out of sight now: readers look here first.
                Ok(()) => return Ok(picture.asset),
                Err(Failure::Blob(error)) => return Err(error),
                // It only starts like one. It is a blob all the same.
                Err(Failure::NotAPicture) => {}
            }
        }
        match api.upload(&places.raw, content).await {
            Ok(()) => {}
            Err(Failure::Blob(error)) => return Err(error),
            Err(Failure::NotAPicture) => {
                return Err(unavailable("Cloudinary takes it for a picture"));
            }
        }
        // An older picture of this name would hide the new blob.
        api.destroy(&picture.asset).await?;
        Ok(places.raw)
    }

    /// Looks in a blob's places, in order.
    async fn find(&self, places: Places, start_only: bool) -> Result<(Asset, Delivery), BlobError> {
        let api = &self.shared.api;
        let candidates = places.picture.map(|picture| picture.asset).into_iter();
        for asset in candidates.chain([places.raw]) {
            let delivery =
                if start_only { api.glance(&asset).await } else { api.fetch(&asset).await };
            match delivery {
                Err(BlobError::NotFound) => {}
                Err(error) => return Err(error),
                Ok(delivery) => return Ok((asset, delivery)),
            }
        }
        Err(BlobError::NotFound)
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
        let places = self.places(container, name)?;
        if bounds.max_size > MAX_BLOB_BYTES {
            return Err(BlobError::Invalid("a blob is at most 32 MiB".to_owned()));
        }
        let _held = self.shared.uploads.acquire().await.map_err(|_| unavailable("closed"))?;
        let content = collect(content, bounds.max_size).await?;
        let found = content_type(content.get(..SNIFFED_BYTES).unwrap_or(&content));
        if !bounds.accept.is_empty() && bounds.accept.iter().all(|accepted| accepted != found) {
            return Err(BlobError::Unacceptable(found.to_owned()));
        }
        if content.is_empty() {
            return Err(BlobError::Invalid("Cloudinary keeps no empty blobs".to_owned()));
        }
        let size = u64::try_from(content.len()).unwrap_or(u64::MAX);
        let asset = self.store(places, content, found).await?;
        Ok(self.info(&asset, size, found))
    }

    async fn get(&self, container: &str, name: &str) -> Result<(BlobInfo, Body), BlobError> {
        let (asset, delivery) = self.find(self.places(container, name)?, false).await?;
        let info = self.info(&asset, delivery.size, content_type(&delivery.start));
        let frames = delivery.content().map(|chunk| chunk.map(Frame::data));
        Ok((info, StreamBody::new(frames).boxed_unsync()))
    }

    async fn head(&self, container: &str, name: &str) -> Result<BlobInfo, BlobError> {
        let (asset, delivery) = self.find(self.places(container, name)?, true).await?;
        Ok(self.info(&asset, delivery.size, content_type(&delivery.start)))
    }

    async fn delete(&self, container: &str, name: &str) -> Result<(), BlobError> {
        let places = self.places(container, name)?;
        // In this order, for a picture hides a raw asset: the other way round, a failure between the
        // two would bring back what was replaced long ago.
        self.shared.api.destroy(&places.raw).await?;
        if let Some(picture) = places.picture {
            self.shared.api.destroy(&picture.asset).await?;
        }
        Ok(())
    }

    async fn stored_bytes(&self) -> Result<Option<u64>, BlobError> {
        // Only the account's Admin API would know, within 500 calls an hour for everything.
        Ok(None)
    }
}

/// Reads a whole stream, within its bound.
async fn collect(mut content: Body, max_size: u64) -> Result<Bytes, BlobError> {
    let max_size = usize::try_from(max_size).unwrap_or(usize::MAX);
    let mut read = BytesMut::new();
    while let Some(frame) = content.frame().await {
        let frame = frame
            .map_err(|error| BlobError::Invalid(format!("the content ended early: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        if read.len().saturating_add(data.len()) > max_size {
            return Err(BlobError::TooLarge);
        }
        read.extend_from_slice(&data);
    }
    Ok(read.freeze())
}
