//! Conversions between the generated types and the plain ones of `pingtalk_capabilities`.
//!
//! Byte strings move over without a copy: guests' lists arrive as `Vec`, which `Bytes` takes over;
//! the way back is free too while nobody else holds the bytes.

mod blobs;
mod cache;
mod documents;
mod events;
mod sockets;

use bytes::Bytes;

/// The bytes as a list for a guest; copies only when they are shared.
pub(crate) fn list(bytes: Bytes) -> Vec<u8> {
    Vec::from(bytes)
}
