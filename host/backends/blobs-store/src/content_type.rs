//! What a blob is, by its first bytes.

/// How many bytes tell: the farthest signature (an ISO 9660 image's excepted) lies well within.
pub(crate) const SNIFFED_BYTES: usize = 8 * 1024;

/// What can't be told. Browsers download it rather than show or run it.
const UNKNOWN: &str = "application/octet-stream";

/// The content type of a blob that starts so.
pub(crate) fn content_type(start: &[u8]) -> &'static str {
    infer::get(start).map_or(UNKNOWN, |kind| kind.mime_type())
}

/// Whether browsers show it without running anything. Not SVG, which holds scripts.
pub(crate) fn is_picture(content_type: &str) -> bool {
    ["image/jpeg", "image/png", "image/gif", "image/webp", "image/avif"].contains(&content_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_by_the_bytes() {
        assert_eq!(content_type(b"\x89PNG\r\n\x1a\n...."), "image/png");
        assert_eq!(content_type(b"\xff\xd8\xff\xe0...."), "image/jpeg");
        assert_eq!(content_type(b"plain words"), UNKNOWN);
        assert_eq!(content_type(b""), UNKNOWN);
    }
}
