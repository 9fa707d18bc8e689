//! Cookies: reading the request's (RFC 6265 section 5.4), writing the response's (section 4.1).

use std::fmt::Write;

/// The value of the first cookie with this name in a `Cookie` header, unquoted and decoded.
pub(crate) fn find(header: &str, name: &str) -> Option<String> {
    header.split(';').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        if key.trim() != name {
            return None;
        }
        let value = value.trim();
        let value = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value);
        Some(crate::percent::decode(value).map_or_else(|| value.to_owned(), |v| v.into_owned()))
    })
}

/// A cookie to set: for the whole site, hidden from scripts, not sent along by other sites.
#[derive(Clone, PartialEq, Eq)]
pub struct Cookie {
    name: &'static str,
    value: String,
    max_age: u64,
    secure: bool,
}

impl Cookie {
    /// A cookie that lives `max_age` seconds. The value must consist of cookie characters
    /// (RFC 6265's `cookie-octet`), as tokens and hex do.
    #[must_use]
    pub fn new(name: &'static str, value: impl Into<String>, max_age: u64) -> Self {
        Self { name, value: value.into(), max_age, secure: false }
    }

    /// Makes the client forget a cookie.
    #[must_use]
    pub fn clear(name: &'static str) -> Self {
        Self::new(name, "", 0)
    }

    /// Sends it over TLS only.
    #[must_use]
    pub fn secure(mut self, secure: bool) -> Self {
        self.secure = secure;
        self
    }

    /// The value of `Set-Cookie`.
    pub(crate) fn to_header(&self) -> String {
        let mut header = format!(
            "{}={}; Max-Age={}; Path=/; HttpOnly; SameSite=Lax",
            self.name, self.value, self.max_age
        );
        if self.max_age == 0 {
            // For clients that don't know Max-Age.
            let _ = write!(header, "; Expires=Thu, 01 Jan 1970 00:00:00 GMT");
        }
        if self.secure {
            header.push_str("; Secure");
        }
        header
    }
}

impl std::fmt::Debug for Cookie {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The value is often a secret.
        write!(f, "Cookie({})", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::{Cookie, find};

    #[test]
    fn finds_the_first_of_several_and_unquotes() {
        let header = "a=1; token=\"x.y-z\"; token=second; b=p%20q; empty=";
        assert_eq!(find(header, "token").as_deref(), Some("x.y-z"));
        assert_eq!(find(header, "b").as_deref(), Some("p q"));
        assert_eq!(find(header, "empty").as_deref(), Some(""));
        assert_eq!(find(header, "tok"), None);
        assert_eq!(find("", "token"), None);
    }

    #[test]
    fn writes_the_contracts_attributes() {
        let cookie = Cookie::new("token", "t", 86_400);
        assert_eq!(cookie.to_header(), "token=t; Max-Age=86400; Path=/; HttpOnly; SameSite=Lax");
        assert!(cookie.secure(true).to_header().ends_with("; Secure"));
        assert!(Cookie::clear("token").to_header().starts_with("token=; Max-Age=0; Path=/;"));
    }

    #[test]
    fn debug_hides_the_value() {
        assert_eq!(format!("{:?}", Cookie::new("token", "secret", 1)), "Cookie(token)");
    }
}
