//! The id under which one request is found in the log.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};

pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest id that is taken over from a proxy.
const MAX_BYTES: usize = 64;

/// A request's id: 16 hex digits of ours, or what a trusted proxy chose.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(Arc<str>);

impl RequestId {
    pub(crate) fn generate() -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = String::with_capacity(16);
        let random: u64 = rand::random();
        for nibble in (0..16).rev() {
            let index = usize::try_from((random >> (nibble * 4)) & 0xf).unwrap_or_default();
            text.push(DIGITS.get(index).copied().map_or('0', char::from));
        }
        Self(Arc::from(text))
    }

    /// A trusted proxy's id, if it is one of 1 to 64 letters, digits, `-`, `_` and `.`.
    pub(crate) fn from_proxy(headers: &HeaderMap) -> Option<Self> {
        let text = headers.get(X_REQUEST_ID)?.to_str().ok()?;
        let letters = |c: u8| c.is_ascii_alphanumeric() || b"-_.".contains(&c);
        let ok = (1..=MAX_BYTES).contains(&text.len()) && text.bytes().all(letters);
        ok.then(|| Self(Arc::from(text)))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }

    pub(crate) fn header(&self) -> HeaderValue {
        // Made of letters, digits and punctuation, so it is always a valid value.
        HeaderValue::from_str(&self.0).unwrap_or_else(|_| HeaderValue::from_static("-"))
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::{RequestId, X_REQUEST_ID};

    #[test]
    fn generates_sixteen_hex_digits() {
        let id = RequestId::generate();
        assert_eq!(id.as_str().len(), 16);
        assert!(id.as_str().bytes().all(|c| c.is_ascii_hexdigit()));
        assert_ne!(id.as_str(), RequestId::generate().as_str());
    }

    #[test]
    fn takes_only_plain_ids_from_a_proxy() {
        let from = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(X_REQUEST_ID, HeaderValue::from_static(value));
            RequestId::from_proxy(&headers).map(|id| id.as_str().to_owned())
        };
        assert_eq!(from("abc-1.2_3").as_deref(), Some("abc-1.2_3"));
        assert_eq!(from(""), None);
        assert_eq!(from("a b"), None);
        assert_eq!(
            from(concat!("0123456789012345678901234567890123456789", "0123456789012345678901234")),
            None
        );
    }
}
