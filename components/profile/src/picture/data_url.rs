//! Pictures that a client put into the request itself, as a `data:` URL (RFC 2397).

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

/// The media types a picture may claim. What it is, its bytes decide later.
const TYPES: [&str; 3] = ["image/jpeg", "image/jpg", "image/png"];
/// Some clients leave out the padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// True for any `data:` URL.
pub(super) fn is_data_url(text: &str) -> bool {
    text.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"))
}

/// The bytes of a base64 `data:` URL of one of the accepted types; `None` for any other.
pub(super) fn decode(url: &str) -> Option<Vec<u8>> {
    let (head, data) = url.get(5..)?.split_once(',')?;
    let mut parts = head.split(';').map(str::trim);
    let media_type = parts.next()?;
    let accepted = TYPES.iter().any(|accepted| media_type.eq_ignore_ascii_case(accepted));
    let base64 = parts.next_back().is_some_and(|last| last.eq_ignore_ascii_case("base64"));
    if accepted && base64 { BASE64.decode(data).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_the_accepted_types() {
        for url in [
            "data:image/jpeg;base64,AQID",
            "data:image/jpg;base64,AQID",
            "DATA:image/PNG;charset=utf-8;Base64,AQID",
        ] {
            assert!(is_data_url(url));
            assert_eq!(decode(url).as_deref(), Some(&[1, 2, 3][..]), "{url}");
        }
        assert_eq!(decode("data:image/png;base64,AQ").as_deref(), Some(&[1][..]));
    }

    #[test]
    fn refuses_everything_else() {
        for url in [
            "data:image/gif;base64,AQID",
            "data:text/html;base64,AQID",
            "data:image/png,AQID",
            "data:image/png;base64",
            "data:image/png;base64,***",
            "data:;base64,AQID",
            "data:image/png;base64;x,AQID",
            "data:",
        ] {
            assert_eq!(decode(url), None, "{url}");
        }
        assert!(!is_data_url("http://example.com/data:"));
        assert!(!is_data_url("dätä:"));
    }
}
