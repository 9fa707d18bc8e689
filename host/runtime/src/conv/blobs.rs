//! `pingtalk:blobs/store`.

use pingtalk_capabilities::blobs::{BlobError, BlobInfo, Bounds};

use crate::bindings::pingtalk::blobs::store as wit;

impl From<wit::Bounds> for Bounds {
    fn from(bounds: wit::Bounds) -> Self {
        Self { max_size: bounds.max_size, accept: bounds.accept }
    }
}

impl From<BlobInfo> for wit::Info {
    fn from(info: BlobInfo) -> Self {
        Self { size: info.size, content_type: info.content_type, url: info.url }
    }
}

impl From<BlobError> for wit::Error {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::Denied(what) => Self::Denied(what),
            BlobError::Invalid(why) => Self::Invalid(why),
            BlobError::TooLarge => Self::TooLarge,
            BlobError::Unacceptable(found) => Self::Unacceptable(found),
            BlobError::NotFound => Self::NotFound,
            BlobError::QuotaExceeded => Self::QuotaExceeded,
            BlobError::Unavailable(why) => Self::Unavailable(why),
        }
    }
}
