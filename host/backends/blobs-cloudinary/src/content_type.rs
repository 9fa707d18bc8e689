//! What a blob is, by its first bytes.

/// How many bytes tell: the farthest signature (an ISO 9660 image's excepted) lies well within.
pub(crate) const SNIFFED_BYTES: usize = 8 * 1024;

/// What can't be told. Browsers download it rather than show or run it.
const UNKNOWN: &str = "application/octet-stream";

/// The content type of a blob that starts so.
pub(crate) fn content_type(start: &[u8]) -> &'static str {
    infer::get(start).map_or(UNKNOWN, |kind| kind.mime_type())
}
