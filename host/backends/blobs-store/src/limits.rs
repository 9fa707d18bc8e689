//! Bounds in time: no call waits for a store longer than it was told to.
//!
//! The store's own client has bounds too, but counts them per attempt.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream, stream::BoxStream};
use pingtalk_capabilities::{blobs::BlobError, calls::BodyError};
use tokio::time::timeout;

use crate::error::classify;

/// How long a tenant's calls may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// A call without content, or the next piece of a download.
    pub(crate) call: Duration,
    /// Bytes a second that an upload makes at least, beyond that.
    pub(crate) least_upload_rate: u32,
}

impl Limits {
    /// A call with so many bytes of content.
    pub(crate) fn sending(&self, bytes: usize) -> Duration {
        let rate = f64::from(self.least_upload_rate.max(1));
        let bytes = f64::from(u32::try_from(bytes).unwrap_or(u32::MAX));
        self.call + Duration::from_secs_f64(bytes / rate)
    }
}

/// A call to the store, with its error classified.
pub(crate) async fn within<T>(
    limit: Duration,
    call: impl Future<Output = object_store::Result<T>>,
) -> Result<T, BlobError> {
    match timeout(limit, call).await {
        Ok(result) => result.map_err(classify),
        Err(_) => Err(BlobError::Unavailable("the blob store does not answer in time".to_owned())),
    }
}

/// The rest of a download. Ends with an error if the store fails or is silent for too long; a
/// reader who takes their time costs nothing.
pub(crate) fn rest_of(
    chunks: BoxStream<'static, object_store::Result<Bytes>>,
    limit: Duration,
) -> impl Stream<Item = Result<Bytes, BodyError>> {
    stream::unfold(Some(chunks), move |chunks| async move {
        let mut chunks = chunks?;
        match timeout(limit, chunks.next()).await {
            Ok(Some(Ok(chunk))) => Some((Ok(chunk), Some(chunks))),
            Ok(None) => None,
            Ok(Some(Err(_))) => Some((Err(cut_short("the blob store failed")), None)),
            Err(_) => Some((Err(cut_short("the blob store went silent")), None)),
        }
    })
}

fn cut_short(reason: &str) -> BodyError {
    BodyError::Aborted(Arc::from(reason))
}
