//! The headers that concern the way rather than the content: those every response carries, and
//! those that end at the next hop.

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{
        CONNECTION, CONTENT_LENGTH, COOKIE, FORWARDED, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION,
        SERVER, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
        X_XSS_PROTECTION,
    },
};

/// On every response, errors included.
pub const SECURITY: [(HeaderName, HeaderValue); 3] = [
    (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (X_XSS_PROTECTION, HeaderValue::from_static("1; mode=block")),
];

/// Puts the security headers in, over whatever a component said.
pub fn secure(headers: &mut HeaderMap) {
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_XSS_PROTECTION, HeaderValue::from_static("1; mode=block"));
}

/// What a handler is told about the client. A client's own are removed first.
pub const CLIENT: HeaderName = HeaderName::from_static("x-pingtalk-client");
/// `1` when the client came over TLS; absent otherwise.
pub const SECURE: HeaderName = HeaderName::from_static("x-pingtalk-secure");

/// Removes from a request what ends at this hop (RFC 9110, section 7.6.1) and what a client could
/// use to pose as a proxy. With `upgrades`, the two headers that ask for one stay.
pub fn clean_request(headers: &mut HeaderMap, upgrades: bool) {
    drop_named_by_connection(headers, upgrades);
    retain(headers, |name| {
        if upgrades && (name == CONNECTION || name == UPGRADE) {
            return true;
        }
        let text = name.as_str();
        !(is_hop_by_hop(name)
            || name == FORWARDED
            || text.starts_with("x-forwarded-")
            || text.starts_with("x-pingtalk-")
            || text == "x-real-ip"
            || text == "x-request-id")
    });
}

/// Makes one `Cookie` of the several that HTTP/2 may split it into (RFC 9113, section 8.2.3).
pub fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(COOKIE).iter().nth(1).is_none() {
        return;
    }
    let crumbs: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(whole) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        headers.insert(COOKIE, whole);
    }
}

/// Removes from a component's response what is not its to say. `computed` when the length is known
/// from the body.
pub fn clean_response(headers: &mut HeaderMap, computed: bool) {
    retain(headers, |name| {
        let text = name.as_str();
        !(is_hop_by_hop(name)
            || name == SERVER
            || text == "x-powered-by"
            || text.starts_with("access-control-")
            || (computed && name == CONTENT_LENGTH))
    });
}

fn is_hop_by_hop(name: &HeaderName) -> bool {
    matches!(
        *name,
        CONNECTION
            | TE
            | TRAILER
            | TRANSFER_ENCODING
            | UPGRADE
            | PROXY_AUTHENTICATE
            | PROXY_AUTHORIZATION
    ) || matches!(name.as_str(), "keep-alive" | "proxy-connection")
}

/// `Connection: a, b` makes `a` and `b` hop-by-hop too.
fn drop_named_by_connection(headers: &mut HeaderMap, upgrades: bool) {
    let plain = headers
        .get_all(CONNECTION)
        .iter()
        .all(|value| matches!(value.as_bytes(), b"keep-alive" | b"close" | b"Keep-Alive"));
    if plain {
        return;
    }
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        // Naming these is an attempt to hide them from the handler.
        .filter(|name: &HeaderName| !matches!(*name, http::header::HOST | http::header::COOKIE))
        .filter(|name| !(upgrades && (*name == UPGRADE || *name == CONNECTION)))
        .collect();
    for name in named {
        headers.remove(name);
    }
}

/// Removes the names that fail the test. Most requests and responses have none, so that the
/// common case is one pass without an allocation.
fn retain(headers: &mut HeaderMap, keep: impl Fn(&HeaderName) -> bool) {
    if headers.keys().all(&keep) {
        return;
    }
    let dropped: Vec<HeaderName> = headers.keys().filter(|name| !keep(name)).cloned().collect();
    for name in dropped {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::{clean_request, clean_response};

    fn map(entries: &[(&'static str, &'static str)]) -> HeaderMap {
        entries
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn requests_lose_hop_by_hop_and_forged_headers() {
        let mut headers = map(&[
            ("connection", "close, x-secret-hop, cookie"),
            ("x-secret-hop", "1"),
            ("keep-alive", "5"),
            ("te", "trailers"),
            ("upgrade", "h2c"),
            ("x-forwarded-for", "1.2.3.4"),
            ("x-real-ip", "1.2.3.4"),
            ("forwarded", "for=1.2.3.4"),
            ("x-pingtalk-client", "1.2.3.4"),
            ("cookie", "token=x"),
            ("accept", "*/*"),
        ]);
        clean_request(&mut headers, false);
        assert_eq!(names(&headers), ["accept", "cookie"]);
    }

    #[test]
    fn an_upgrade_keeps_its_two_headers() {
        let mut headers = map(&[("connection", "Upgrade, keep-alive"), ("upgrade", "websocket")]);
        clean_request(&mut headers, true);
        assert_eq!(names(&headers), ["connection", "upgrade"]);
    }

    #[test]
    fn responses_lose_what_is_not_theirs_to_say() {
        let mut headers = map(&[
            ("server", "x"),
            ("x-powered-by", "x"),
            ("access-control-allow-origin", "*"),
            ("transfer-encoding", "chunked"),
            ("content-length", "3"),
            ("content-type", "text/plain"),
        ]);
        clean_response(&mut headers, true);
        assert_eq!(names(&headers), ["content-type"]);
    }
}
