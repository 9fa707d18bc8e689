//! What a host name serves: a table of routes.

use std::{
    future::Future,
    net::{IpAddr, Ipv4Addr},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use pingtalk_capabilities::calls::{CallError, HttpHandler};

use pingtalk_front::{cors::CorsPolicy, path};

use crate::{egress::Egress, metrics::RouteMetrics, rate_limit::RateLimit};

/// Which paths a route takes, in any letter case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// This path, with or without a trailing slash.
    Exact(String),
    /// This path and everything below it; empty: every path.
    Below(String),
}

impl Match {
    fn takes(&self, path: &str) -> bool {
        match self {
            Self::Exact(wanted) => path::exact(path, wanted),
            Self::Below(prefix) => path::below(path, prefix),
        }
    }

    /// Exact paths go before prefixes, longer prefixes before shorter ones.
    fn rank(&self) -> (bool, usize) {
        match self {
            Self::Exact(path) => (true, path.len()),
            Self::Below(prefix) => (false, prefix.len()),
        }
    }
}

/// What stands behind a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteKind {
    /// A component. With CORS on, `OPTIONS` is answered by the gateway.
    Service,
    /// The socket server: requests may ask for an upgrade, and keep hyper's `OnUpgrade`. A
    /// browser's request from an origin that is neither allowed nor the site's own is refused,
    /// because browsers do not apply CORS to WebSockets, and a poll is as good as one.
    Sockets,
    /// Files and blobs. Request bodies are not for them and stay unread.
    Files,
}

/// One route.
pub struct Route {
    /// For logs and counters.
    pub name: Arc<str>,
    /// The component behind it, for counters; none for files and sockets.
    pub component: Option<Arc<str>>,
    /// Which paths.
    pub matches: Match,
    /// What answers. [`pingtalk_capabilities::calls::CallError::NotExported`] becomes 404.
    pub handler: Arc<dyn HttpHandler>,
    /// What kind of thing that is.
    pub kind: RouteKind,
    /// Whether the handler sees the path without the prefix.
    pub strip_prefix: bool,
    /// Largest request body in bytes. Over it: 413.
    pub max_body_bytes: u64,
    /// Largest JSON request body in bytes, if lower.
    pub max_json_bytes: Option<u64>,
    /// The bucket its requests count in. Routes may share one.
    pub rate_limit: Option<Arc<RateLimit>>,
    /// How long the handler may take to answer, once the body is there. A second later the
    /// gateway answers 504 for it.
    pub deadline: Duration,
    /// Its figures.
    pub metrics: RouteMetrics,
}

impl Route {
    fn new(matches: Match, handler: Arc<dyn HttpHandler>, kind: RouteKind) -> Self {
        let name = match &matches {
            Match::Exact(path) | Match::Below(path) => Arc::from(path.as_str()),
        };
        Self {
            name,
            component: None,
            matches,
            handler,
            kind,
            strip_prefix: false,
            max_body_bytes: 1024 * 1024,
            max_json_bytes: None,
            rate_limit: None,
            deadline: Duration::from_secs(30),
            metrics: RouteMetrics::default(),
        }
    }

    /// A component below `prefix` (without a trailing slash), which it does not see.
    #[must_use]
    pub fn service(prefix: &str, handler: Arc<dyn HttpHandler>) -> Self {
        let matches = Match::Below(prefix.trim_end_matches('/').to_owned());
        Self { strip_prefix: true, ..Self::new(matches, handler, RouteKind::Service) }
    }

    /// The socket server at exactly this path. A poll may wait for a minute: the server's ping
    /// interval is well below that.
    #[must_use]
    pub fn sockets(path: &str, handler: Arc<dyn HttpHandler>) -> Self {
        let matches = Match::Exact(path.trim_end_matches('/').to_owned());
        Self {
            deadline: Duration::from_secs(60),
            ..Self::new(matches, handler, RouteKind::Sockets)
        }
    }

    /// Files below `prefix`, which they do not see. They get no request bodies either.
    #[must_use]
    pub fn files(prefix: &str, handler: Arc<dyn HttpHandler>) -> Self {
        let matches = Match::Below(prefix.trim_end_matches('/').to_owned());
        Self { strip_prefix: true, ..Self::new(matches, handler, RouteKind::Files) }
    }

    /// Its name in traces, which the route of all paths has too.
    pub(crate) fn label(&self) -> &str {
        if self.name.is_empty() { "/" } else { &self.name }
    }

    /// How many bytes of the path the handler does not see.
    pub(crate) fn stripped(&self) -> usize {
        match &self.matches {
            Match::Below(prefix) if self.strip_prefix => prefix.len(),
            _ => 0,
        }
    }
}

/// What one host name serves. Immutable: a change makes a new one.
#[derive(Default)]
pub struct Site {
    /// Whose it is, for the access log.
    name: Arc<str>,
    routes: Vec<Route>,
    health: bool,
    cors: CorsPolicy,
    /// Over all its clients and routes.
    limit: Option<RateLimit>,
    egress: Option<Arc<Egress>>,
}

impl Site {
    /// A table of routes. Exact paths go before prefixes, longer prefixes before shorter ones.
    #[must_use]
    pub fn new(mut routes: Vec<Route>) -> Self {
        routes.sort_by_key(|route| std::cmp::Reverse(route.matches.rank()));
        Self { routes, ..Self::default() }
    }

    /// Names whose it is, for the access log.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.name = Arc::from(name);
        self
    }

    /// Whose it is; empty when nobody said.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Answers `/health`, whatever the method, with 200 and `API Gateway is healthy`.
    #[must_use]
    pub fn with_health(mut self) -> Self {
        self.health = true;
        self
    }

    /// Opens the site to other origins.
    #[must_use]
    pub fn with_cors(mut self, cors: CorsPolicy) -> Self {
        self.cors = cors;
        self
    }

    /// Bounds the requests of all its clients together. Over it: 429.
    #[must_use]
    pub fn with_limit(mut self, limit: RateLimit) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Bounds the bytes a second of all its responses' bodies together. Above it they wait.
    #[must_use]
    pub fn with_egress(mut self, egress: Arc<Egress>) -> Self {
        self.egress = Some(egress);
        self
    }

    pub(crate) fn egress(&self) -> Option<&Arc<Egress>> {
        self.egress.as_ref()
    }

    /// Takes a request into the common bound, or says how long to wait.
    pub(crate) fn take(&self) -> Result<(), Duration> {
        // One bucket, whoever asks.
        self.limit.as_ref().map_or(Ok(()), |limit| limit.take(IpAddr::V4(Ipv4Addr::UNSPECIFIED)))
    }

    /// The routes, in the order in which they are tried.
    #[must_use]
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    pub(crate) fn health(&self) -> bool {
        self.health
    }

    pub(crate) fn cors(&self) -> &CorsPolicy {
        &self.cors
    }

    pub(crate) fn find(&self, path: &str) -> Option<&Route> {
        self.routes.iter().find(|route| route.matches.takes(path))
    }
}

/// Opens a site.
pub type Waking = Pin<Box<dyn Future<Output = Result<Arc<Site>, CallError>> + Send>>;

/// Whose a host name is.
pub enum Found {
    /// Its site.
    Here(Arc<Site>),
    /// Its site has to be opened first; the request waits for it, within bounds.
    Waking(Waking),
    /// Nobody's: 421.
    Nowhere,
}

/// Finds the site of a host name. Called for each request, so it should only look something up.
pub trait Sites: Send + Sync {
    /// The site of a name (as sent, without the port), or of a request without one.
    fn site(&self, host: Option<&str>) -> Found;
}

/// One site for every host name.
pub struct OneSite(pub Arc<Site>);

impl Sites for OneSite {
    fn site(&self, _host: Option<&str>) -> Found {
        Found::Here(Arc::clone(&self.0))
    }
}
