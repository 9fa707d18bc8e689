//! One tenant's blobs in an object store, whichever it is.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use object_store::{
    Error, GetOptions, GetRange, ObjectStore, ObjectStoreExt, path::Path as Location,
};
use pingtalk_capabilities::{
    TenantId,
    blobs::{BlobError, BlobInfo, Blobs, Bounds, MAX_BLOB_BYTES, check_name},
    calls::Body,
};

use crate::{
    content_type::{SNIFFED_BYTES, content_type},
    error::classify_write,
    limits::{Limits, rest_of, within},
    upload::{Target, upload},
};

/// Where a tenant's blobs lie, below a prefix that may be empty.
pub(crate) fn folder(prefix: &str, tenant: &TenantId) -> String {
    let separator = if prefix.is_empty() { "" } else { "/" };
    format!("{prefix}{separator}tenants/{tenant}/blobs")
}

/// Where clients fetch a tenant's blobs.
pub(crate) enum Urls {
    /// From this host, below this.
    Host(String),
    /// From the bucket, which is readable below this.
    Bucket(String),
}

impl Urls {
    pub(crate) fn host(public_url: &str, tenant: &TenantId) -> Self {
        Self::Host(format!("{}/blobs/{tenant}", public_url.trim_end_matches('/')))
    }
}

/// A tenant's part of a store.
pub(crate) struct TenantBlobs {
    pub(crate) store: Arc<dyn ObjectStore>,
    /// Where this tenant's blobs lie in the store.
    pub(crate) folder: String,
    pub(crate) urls: Urls,
    /// Whether the store keeps a content type with an object, for readers who come past us.
    pub(crate) labels: bool,
    pub(crate) limits: Limits,
}

impl TenantBlobs {
    /// Where a blob lies. Folders end in `+`, which no name contains, so that the blobs `a` and
    /// `a/b` don't get in each other's way: in a file system they would, and in some S3 services.
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
        let url = match &self.urls {
            Urls::Host(start) => format!("{start}/{container}/{name}"),
            // A bare plus is a space to some.
            Urls::Bucket(start) => {
                let name = name.replace('/', "%2B/");
                format!("{start}/{}/{container}/{name}", self.folder)
            }
        };
        BlobInfo { size, content_type: content_type.to_owned(), url }
    }

    /// A blob's size and first bytes.
    async fn glance(&self, path: &Location) -> object_store::Result<(u64, Bytes)> {
        let sniffed = u64::try_from(SNIFFED_BYTES).unwrap_or(u64::MAX);
        let start = GetOptions { range: Some(GetRange::Bounded(0..sniffed)), ..Default::default() };
        match self.store.get_opts(path, start).await {
            Ok(found) => Ok((found.meta.size, found.bytes().await?)),
            // There is no empty range, so an empty blob is an error at first.
            Err(error @ Error::Generic { .. }) => match self.store.head(path).await {
                Ok(meta) if meta.size == 0 => Ok((0, Bytes::new())),
                _ => Err(error),
            },
            Err(error) => Err(error),
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
        let target = Target { store: &*self.store, path, labels: self.labels, limits: self.limits };
        let (size, found) = upload(&target, content, &bounds).await.map_err(classify_write)?;
        Ok(self.info(container, name, size, found))
    }

    async fn get(&self, container: &str, name: &str) -> Result<(BlobInfo, Body), BlobError> {
        let path = self.locate(container, name)?;
        let found = within(self.limits.call, self.store.get(&path)).await?;
        let size = found.meta.size;
        let mut rest = found.into_stream();
        let mut start = BytesMut::new();
        while start.len() < SNIFFED_BYTES {
            let next = async { rest.next().await.transpose() };
            let Some(chunk) = within(self.limits.call, next).await? else { break };
            start.extend_from_slice(&chunk);
        }
        let info = self.info(container, name, size, content_type(&start));
        let chunks = stream::iter([Ok(start.freeze())]).chain(rest_of(rest, self.limits.call));
        let body = StreamBody::new(chunks.map(|chunk| chunk.map(Frame::data)));
        Ok((info, body.boxed_unsync()))
    }

    async fn head(&self, container: &str, name: &str) -> Result<BlobInfo, BlobError> {
        let path = self.locate(container, name)?;
        let (size, start) = within(self.limits.call, self.glance(&path)).await?;
        Ok(self.info(container, name, size, content_type(&start)))
    }

    async fn delete(&self, container: &str, name: &str) -> Result<(), BlobError> {
        let path = self.locate(container, name)?;
        match within(self.limits.call, self.store.delete(&path)).await {
            Err(BlobError::NotFound) => Ok(()),
            result => result,
        }
    }

    async fn stored_bytes(&self) -> Result<Option<u64>, BlobError> {
        let folder = Location::parse(&self.folder)
            .map_err(|_| BlobError::Unavailable("its own folder has no such name".to_owned()))?;
        let mut blobs = self.store.list(Some(&folder));
        let mut bytes = 0;
        loop {
            let next = async { blobs.next().await.transpose() };
            match within(self.limits.call, next).await? {
                Some(blob) => bytes += blob.size,
                None => return Ok(Some(bytes)),
            }
        }
    }
}
