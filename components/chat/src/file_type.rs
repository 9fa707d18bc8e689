//! The content type of an uploaded file, decided by its bytes.
//!
//! A client's claim is not believed: a page or script that calls itself a picture would run in
//! the browser of whoever opens it. A type found in the first bytes wins; a claim counts only
//! where the bytes cannot contradict it and the type is harmless to open. Everything else is
//! `application/octet-stream`, which browsers save instead of showing. Nothing here can fail.

/// What a file is when nothing better is known (RFC 2046 §4.5.1).
pub(crate) const UNKNOWN: &str = "application/octet-stream";

/// How many leading bytes [`decide`] looks at.
pub(crate) const SNIFFED_BYTES: usize = 512;

/// The longest claim worth reading, in bytes (RFC 6838 §4.2 allows 127 for each half).
const MAX_CLAIM_BYTES: usize = 255;

/// A signature: these bytes at this offset mean this type.
struct Signature {
    offset: usize,
    bytes: &'static [u8],
    /// Bytes that must follow elsewhere too, for containers that share their first bytes.
    and: Option<(usize, &'static [u8])>,
    content_type: &'static str,
}

const fn at_start(bytes: &'static [u8], content_type: &'static str) -> Signature {
    Signature { offset: 0, bytes, and: None, content_type }
}

const fn container(
    offset: usize,
    bytes: &'static [u8],
    and: (usize, &'static [u8]),
    content_type: &'static str,
) -> Signature {
    Signature { offset, bytes, and: Some(and), content_type }
}

/// From the WHATWG MIME Sniffing Standard §6, and the formats' own specifications.
/// The first match wins, so a special case stands before its general one.
const SIGNATURES: &[Signature] = &[
    at_start(b"\x89PNG\r\n\x1a\n", "image/png"),
    at_start(b"\xff\xd8\xff", "image/jpeg"),
    at_start(b"GIF87a", "image/gif"),
    at_start(b"GIF89a", "image/gif"),
    container(0, b"RIFF", (8, b"WEBP"), "image/webp"),
    container(0, b"RIFF", (8, b"WAVE"), "audio/wav"),
    container(0, b"RIFF", (8, b"AVI "), "video/x-msvideo"),
    container(4, b"ftyp", (8, b"avif"), "image/avif"),
    container(4, b"ftyp", (8, b"heic"), "image/heic"),
    container(4, b"ftyp", (8, b"M4A "), "audio/mp4"),
    container(4, b"ftyp", (8, b"qt  "), "video/quicktime"),
    Signature { offset: 4, bytes: b"ftyp", and: None, content_type: "video/mp4" },
    container(0, b"BM", (6, b"\0\0\0\0"), "image/bmp"),
    at_start(b"II*\0", "image/tiff"),
    at_start(b"MM\0*", "image/tiff"),
    at_start(b"%PDF-", "application/pdf"),
    at_start(b"PK\x03\x04", "application/zip"),
    at_start(b"PK\x05\x06", "application/zip"),
    at_start(b"\x1f\x8b\x08", "application/gzip"),
    at_start(b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    at_start(b"Rar!\x1a\x07", "application/vnd.rar"),
    at_start(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    at_start(b"\x1a\x45\xdf\xa3", "video/webm"),
    at_start(b"OggS\0", "audio/ogg"),
    at_start(b"fLaC", "audio/flac"),
    at_start(b"ID3", "audio/mpeg"),
    at_start(b"\xff\xfb", "audio/mpeg"),
    at_start(b"\xff\xf3", "audio/mpeg"),
    at_start(b"\xff\xf2", "audio/mpeg"),
];

/// Text formats that carry no signature and run nothing when opened.
const HARMLESS_TEXT: &[&str] =
    &["text/plain", "text/csv", "text/markdown", "text/calendar", "text/vcard", "application/json"];

/// Formats that are a container of another type: the claim says which, the bytes that it may be.
const WITHIN: &[(&str, &[&str])] = &[
    (
        "application/zip",
        &[
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            "application/vnd.openxmlformats-officedocument.presentationml.presentation",
            "application/vnd.oasis.opendocument.text",
            "application/vnd.oasis.opendocument.spreadsheet",
            "application/vnd.oasis.opendocument.presentation",
            "application/epub+zip",
        ],
    ),
    (
        "application/x-ole-storage",
        &["application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint"],
    ),
    ("video/webm", &["audio/webm", "video/x-matroska"]),
    ("audio/ogg", &["video/ogg"]),
    ("video/mp4", &["audio/mp4"]),
];

/// The content type to store for a file that begins with `head` and was sent as `claimed`.
pub(crate) fn decide(head: &[u8], claimed: Option<&str>) -> &'static str {
    let claim = claimed.map(essence).unwrap_or_default();
    if let Some(found) = sniff(head) {
        let narrower = WITHIN
            .iter()
            .filter(|(outer, _)| *outer == found)
            .flat_map(|(_, inner)| inner.iter().copied())
            .find(|inner| *inner == claim);
        return narrower.unwrap_or(found);
    }
    let harmless = HARMLESS_TEXT.iter().copied().find(|text| *text == claim);
    match harmless {
        Some(text) if looks_like_text(head) => text,
        _ => UNKNOWN,
    }
}

/// Whether a browser may show this type in place: pictures only, and none that can carry script.
pub(crate) fn shown_inline(content_type: &str) -> bool {
    matches!(
        content_type,
        "image/png" | "image/jpeg" | "image/gif" | "image/webp" | "image/avif" | "image/bmp"
    )
}

/// The type without its parameters, in lower case; empty for a claim too long to be one.
fn essence(claim: &str) -> String {
    if claim.len() > MAX_CLAIM_BYTES {
        return String::new();
    }
    let bare = claim.split_once(';').map_or(claim, |(bare, _)| bare);
    bare.trim().to_ascii_lowercase()
}

fn sniff(head: &[u8]) -> Option<&'static str> {
    let has = |offset: usize, bytes: &[u8]| {
        head.get(offset..).is_some_and(|rest| rest.starts_with(bytes))
    };
    SIGNATURES
        .iter()
        .find(|signature| {
            has(signature.offset, signature.bytes)
                && signature.and.is_none_or(|(offset, bytes)| has(offset, bytes))
        })
        .map(|signature| signature.content_type)
}

/// No control bytes that text does not use (the "binary data bytes" of the WHATWG standard §3).
fn looks_like_text(head: &[u8]) -> bool {
    head.iter()
        .take(SNIFFED_BYTES)
        .all(|byte| !matches!(byte, 0x00..=0x08 | 0x0b | 0x0e..=0x1a | 0x1c..=0x1f))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_win_over_the_claim() {
        assert_eq!(decide(b"\x89PNG\r\n\x1a\nrest", Some("text/html")), "image/png");
        assert_eq!(decide(b"\xff\xd8\xff\xe0rest", None), "image/jpeg");
        assert_eq!(decide(b"RIFF\x10\0\0\0WEBPVP8 ", Some("audio/wav")), "image/webp");
        assert_eq!(decide(b"\0\0\0\x18ftypisom", None), "video/mp4");
        assert_eq!(decide(b"%PDF-1.7", Some("image/png")), "application/pdf");
    }

    #[test]
    fn a_claim_without_evidence_counts_only_for_harmless_text() {
        assert_eq!(decide(b"a,b\n1,2\n", Some("text/csv; charset=utf-8")), "text/csv");
        assert_eq!(decide("größer".as_bytes(), Some("TEXT/PLAIN")), "text/plain");
        assert_eq!(decide(b"", Some("text/plain")), "text/plain");
        assert_eq!(decide(b"a\0b", Some("text/plain")), UNKNOWN);
        assert_eq!(decide(b"<script>alert(1)</script>", Some("text/html")), UNKNOWN);
        assert_eq!(decide(b"<svg onload='alert(1)'/>", Some("image/svg+xml")), UNKNOWN);
        assert_eq!(decide(b"not a picture", Some("image/png")), UNKNOWN);
        assert_eq!(decide(b"text", None), UNKNOWN);
        assert_eq!(decide(b"text", Some(&"x".repeat(300))), UNKNOWN);
    }

    #[test]
    fn a_container_may_be_claimed_as_what_it_holds() {
        let docx = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
        assert_eq!(decide(b"PK\x03\x04....", Some(docx)), docx);
        assert_eq!(decide(b"PK\x03\x04....", Some("text/html")), "application/zip");
        assert_eq!(decide(b"%PDF-1.7", Some(docx)), "application/pdf");
    }

    #[test]
    fn only_pictures_without_script_are_shown_inline() {
        assert!(shown_inline("image/png"));
        assert!(!shown_inline("image/svg+xml"));
        assert!(!shown_inline("text/html"));
        assert!(!shown_inline("application/pdf"));
    }
}
