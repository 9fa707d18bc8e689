//! Blobs in memory.

use bytes::Bytes;

use super::Host;
use crate::{
    Body, BodyError,
    blobs::{BlobError, BlobInfo, Bounds},
};

/// The first bytes of what tests store.
const SIGNATURES: [(&[u8], &str); 5] = [
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF8", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
];

fn sniff(bytes: &[u8]) -> &'static str {
    let known = SIGNATURES.iter().find(|(signature, _)| bytes.starts_with(signature));
    known.map_or("application/octet-stream", |(_, content_type)| content_type)
}

impl Host {
    pub(super) async fn put_blob(
        &self,
        container: &str,
        name: &str,
        content: Body,
        bounds: Bounds,
    ) -> Result<BlobInfo, BlobError> {
        self.blobs_fail()?;
        let allowed = |c: u8| c.is_ascii_alphanumeric() || b"-_./".contains(&c);
        let segments = name.split('/').all(|part| !matches!(part, "" | "." | ".."));
        if name.len() > 200 || !name.bytes().all(allowed) || !segments {
            return Err(BlobError::Invalid(format!("name {name:?}")));
        }
        let limit = usize::try_from(bounds.max_size).unwrap_or(usize::MAX);
        let bytes = content.collect(limit).await.map_err(|error| match error {
            BodyError::TooLarge { .. } => BlobError::TooLarge,
            BodyError::Aborted(reason) => BlobError::Unavailable(reason),
        })?;
        let content_type = sniff(&bytes).to_owned();
        if !bounds.accept.is_empty() && !bounds.accept.contains(&content_type) {
            return Err(BlobError::Unacceptable(content_type));
        }
        let info = BlobInfo {
            size: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            content_type,
            url: format!("http://blobs.test/{container}/{name}"),
        };
        let key = (container.to_owned(), name.to_owned());
        self.store().blobs.insert(key, (info.clone(), bytes));
        Ok(info)
    }

    pub(super) fn find_blob(
        &self,
        container: &str,
        name: &str,
    ) -> Result<(BlobInfo, Bytes), BlobError> {
        self.blobs_fail()?;
        let key = (container.to_owned(), name.to_owned());
        self.store().blobs.get(&key).cloned().ok_or(BlobError::NotFound)
    }
}
