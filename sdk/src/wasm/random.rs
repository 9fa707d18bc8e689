//! Random bytes, from `wasi:random`.

use super::bindings::capabilities::wasi::random::random;

/// The host may give less than was asked for at a time, but never nothing.
pub(super) fn bytes(length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        let missing = u64::try_from(length - bytes.len()).unwrap_or(u64::MAX);
        bytes.extend(random::get_random_bytes(missing));
    }
    bytes.truncate(length);
    bytes
}
