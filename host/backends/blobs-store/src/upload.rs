//! One upload: a stream to a blob, within its bounds.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use object_store::{
    Attribute, Attributes, MultipartUpload, ObjectStore, PutMultipartOptions, PutOptions,
    PutPayload, path::Path as Location,
};
use pingtalk_capabilities::{
    blobs::{BlobError, Bounds},
    calls::Body,
};
use tokio::{runtime::Handle, time::timeout};

use crate::{
    content_type::{SNIFFED_BYTES, content_type, is_picture},
    limits::{Limits, within},
};

/// What is held in memory before it is written. The smallest part S3 takes.
pub(crate) const PART_BYTES: usize = 5 * 1024 * 1024;

/// Where an upload goes.
pub(crate) struct Target<'a> {
    pub(crate) store: &'a dyn ObjectStore,
    pub(crate) path: Location,
    /// Whether the store keeps a content type.
    pub(crate) labels: bool,
    pub(crate) limits: Limits,
}

/// Stores a stream and returns its size and content type. On any error nothing is stored.
pub(crate) async fn upload(
    target: &Target<'_>,
    content: Body,
    bounds: &Bounds,
) -> Result<(u64, &'static str), BlobError> {
    let mut source = Source { content, read: BytesMut::new(), size: 0, max_size: bounds.max_size };
    let first = source.part().await?;
    let found = content_type(first.get(..SNIFFED_BYTES).unwrap_or(&first));
    if !bounds.accept.is_empty() && bounds.accept.iter().all(|accepted| accepted != found) {
        return Err(BlobError::Unacceptable(found.to_owned()));
    }
    let attributes = if target.labels { labels(found) } else { Attributes::new() };
    let (store, path) = (target.store, &target.path);
    if first.len() < PART_BYTES {
        let limit = target.limits.sending(first.len());
        let payload = PutPayload::from_bytes(first);
        let options = PutOptions { attributes, ..Default::default() };
        within(limit, store.put_opts(path, payload, options)).await?;
        return Ok((source.size, found));
    }
    let options = PutMultipartOptions { attributes, ..Default::default() };
    let parts = within(target.limits.call, store.put_multipart_opts(path, options)).await?;
    let mut unfinished = Unfinished { parts: Some(parts), limit: target.limits.call };
    if let Some(parts) = &mut unfinished.parts {
        send(&mut **parts, first, &mut source, target.limits).await?;
    }
    unfinished.parts = None;
    Ok((source.size, found))
}

async fn send(
    parts: &mut dyn MultipartUpload,
    first: Bytes,
    source: &mut Source,
    limits: Limits,
) -> Result<(), BlobError> {
    let mut part = first;
    while !part.is_empty() {
        let limit = limits.sending(part.len());
        within(limit, parts.put_part(PutPayload::from_bytes(part))).await?;
        part = source.part().await?;
    }
    // The service puts the parts together meanwhile.
    within(limits.sending(PART_BYTES), parts.complete()).await?;
    Ok(())
}

/// What a store tells those who fetch an object from it directly. The gateway's own answers say the
/// same: pictures are shown, all else is downloaded rather than run, and a name's content never
/// changes.
fn labels(content_type: &'static str) -> Attributes {
    let shown = if is_picture(content_type) { "inline" } else { "attachment" };
    Attributes::from_iter([
        (Attribute::ContentType, content_type),
        (Attribute::ContentDisposition, shown),
        (Attribute::CacheControl, "public, max-age=31536000, immutable"),
    ])
}

/// An upload in parts, which is aborted when it fails or its caller goes away: in the background,
/// so that the caller learns of a failure at once.
struct Unfinished {
    parts: Option<Box<dyn MultipartUpload>>,
    limit: Duration,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let Some(mut parts) = self.parts.take() else { return };
        let limit = self.limit;
        if let Ok(runtime) = Handle::try_current() {
            // What is left if even this fails is removed by the bucket's lifecycle rule, or at the
            // next start where blobs are files.
            runtime.spawn(async move { drop(timeout(limit, parts.abort()).await) });
        }
    }
}

/// The stream, counted.
struct Source {
    content: Body,
    /// What was read and is not part of a part yet.
    read: BytesMut,
    size: u64,
    max_size: u64,
}

impl Source {
    /// The next part, or the rest. Empty at the end. All but the last are of the same size to the
    /// byte, which some S3 services insist on.
    async fn part(&mut self) -> Result<Bytes, BlobError> {
        while self.read.len() < PART_BYTES {
            let Some(frame) = self.content.frame().await else { break };
            let frame = frame
                .map_err(|error| BlobError::Invalid(format!("the content ended early: {error}")))?;
            let Ok(data) = frame.into_data() else { continue };
            self.size = self.size.saturating_add(data.len().try_into().unwrap_or(u64::MAX));
            if self.size > self.max_size {
                return Err(BlobError::TooLarge);
            }
            self.read.extend_from_slice(&data);
        }
        Ok(self.read.split_to(self.read.len().min(PART_BYTES)).freeze())
    }
}
