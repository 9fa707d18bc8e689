//! What a request's head says about itself: for which host, from which page, with how large a
//! body.

use http::{
    HeaderMap, HeaderValue, Uri, Version,
    header::{CONTENT_TYPE, HOST, ORIGIN},
    request::Parts,
};

use crate::{
    errors::{self, Problem},
    site::Route,
};

/// How large the body may be.
pub(crate) fn body_limit(route: &Route, headers: &HeaderMap) -> u64 {
    let json = route.max_json_bytes.filter(|_| {
        headers.get(CONTENT_TYPE).is_some_and(|value| {
            let media_type = value.as_bytes().split(|byte| *byte == b';').next();
            media_type.is_some_and(|media_type| {
                media_type.trim_ascii().eq_ignore_ascii_case(b"application/json")
            })
        })
    });
    json.map_or(route.max_body_bytes, |json| json.min(route.max_body_bytes))
}

/// The host that is asked for: the target's own in absolute form, else the `Host` header, which
/// must be there once (RFC 9112, section 3.2).
pub(crate) fn host(parts: &Parts) -> Result<Option<&str>, Problem> {
    let mut hosts = parts.headers.get_all(HOST).iter();
    let host = hosts.next().map(|host| host.to_str().map_err(|_| errors::BAD_HOST));
    let host = host.transpose()?;
    // HTTP/2 has it in the target (RFC 9113, section 8.3.1).
    let in_target = parts.version == Version::HTTP_2 && parts.uri.authority().is_some();
    let absent_is_fine = parts.version < Version::HTTP_11 || in_target;
    if hosts.next().is_some() || (host.is_none() && !absent_is_fine) {
        return Err(errors::BAD_HOST.closing());
    }
    let host = parts.uri.authority().map(http::uri::Authority::as_str).or(host);
    match host {
        Some(host) if !is_host(host) => Err(errors::BAD_HOST.closing()),
        host => Ok(host),
    }
}

fn is_host(host: &str) -> bool {
    let allowed = |c: u8| c.is_ascii_alphanumeric() || b"-._:[]".contains(&c);
    (1..=261).contains(&host.len()) && host.bytes().all(allowed)
}

/// The host of a target in absolute form, as the `Host` header that it replaces.
pub(crate) fn absolute_host(target: &Uri) -> Option<HeaderValue> {
    HeaderValue::from_str(target.authority()?.as_str()).ok()
}

/// A host's name alone.
pub(crate) fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        // The colons of an IPv6 address stand within brackets.
        Some((name, port)) if port.bytes().all(|c| c.is_ascii_digit()) => name,
        _ => host,
    }
}

/// True without an `Origin` (no browser), or when it is the site's own.
pub(crate) fn same_origin(parts: &Parts) -> bool {
    let headers = &parts.headers;
    let Some(origin) = headers.get(ORIGIN) else { return true };
    let authority = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = parts.uri.authority().map(http::uri::Authority::as_str).or(host);
    match (authority, host) {
        (Some((_, authority)), Some(host)) => authority.eq_ignore_ascii_case(host),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{is_host, without_port};

    #[test]
    fn hosts_are_plain() {
        for right in ["localhost:3000", "[::1]:80", "a.example.com", "10.0.0.1"] {
            assert!(is_host(right), "{right}");
        }
        for wrong in ["", "a b", "a/b", "user@host", "a,b", "a\"b"] {
            assert!(!is_host(wrong), "{wrong}");
        }
    }

    #[test]
    fn ports_are_cut_off() {
        assert_eq!(without_port("localhost:3000"), "localhost");
        assert_eq!(without_port("[::1]:3000"), "[::1]");
        assert_eq!(without_port("[::1]"), "[::1]");
        assert_eq!(without_port("localhost"), "localhost");
    }
}
