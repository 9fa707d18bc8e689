//! Files that are part of the binary, such as the web client.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{
        CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, REFERRER_POLICY,
    },
};
use http_body_util::{BodyExt as _, Full};
use pingtalk_capabilities::calls::{Body, CallContext, CallError, HttpHandler};
use pingtalk_front::files::{POLICY, is_fresh};

/// One file.
#[derive(Debug, Clone)]
pub struct StaticFile {
    /// Where it is served, such as `/app.js`. `/index.html` is served at `/` too; the same holds
    /// below a folder.
    pub path: &'static str,
    /// Its media type.
    pub content_type: &'static str,
    /// Its content.
    pub bytes: &'static [u8],
    /// An entity tag with its quotes, such as `"1f3a"`, that changes with the content.
    pub etag: String,
}

struct Entry {
    content: Bytes,
    content_type: HeaderValue,
    etag: HeaderValue,
    page: bool,
}

/// Serves a table of files to GET and HEAD. Everything else is 404.
pub struct StaticFiles {
    entries: HashMap<&'static str, Arc<Entry>>,
    policy: HeaderValue,
}

impl StaticFiles {
    /// Takes the files. One whose type or tag can't be a header is left out.
    #[must_use]
    pub fn new(files: impl IntoIterator<Item = StaticFile>) -> Self {
        let mut entries = HashMap::new();
        for file in files {
            let Ok(etag) = HeaderValue::try_from(file.etag) else { continue };
            let Ok(content_type) = HeaderValue::from_str(file.content_type) else { continue };
            let entry = Arc::new(Entry {
                content: Bytes::from_static(file.bytes),
                page: file.content_type.starts_with("text/html"),
                content_type,
                etag,
            });
            if let Some(folder) = file.path.strip_suffix("index.html") {
                entries.insert(folder, Arc::clone(&entry));
            }
            entries.insert(file.path, entry);
        }
        Self { entries, policy: HeaderValue::from_static(POLICY) }
    }

    /// Another `Content-Security-Policy` for the pages.
    #[must_use]
    pub fn with_policy(mut self, policy: HeaderValue) -> Self {
        self.policy = policy;
        self
    }
}

#[async_trait]
impl HttpHandler for StaticFiles {
    async fn handle(
        &self,
        _context: CallContext,
        request: Request<Body>,
    ) -> Result<Response<Body>, CallError> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return Err(CallError::NotExported);
        }
        let entry = self.entries.get(request.uri().path()).ok_or(CallError::NotExported)?;
        let fresh = is_fresh(request.headers(), &entry.etag);
        let content = if fresh || *request.method() == Method::HEAD {
            Bytes::new()
        } else {
            entry.content.clone()
        };
        let mut response = Response::new(full(content));
        let headers = response.headers_mut();
        headers.insert(ETAG, entry.etag.clone());
        // Kept, but asked about each time: a new binary has new files.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        if entry.page {
            headers.insert(CONTENT_SECURITY_POLICY, self.policy.clone());
            headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        }
        if fresh {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        } else {
            headers.insert(CONTENT_TYPE, entry.content_type.clone());
            headers.insert(CONTENT_LENGTH, HeaderValue::from(entry.content.len()));
        }
        Ok(response)
    }
}

pub(crate) fn full(content: Bytes) -> Body {
    Body::new(Full::new(content).map_err(|never: std::convert::Infallible| match never {}))
}
