//! Cross-origin rules: which pages may use the site with the user's cookie.
//!
//! A component's own CORS headers are removed, so that each header stands there once.

use http::{
    HeaderMap, HeaderValue, Method, Response, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS,
        ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, ORIGIN,
        VARY,
    },
};

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, DELETE, PATCH, OPTIONS");
const HEADERS: HeaderValue = HeaderValue::from_static("Content-Type, Authorization");
/// How long a browser may remember a preflight, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// The origins a site is open to. Empty: none, and `OPTIONS` goes to the handlers.
#[derive(Debug, Clone, Default)]
pub struct CorsPolicy {
    origins: Vec<HeaderValue>,
}

impl CorsPolicy {
    /// Takes origins as browsers send them (`https://example.com`, no path), compared exactly.
    /// What can't be a header's value can't be an origin and is left out.
    #[must_use]
    pub fn new<S: AsRef<str>>(origins: impl IntoIterator<Item = S>) -> Self {
        let origins = origins
            .into_iter()
            .filter_map(|origin| HeaderValue::from_str(origin.as_ref()).ok())
            .collect();
        Self { origins }
    }

    /// True when the site is open to any origin.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !self.origins.is_empty()
    }

    /// True for an origin that the site is open to.
    #[must_use]
    pub fn allows(&self, origin: &HeaderValue) -> bool {
        self.origins.contains(origin)
    }

    /// The request's origin, if it is an allowed one.
    #[must_use]
    pub fn allowed(&self, request: &HeaderMap) -> Option<HeaderValue> {
        let mut origins = request.get_all(ORIGIN).iter();
        let origin = origins.next().filter(|origin| self.allows(origin))?;
        // Two of them are a forgery.
        origins.next().is_none().then(|| origin.clone())
    }

    /// Adds the headers to a response. The methods and headers go out with every allowed origin,
    /// as the original's gateway did.
    pub fn apply(&self, origin: Option<HeaderValue>, headers: &mut HeaderMap) {
        if !self.is_on() {
            return;
        }
        add_vary(headers);
        let Some(origin) = origin else { return };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
    }

    /// The gateway's answer to `OPTIONS` on a route: with CORS on, no handler sees it.
    #[must_use]
    pub fn preflight(&self, method: &Method, origin: bool) -> Option<Response<()>> {
        if !self.is_on() || *method != Method::OPTIONS {
            return None;
        }
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::NO_CONTENT;
        if origin {
            response.headers_mut().insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        }
        Some(response)
    }
}

/// The response differs by origin, so caches must keep them apart. Adds to what a handler said.
fn add_vary(headers: &mut HeaderMap) {
    let value = match headers.get(VARY).and_then(|vary| vary.to_str().ok()) {
        None => HeaderValue::from_static("Origin"),
        Some(vary) => {
            let named = vary.split(',').any(|name| {
                matches!(name.trim(), "*") || name.trim().eq_ignore_ascii_case("origin")
            });
            if named {
                return;
            }
            match HeaderValue::try_from(format!("{vary}, Origin")) {
                Ok(value) => value,
                Err(_) => return,
            }
        }
    };
    headers.insert(VARY, value);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use http::{HeaderMap, HeaderValue, header::VARY};

    use super::CorsPolicy;

    #[test]
    fn origins_are_compared_exactly() {
        let policy = CorsPolicy::new(["http://localhost:5173", "https://yourdomain.com"]);
        let allows = |origin: &'static str| policy.allows(&HeaderValue::from_static(origin));
        assert!(allows("http://localhost:5173"));
        for wrong in [
            "http://localhost:51730",
            "http://localhost:5173/",
            "HTTP://localhost:5173",
            "https://evil.yourdomain.com",
            "https://yourdomain.com.evil.com",
            "null",
        ] {
            assert!(!allows(wrong), "{wrong}");
        }
    }

    #[test]
    fn vary_is_added_once() {
        let policy = CorsPolicy::new(["http://a"]);
        let vary = |value: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert(VARY, HeaderValue::from_static(value));
            }
            policy.apply(None, &mut headers);
            headers.get(VARY).unwrap().to_str().unwrap().to_owned()
        };
        assert_eq!(vary(None), "Origin");
        assert_eq!(vary(Some("Accept")), "Accept, Origin");
        assert_eq!(vary(Some("accept, origin")), "accept, origin");
    }
}
