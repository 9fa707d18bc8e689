//! What the manifest says about the component's requests.

use std::{
    cell::OnceCell,
    net::{IpAddr, SocketAddr},
    rc::Rc,
};

use pingtalk_front::{cors::CorsPolicy, path};
use pingtalk_manifest::{RateLimit, Route};
use pingtalk_sdk::http::{HeaderMap, HeaderName, header};
use pingtalk_spin_platform::Served;

/// Largest body unless the manifest says otherwise, in bytes: our host's default.
const MAX_BODY: u64 = 1024 * 1024;
/// Who connected to Spin.
const SPIN_CLIENT: HeaderName = HeaderName::from_static("spin-client-addr");

/// The rules of one component.
pub(crate) struct Rules {
    /// Where it is mounted.
    routes: Vec<Route>,
    pub(crate) cors: CorsPolicy,
    /// The bucket's name and rule.
    pub(crate) rate: Option<(String, RateLimit)>,
    max_body: u64,
    max_json: Option<u64>,
}

impl Rules {
    /// The component's, read from the manifest once an instance.
    pub(crate) fn of_component() -> Result<Rc<Self>, String> {
        thread_local! {
            static RULES: OnceCell<Result<Rc<Rules>, String>> = const { OnceCell::new() };
        }
        RULES.with(|rules| rules.get_or_init(|| Self::read().map(Rc::new)).clone())
    }

    fn read() -> Result<Self, String> {
        Served::with(|served| {
            let name = served.name();
            let host = &served.manifest.application.host;
            let http = &served.component().ok_or("not declared")?.host.http;
            let triggers = served.manifest.triggers.iter();
            let routes = triggers.filter(|it| it.component == name).map(|it| it.route.clone());
            let rate = http
                .rate_limit
                .as_ref()
                .and_then(|bucket| Some((bucket.clone(), host.rate_limits.get(bucket)?.clone())));
            Ok(Self {
                routes: routes.collect(),
                cors: CorsPolicy::new(&host.cors_origins),
                rate,
                max_body: http.max_body.unwrap_or(MAX_BODY),
                max_json: http.max_json,
            })
        })?
    }

    /// The path below the longest mount point it is in.
    pub(crate) fn stripped<'p>(&self, path: &'p str) -> Option<&'p str> {
        let strip = |route: &Route| match route {
            Route::Exact(at) if path::exact(path, at) => Some(path.len()),
            Route::Below(prefix) if path::below(path, prefix) => Some(prefix.len()),
            _ => None,
        };
        let longest = self.routes.iter().filter_map(strip).max()?;
        let rest = path.get(longest..).unwrap_or_default();
        Some(if rest.is_empty() { "/" } else { rest })
    }

    /// How many bytes a request's body may have.
    pub(crate) fn body_limit(&self, headers: &HeaderMap) -> u64 {
        let json = headers.get(header::CONTENT_TYPE).is_some_and(|value| {
            let media = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
            media.trim_ascii().eq_ignore_ascii_case(b"application/json")
        });
        match self.max_json {
            Some(max_json) if json => max_json.min(self.max_body),
            _ => self.max_body,
        }
    }
}

pub(crate) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Who connected. Spin adds its own header after those of the request, so only the last is not the
/// client's word.
pub(crate) fn client(headers: &HeaderMap) -> Option<IpAddr> {
    let last = headers.get_all(SPIN_CLIENT).iter().next_back()?;
    let address: SocketAddr = last.to_str().ok()?.parse().ok()?;
    Some(address.ip())
}

/// Removes what Spin tells of a request.
pub(crate) fn drop_spin_headers(headers: &mut HeaderMap) {
    let spins: Vec<HeaderName> =
        headers.keys().filter(|name| name.as_str().starts_with("spin-")).cloned().collect();
    for name in spins {
        headers.remove(name);
    }
}
