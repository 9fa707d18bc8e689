//! Addresses of pictures on other servers, and where a redirect leads from them.
//!
//! Whether the address may be reached at all (public ones only) is the host's decision, at the
//! moment it connects: a name that is checked here could mean something else there.

use pingtalk_sdk::http::{
    Uri,
    uri::{PathAndQuery, Scheme},
};

/// Longest address that is followed, in bytes.
const MAX_BYTES: usize = 2048;
/// What the path of a picture's address has to end with, in any case.
const EXTENSIONS: [&str; 3] = [".jpg", ".jpeg", ".png"];

/// True for text that means to be a web address.
pub(super) fn is_web(text: &str) -> bool {
    ["http://", "https://"].iter().any(|scheme| {
        text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    })
}

/// An absolute `http` or `https` URL without credentials; `None` for anything else.
pub(super) fn parse(url: &str) -> Option<Uri> {
    if url.len() > MAX_BYTES {
        return None;
    }
    // A fragment is the client's business and never sent (RFC 9110 section 4.2.5).
    let url = url.split('#').next()?;
    let uri: Uri = url.parse().ok()?;
    let web = uri.scheme().is_some_and(|s| *s == Scheme::HTTP || *s == Scheme::HTTPS);
    let host = uri.authority().is_some_and(|a| !a.host().is_empty() && !a.as_str().contains('@'));
    (web && host).then_some(uri)
}

/// True when the path ends like a picture's.
pub(super) fn names_a_picture(uri: &Uri) -> bool {
    let path = uri.path().to_ascii_lowercase();
    EXTENSIONS.iter().any(|extension| path.ends_with(extension))
}

/// Where a `Location` header leads from `base` (RFC 3986 section 5.2, without the merging of dot
/// segments, which servers do themselves). `None` when it leads out of the web, or from `https`
/// back to `http`.
pub(super) fn redirected(base: &Uri, location: &str) -> Option<Uri> {
    let target = if let Some(rest) = location.strip_prefix("//") {
        parse(&format!("{}://{rest}", base.scheme_str()?))?
    } else if has_scheme(location) {
        parse(location)?
    } else {
        let path = location.split('#').next()?;
        let path: PathAndQuery = match path.chars().next() {
            None => return None,
            Some('/') => path.parse().ok()?,
            Some('?') => format!("{}{path}", base.path()).parse().ok()?,
            Some(_) => {
                let folder = base.path().rsplit_once('/').map_or("", |(folder, _)| folder);
                format!("{folder}/{path}").parse().ok()?
            }
        };
        let mut parts = base.clone().into_parts();
        parts.path_and_query = Some(path);
        let uri = Uri::from_parts(parts).ok()?;
        parse(&uri.to_string())?
    };
    let downgraded =
        base.scheme() == Some(&Scheme::HTTPS) && target.scheme() != Some(&Scheme::HTTPS);
    (!downgraded).then_some(target)
}

/// RFC 3986 section 3.1: a letter, then letters, digits, `+`, `-` or `.`, up to a colon.
fn has_scheme(text: &str) -> bool {
    text.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn takes_web_addresses_only() {
        for url in ["http://example.com/a.jpg", "https://example.com:8443/a.PNG?w=1#top"] {
            assert!(names_a_picture(&parse(url).unwrap()), "{url}");
        }
        for url in [
            "ftp://example.com/a.jpg",
            "file:///etc/passwd.png",
            "/a.jpg",
            "a.jpg",
            "//example.com/a.jpg",
            "http:///a.jpg",
            "http://user:secret@example.com/a.jpg",
            "http://exa mple.com/a.jpg",
            "javascript:alert(1).png",
            "",
        ] {
            assert!(parse(url).is_none(), "{url}");
        }
        assert!(parse(&format!("http://example.com/{}.jpg", "a".repeat(MAX_BYTES))).is_none());
    }

    #[test]
    fn looks_at_the_path_for_the_extension() {
        for url in ["http://a.example/x", "http://a.example/x.gif?y=.png", "http://a.png"] {
            assert!(!names_a_picture(&parse(url).unwrap()), "{url}");
        }
    }

    #[test]
    fn resolves_redirects() {
        let base = parse("http://a.example:81/x/y.jpg?q=1").unwrap();
        for (location, target) in [
            ("https://b.example/z.png", "https://b.example/z.png"),
            ("//b.example/z", "http://b.example/z"),
            ("/z?s=2#f", "http://a.example:81/z?s=2"),
            ("z.png", "http://a.example:81/x/z.png"),
            ("?s=2", "http://a.example:81/x/y.jpg?s=2"),
        ] {
            assert_eq!(redirected(&base, location).unwrap(), target, "{location}");
        }
        for location in ["", "#top", "ftp://b.example/z", "http://u@b.example/z", "data:,x"] {
            assert!(redirected(&base, location).is_none(), "{location}");
        }
    }

    #[test]
    fn never_goes_from_tls_to_plain() {
        let base = parse("https://a.example/x.jpg").unwrap();
        assert!(redirected(&base, "http://a.example/x.jpg").is_none());
        assert!(redirected(&base, "/y").is_some());
    }
}
