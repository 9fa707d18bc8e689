//! The head of a request: all of it but the body.

use http::{HeaderMap, Method};

use crate::{cookies, query_string::QueryString};

/// Set by the host's gateway, which strips the client's own: the client's address after trusted
/// proxies.
const CLIENT: &str = "x-pingtalk-client";
/// Set by the host's gateway to `1` when the client came over TLS.
const SECURE: &str = "x-pingtalk-secure";
/// What `spin up` says instead: address and port.
const SPIN_CLIENT: &str = "spin-client-addr";

/// Method, path, query and headers.
#[derive(Debug, Clone)]
pub struct Head {
    method: Method,
    path: String,
    query: QueryString,
    raw_query: String,
    headers: HeaderMap,
}

impl Head {
    /// From a request's parts; `target` is the path with its query.
    #[must_use]
    pub fn new(method: Method, target: &str, headers: HeaderMap) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let path = if path.is_empty() { "/" } else { path };
        Self {
            method,
            path: path.to_owned(),
            query: QueryString::parse(query),
            raw_query: query.to_owned(),
            headers,
        }
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The path as sent, still encoded, without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The query as sent, without the question mark.
    #[must_use]
    pub fn raw_query(&self) -> &str {
        &self.raw_query
    }

    /// The query's parameters.
    #[must_use]
    pub fn query(&self) -> &QueryString {
        &self.query
    }

    /// All headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// A header's (first) value, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// A cookie's value.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<String> {
        let headers = self.headers.get_all(http::header::COOKIE);
        headers
            .iter()
            .filter_map(|value| value.to_str().ok())
            .find_map(|value| cookies::find(value, name))
    }

    /// The client's address, `unknown` when the host did not tell.
    #[must_use]
    pub fn client(&self) -> &str {
        if let Some(client) = self.header(CLIENT) {
            return client;
        }
        // Spin adds its own after those of the request: only the last is not the client's word.
        let spin = self.headers.get_all(SPIN_CLIENT).iter().next_back();
        let spin = spin.and_then(|value| value.to_str().ok()).unwrap_or("unknown");
        let address = spin.rsplit_once(':').map_or(spin, |(address, _port)| address);
        address.trim_start_matches('[').trim_end_matches(']')
    }

    /// True when the client came over TLS.
    #[must_use]
    pub fn secure(&self) -> bool {
        self.header(SECURE) == Some("1")
    }

    /// The body's media type in lower case, without parameters.
    #[must_use]
    pub fn media_type(&self) -> Option<String> {
        let value = self.header("content-type")?;
        let essence = value.split(';').next().unwrap_or(value);
        Some(essence.trim().to_ascii_lowercase())
    }
}
