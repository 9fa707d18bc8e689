//! What a request to the endpoint asks for, checked in the reference server's order.

use std::str::FromStr;

use engineioxide::socket::Sid;
use http::{HeaderMap, Method, header};

use super::answers::Refusal;

/// A request that makes sense by itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asks {
    /// Open a session over long-polling.
    OpenPolling,
    /// Open a session over WebSocket.
    OpenWebSocket,
    /// Wait for messages.
    Poll(Sid),
    /// Deliver messages.
    Post(Sid),
    /// Move a session to a WebSocket.
    Upgrade(Sid),
}

/// Reads a request's line and headers.
pub(super) fn read(
    method: &Method,
    query: Option<&str>,
    headers: &HeaderMap,
) -> Result<Asks, Refusal> {
    let value = |name: &str| {
        query.unwrap_or_default().split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=')?;
            (key == name).then_some(value)
        })
    };
    let websocket = match value("transport") {
        Some("polling") => false,
        Some("websocket") => true,
        _ => return Err(Refusal::UnknownTransport),
    };
    let upgrade = is_upgrade(headers);
    // The browser API can't open a WebSocket with anything but GET.
    if websocket && !(upgrade && method == Method::GET) {
        let opening = value("sid").is_none() && method != Method::GET;
        return Err(if opening { Refusal::BadMethod } else { Refusal::BadRequest });
    }
    if let Some(sid) = value("sid") {
        let sid = Sid::from_str(sid).map_err(|_| Refusal::UnknownSession)?;
        return match (websocket, method) {
            (true, _) => Ok(Asks::Upgrade(sid)),
            (false, &Method::GET) => Ok(Asks::Poll(sid)),
            (false, &Method::POST) => Ok(Asks::Post(sid)),
            _ => Err(Refusal::BadRequest),
        };
    }
    if method != Method::GET {
        return Err(Refusal::BadMethod);
    }
    if value("EIO") != Some("4") {
        return Err(Refusal::UnsupportedProtocol);
    }
    Ok(if websocket { Asks::OpenWebSocket } else { Asks::OpenPolling })
}

/// RFC 6455, section 4.2.1.
fn is_upgrade(headers: &HeaderMap) -> bool {
    let lists =
        |name, word: &str| {
            headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).any(|value| {
                value.split(',').any(|item| item.trim_ascii().eq_ignore_ascii_case(word))
            })
        };
    lists(header::UPGRADE, "websocket")
        && lists(header::CONNECTION, "upgrade")
        && headers.get(header::SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13")
        && headers.contains_key(header::SEC_WEBSOCKET_KEY)
}

/// Whether a page of this request's origin may use the endpoint. CORS does not cover WebSockets,
/// so this is what keeps a foreign page from using its visitor's cookie. Clients that are no
/// browsers send no origin.
pub(super) fn origin_allowed(headers: &HeaderMap, allowed: &[String]) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    match (origins.next(), origins.next()) {
        (None, _) => true,
        (Some(origin), None) => {
            allowed.iter().any(|one| one == "*" || one.as_bytes() == origin.as_bytes())
        }
        (Some(_), Some(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
    use http::{HeaderName, HeaderValue};

    use super::*;

    const SID: &str = "AAAAAAAAAAAAAAAA";

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(k, v)| (HeaderName::from_static(k), HeaderValue::from_static(v)))
            .collect()
    }

    fn upgrade() -> HeaderMap {
        headers(&[
            ("upgrade", "WebSocket"),
            ("connection", "keep-alive, Upgrade"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ])
    }

    #[test]
    fn requests() {
        let none = HeaderMap::new();
        let sid = Sid::from_str(SID).unwrap();
        let ask = |method: Method, query: &str, headers: &HeaderMap| {
            read(&method, Some(&query.replace("SID", SID)), headers)
        };
        let (get, post) = (Method::GET, Method::POST);
        assert_eq!(ask(get.clone(), "EIO=4&transport=polling", &none), Ok(Asks::OpenPolling));
        assert_eq!(
            ask(get.clone(), "EIO=4&transport=websocket", &upgrade()),
            Ok(Asks::OpenWebSocket)
        );
        assert_eq!(ask(get.clone(), "EIO=4&transport=polling&sid=SID", &none), Ok(Asks::Poll(sid)));
        assert_eq!(
            ask(post.clone(), "EIO=4&transport=polling&sid=SID", &none),
            Ok(Asks::Post(sid))
        );
        assert_eq!(
            ask(get.clone(), "EIO=4&transport=websocket&sid=SID", &upgrade()),
            Ok(Asks::Upgrade(sid))
        );
        for (method, query, refusal) in [
            (&get, "EIO=4", Refusal::UnknownTransport),
            (&get, "EIO=4&transport=abc", Refusal::UnknownTransport),
            (&get, "transport=polling", Refusal::UnsupportedProtocol),
            (&get, "EIO=3&transport=polling", Refusal::UnsupportedProtocol),
            (&post, "EIO=4&transport=polling", Refusal::BadMethod),
            (&get, "EIO=4&transport=polling&sid=abc", Refusal::UnknownSession),
            (&get, "EIO=4&transport=polling&sid=", Refusal::UnknownSession),
            (&get, "EIO=4&transport=websocket", Refusal::BadRequest),
            (&Method::PUT, "EIO=4&transport=polling&sid=SID", Refusal::BadRequest),
        ] {
            assert_eq!(ask(method.clone(), query, &none), Err(refusal), "{method} {query}");
        }
    }

    #[test]
    fn origins() {
        let allowed = ["http://localhost:5173".to_owned()];
        assert!(origin_allowed(&HeaderMap::new(), &allowed));
        assert!(origin_allowed(&headers(&[("origin", "http://localhost:5173")]), &allowed));
        for foreign in ["http://localhost:5173.evil.test", "https://localhost:5173", "null", ""] {
            assert!(!origin_allowed(&headers(&[("origin", foreign)]), &allowed), "{foreign}");
        }
        assert!(origin_allowed(&headers(&[("origin", "null")]), &["*".to_owned()]));
    }
}
