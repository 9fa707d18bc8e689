//! One upload: a stream to a blob, within its bounds.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use object_store::{
    MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload, path::Path as Location,
};
use pingtalk_capabilities::{
    blobs::{BlobError, Bounds},
    calls::Body,
};

use crate::{
    backend::unavailable,
    content_type::{SNIFFED_BYTES, content_type},
};

/// What is held in memory before it is written. The smallest part S3 takes.
const PART_BYTES: usize = 5 * 1024 * 1024;

/// Stores a stream and returns its size and content type. On any error nothing is stored.
pub(crate) async fn upload(
    store: &dyn ObjectStore,
    path: &Location,
    content: Body,
    bounds: &Bounds,
) -> Result<(u64, &'static str), BlobError> {
    let mut source = Source { content, size: 0, max_size: bounds.max_size };
    let first = source.part().await?;
    let found = content_type(first.get(..SNIFFED_BYTES).unwrap_or(&first));
    if !bounds.accept.is_empty() && bounds.accept.iter().all(|accepted| accepted != found) {
        return Err(BlobError::Unacceptable(found.to_owned()));
    }
    if first.len() < PART_BYTES {
        let size = source.size;
        store.put(path, PutPayload::from_bytes(first)).await.map_err(unavailable)?;
        return Ok((size, found));
    }
    let mut parts = store.put_multipart(path).await.map_err(unavailable)?;
    match send(&mut *parts, first, &mut source).await {
        Ok(()) => Ok((source.size, found)),
        Err(error) => {
            // What is left if even this fails is removed at the next start.
            drop(parts.abort().await);
            Err(error)
        }
    }
}

async fn send(
    parts: &mut dyn MultipartUpload,
    first: Bytes,
    source: &mut Source,
) -> Result<(), BlobError> {
    let mut part = first;
    while !part.is_empty() {
        parts.put_part(PutPayload::from_bytes(part)).await.map_err(unavailable)?;
        part = source.part().await?;
    }
    parts.complete().await.map_err(unavailable)?;
    Ok(())
}

/// The stream, counted.
struct Source {
    content: Body,
    size: u64,
    max_size: u64,
}

impl Source {
    /// The next part: full-sized, or the rest. Empty at the end.
    async fn part(&mut self) -> Result<Bytes, BlobError> {
        let mut part = BytesMut::new();
        while part.len() < PART_BYTES {
            let Some(frame) = self.content.frame().await else { break };
            let frame = frame
                .map_err(|error| BlobError::Invalid(format!("the content ended early: {error}")))?;
            let Ok(data) = frame.into_data() else { continue };
            self.size = self.size.saturating_add(data.len().try_into().unwrap_or(u64::MAX));
            if self.size > self.max_size {
                return Err(BlobError::TooLarge);
            }
            part.extend_from_slice(&data);
        }
        Ok(part.freeze())
    }
}
