//! The smaller types: cache, blobs, sockets, headers.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::bindings::{
    blobs::pingtalk::blobs::store as wit_blobs,
    capabilities::{
        pingtalk::{
            cache::store as wit_cache,
            sockets::{server as wit_server, types as wit_sockets},
        },
        wasi::http::types as wit_http,
    },
};
use crate::{
    blobs::{BlobError, BlobInfo, Bounds},
    cache::{CacheError, Counter},
    sockets::{Message, SocketError, Target},
};

pub(super) fn cache_error(error: wit_cache::Error) -> CacheError {
    match error {
        wit_cache::Error::Denied(what) => CacheError::Denied(what),
        wit_cache::Error::Invalid(why) => CacheError::Invalid(why),
        wit_cache::Error::Unavailable(why) => CacheError::Unavailable(why),
    }
}

pub(super) fn counter(counter: wit_cache::Counter) -> Counter {
    Counter { value: counter.value, expires_in_ms: counter.expires_in_ms }
}

pub(super) fn blob_error(error: wit_blobs::Error) -> BlobError {
    match error {
        wit_blobs::Error::Denied(what) => BlobError::Denied(what),
        wit_blobs::Error::Invalid(why) => BlobError::Invalid(why),
        wit_blobs::Error::TooLarge => BlobError::TooLarge,
        wit_blobs::Error::Unacceptable(found) => BlobError::Unacceptable(found),
        wit_blobs::Error::NotFound => BlobError::NotFound,
        wit_blobs::Error::QuotaExceeded => BlobError::QuotaExceeded,
        wit_blobs::Error::Unavailable(why) => BlobError::Unavailable(why),
    }
}

pub(super) fn blob_info(info: wit_blobs::Info) -> BlobInfo {
    BlobInfo { size: info.size, content_type: info.content_type, url: info.url }
}

pub(super) fn bounds(bounds: Bounds) -> wit_blobs::Bounds {
    wit_blobs::Bounds { max_size: bounds.max_size, accept: bounds.accept }
}

pub(super) fn target(target: Target) -> wit_server::Target {
    match target {
        Target::Socket(id) => wit_server::Target::Socket(id),
        Target::User(id) => wit_server::Target::User(id),
        Target::Room(name) => wit_server::Target::Room(name),
    }
}

pub(super) fn message(message: Message) -> wit_sockets::Message {
    wit_sockets::Message {
        name: message.name,
        arguments: message.arguments,
        attachments: message.attachments.into_iter().map(Vec::from).collect(),
    }
}

pub(super) fn socket_error(error: wit_server::Error) -> SocketError {
    match error {
        wit_server::Error::Denied(what) => SocketError::Denied(what),
        wit_server::Error::Invalid(why) => SocketError::Invalid(why),
        wit_server::Error::Unavailable(why) => SocketError::Unavailable(why),
    }
}

/// Headers as `http` knows them; one call into the host. Those that it would refuse are left out.
pub fn header_map(fields: &wit_http::Fields) -> HeaderMap {
    let pairs = fields.copy_all().into_iter();
    pairs
        .filter_map(|(name, value)| {
            let name = HeaderName::try_from(name).ok()?;
            Some((name, HeaderValue::try_from(value).ok()?))
        })
        .collect()
}

/// Headers for the host; one call.
/// # Errors
/// A header that the host refuses.
pub fn fields(headers: &HeaderMap) -> Result<wit_http::Fields, wit_http::HeaderError> {
    let pairs: Vec<_> = headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
        .collect();
    wit_http::Fields::from_list(&pairs)
}
