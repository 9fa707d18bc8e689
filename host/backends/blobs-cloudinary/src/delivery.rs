//! Reading an asset back from its delivery URL.
//!
//! Each read asks for a version nobody asked for before. The version is for caches only, so the
//! content network fetches the asset from storage, and the host never sees what was replaced or
//! removed, nor an older "not found".

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, stream};
use pingtalk_capabilities::{blobs::BlobError, calls::BodyError};
use reqwest::{Response, StatusCode, header};
use tokio::time::timeout;

use crate::{
    api::Api,
    content_type::SNIFFED_BYTES,
    error::{Failure, refusal, unavailable, unreachable},
    place::Asset,
};

/// An asset on its way.
pub(crate) struct Delivery {
    /// Of the whole asset.
    pub(crate) size: u64,
    /// The first bytes: enough to tell what it is.
    pub(crate) start: Bytes,
    rest: Response,
    limit: Duration,
}

impl Api {
    /// Begins to fetch an asset.
    pub(crate) async fn fetch(&self, asset: &Asset) -> Result<Delivery, BlobError> {
        self.deliver(asset, false).await
    }

    /// Fetches an asset's first bytes and size.
    pub(crate) async fn glance(&self, asset: &Asset) -> Result<Delivery, BlobError> {
        self.deliver(asset, true).await
    }

    async fn deliver(&self, asset: &Asset, start_only: bool) -> Result<Delivery, BlobError> {
        let limit = self.config.call_time_out;
        timeout(limit, self.begin(asset, start_only))
            .await
            .map_err(|_| unavailable("Cloudinary does not deliver in time"))?
    }

    async fn begin(&self, asset: &Asset, start_only: bool) -> Result<Delivery, BlobError> {
        let url = asset.versioned_url(&self.config, new_version());
        let mut request = self.client.get(url);
        if start_only {
            request = request.header(header::RANGE, format!("bytes=0-{}", SNIFFED_BYTES - 1));
        }
        let mut rest = request.send().await.map_err(|error| unreachable(&error))?;
        let size = match rest.status() {
            StatusCode::OK => rest.content_length(),
            StatusCode::PARTIAL_CONTENT => total(&rest),
            StatusCode::NOT_FOUND => return Err(BlobError::NotFound),
            // The reason is in a header then, for developers; the status says enough.
            status => {
                return Err(match refusal(status, b"") {
                    Failure::Blob(error) => error,
                    Failure::NotAPicture => unavailable("Cloudinary does not deliver"),
                });
            }
        };
        let size = size.ok_or_else(|| unavailable("Cloudinary does not say how long a blob is"))?;
        let mut start = BytesMut::new();
        while start.len() < SNIFFED_BYTES {
            let chunk = rest.chunk().await.map_err(|error| unreachable(&error))?;
            let Some(chunk) = chunk else { break };
            start.extend_from_slice(&chunk);
        }
        Ok(Delivery { size, start: start.freeze(), rest, limit: self.config.call_time_out })
    }
}

impl Delivery {
    /// The content. It ends with an error if the connection breaks or is silent for too long; a
    /// reader who takes their time costs nothing.
    pub(crate) fn content(self) -> impl Stream<Item = Result<Bytes, BodyError>> {
        let Self { start, rest, limit, .. } = self;
        stream::unfold((Some(start), Some(rest)), move |(start, rest)| async move {
            if let Some(start) = start {
                return Some((Ok(start), (None, rest)));
            }
            let mut rest = rest?;
            match timeout(limit, rest.chunk()).await {
                Ok(Ok(Some(chunk))) => Some((Ok(chunk), (None, Some(rest)))),
                Ok(Ok(None)) => None,
                Ok(Err(_)) => Some((Err(cut_short("the connection broke")), (None, None))),
                Err(_) => Some((Err(cut_short("Cloudinary went silent")), (None, None))),
            }
        })
    }
}

fn cut_short(reason: &str) -> BodyError {
    BodyError::Aborted(Arc::from(reason))
}

/// `Content-Range: bytes 0-8191/20000`: the last number.
fn total(response: &Response) -> Option<u64> {
    let range = response.headers().get(header::CONTENT_RANGE)?.to_str().ok()?;
    range.rsplit_once('/')?.1.parse().ok()
}

/// Digits that nobody used before, or at least not lately: microseconds, and some chance for hosts
/// that read at the same time.
fn new_version() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let micros = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
    micros.saturating_mul(1_000).saturating_add(rand::random_range(0..1_000))
}
