//! Stored blobs for the world: whoever has a URL may read, from the containers that are public.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{
        CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
        ETAG,
    },
};
use pingtalk_capabilities::{
    blobs::{BlobError, BlobInfo, Blobs},
    calls::{Body, CallContext, CallError, HttpHandler},
};

use pingtalk_front::files::is_fresh;

use crate::files::full;

/// Pictures that browsers show without running anything. Not SVG, which holds scripts.
const SHOWN: [&str; 5] = ["image/jpeg", "image/png", "image/gif", "image/webp", "image/avif"];

/// Serves GET and HEAD of `/CONTAINER/NAME`. Mount it below `/blobs/TENANT`.
///
/// A name is never given to other content (a new picture gets a new name), so clients may keep a
/// blob for a year.
pub struct PublicBlobs {
    blobs: Arc<dyn Blobs>,
    containers: Vec<String>,
}

impl PublicBlobs {
    /// Serves these containers of one tenant's blobs, and no others.
    #[must_use]
    pub fn new(blobs: Arc<dyn Blobs>, containers: Vec<String>) -> Self {
        Self { blobs, containers }
    }
}

#[async_trait]
impl HttpHandler for PublicBlobs {
    async fn handle(
        &self,
        _context: CallContext,
        request: Request<Body>,
    ) -> Result<Response<Body>, CallError> {
        let head_only = match *request.method() {
            Method::GET => false,
            Method::HEAD => true,
            _ => return Err(CallError::NotExported),
        };
        let path = request.uri().path();
        // Names need no escapes, so a path that has one names nothing.
        let (container, name) = path
            .strip_prefix('/')
            .and_then(|path| path.split_once('/'))
            .filter(|(container, _)| self.containers.iter().any(|public| public == container))
            .ok_or(CallError::NotExported)?;
        pingtalk_capabilities::blobs::check_name(name).map_err(|_| CallError::NotExported)?;

        let (info, body) = if head_only {
            (self.blobs.head(container, name).await.map_err(refused)?, full(Bytes::new()))
        } else {
            self.blobs.get(container, name).await.map_err(refused)?
        };
        let etag = etag(container, name, &info);
        let fresh = is_fresh(request.headers(), &etag);
        let mut response = Response::new(if fresh { full(Bytes::new()) } else { body });
        let headers = response.headers_mut();
        headers.insert(ETAG, etag);
        headers
            .insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
        if fresh {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return Ok(response);
        }
        let content_type = HeaderValue::from_str(&info.content_type)
            .unwrap_or_else(|_| HeaderValue::from_static("application/octet-stream"));
        headers.insert(CONTENT_TYPE, content_type);
        headers.insert(CONTENT_LENGTH, HeaderValue::from(info.size));
        // Whatever it is, it runs nothing under this host's name.
        headers.insert(
            CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'; sandbox"),
        );
        let shown = SHOWN.contains(&info.content_type.as_str());
        headers.insert(
            CONTENT_DISPOSITION,
            HeaderValue::from_static(if shown { "inline" } else { "attachment" }),
        );
        Ok(response)
    }
}

/// A store that is away is worth another try, everything else is simply not there.
fn refused(error: BlobError) -> CallError {
    match error {
        BlobError::Unavailable(reason) => {
            tracing::warn!(%reason, "the blob store is away");
            CallError::Overloaded
        }
        _ => CallError::NotExported,
    }
}

/// A name's content never changes, so its name and size say as much as a digest.
fn etag(container: &str, name: &str, info: &BlobInfo) -> HeaderValue {
    let mut hasher = DefaultHasher::new();
    (container, name, info.size).hash(&mut hasher);
    HeaderValue::try_from(format!("\"{:016x}\"", hasher.finish()))
        .unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}
