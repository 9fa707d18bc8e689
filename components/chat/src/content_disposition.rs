//! The `Content-Disposition` of a download (RFC 6266), for file names of any script.

use std::fmt::Write;

/// The header's value. The name comes twice: in ASCII for old clients, and in UTF-8 as RFC 8187
/// encodes it.
pub(crate) fn header(inline: bool, name: &str) -> String {
    let kind = if inline { "inline" } else { "attachment" };
    let ascii: String = name
        .chars()
        .map(|c| if matches!(c, ' '..='~') && !matches!(c, '"' | '\\' | '%') { c } else { '_' })
        .collect();
    let mut header = format!("{kind}; filename=\"{ascii}\"; filename*=UTF-8''");
    for byte in name.bytes() {
        // RFC 8187 §3.2.1, attr-char.
        if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
            header.push(char::from(byte));
        } else {
            // Writing to a string can't fail.
            let _ = write!(header, "%{byte:02X}");
        }
    }
    header
}

#[cfg(test)]
mod tests {
    use super::header;

    #[test]
    fn any_name_stays_in_its_quotes() {
        assert_eq!(
            header(false, "größe \"1\".txt"),
            "attachment; filename=\"gr__e _1_.txt\"; \
             filename*=UTF-8''gr%C3%B6%C3%9Fe%20%221%22.txt"
        );
        assert_eq!(header(true, "a.png"), "inline; filename=\"a.png\"; filename*=UTF-8''a.png");
        assert!(!header(false, "a\r\nset-cookie: x").contains('\n'));
    }
}
