//! From a manifest to the gateway's tables of routes: the site on the gateway's port, and one for
//! each component that has a port of its own.

use std::{
    collections::{BTreeMap, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    sync::Arc,
};

use pingtalk_capabilities::{blobs::Blobs, calls::HttpHandler, limits::SharedLimits};
use pingtalk_gateway::{
    CorsPolicy, Egress, Match, PublicBlobs, RateLimit, RateRule, Route, Site, StaticFile,
    StaticFiles,
};
use pingtalk_manifest::{self as manifest, Component, Manifest};
use pingtalk_runtime::Limits;
use pingtalk_sockets::SocketServer;
use pingtalk_tenancy::{Tenant, control::TenantBudgets};

/// The web client's files: path and content.
const WEB: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/web_files.rs"));

/// The Engine.IO path on a direct port, as the original's services have it.
const DIRECT_SOCKET_PATH: &str = "/socket.io";

/// What the sites are made of.
pub(crate) struct Parts<'a> {
    pub(crate) manifest: &'a Manifest,
    pub(crate) tenant: &'a Arc<Tenant>,
    pub(crate) sockets: &'a Arc<SocketServer>,
    pub(crate) blobs: &'a Arc<dyn Blobs>,
    /// Kept together with other hosts, where there are any.
    pub(crate) limits: Option<&'a Arc<dyn SharedLimits>>,
    pub(crate) origins: &'a [String],
    pub(crate) budgets: TenantBudgets,
}

impl Parts<'_> {
    /// Everything, on the gateway's port.
    pub(crate) fn gateway(&self) -> Site {
        let limits: BTreeMap<&str, Arc<RateLimit>> = self
            .manifest
            .application
            .host
            .rate_limits
            .iter()
            .map(|(name, limit)| (name.as_str(), Arc::new(self.limit(name, *limit))))
            .collect();
        let mut routes = Vec::new();
        for trigger in &self.manifest.triggers {
            let Some(component) = self.manifest.components.get(&trigger.component) else {
                continue;
            };
            let mut route = match &trigger.route {
                manifest::Route::Below(prefix) => {
                    Route::service(prefix, self.tenant.component(&trigger.component))
                }
                manifest::Route::Exact(path) => {
                    let mut route = Route::service(path, self.tenant.component(&trigger.component));
                    route.matches = Match::Exact(path.clone());
                    route.strip_prefix = false;
                    route
                }
                manifest::Route::Private => continue,
            };
            bound(&mut route, &trigger.component, component);
            let bucket = component.host.http.rate_limit.as_deref();
            route.rate_limit = bucket.and_then(|name| limits.get(name).map(Arc::clone));
            routes.push(route);
        }
        for component in self.manifest.components.values() {
            for path in &component.host.sockets.paths {
                routes.push(self.socket_route(path));
            }
        }
        let public = self.manifest.application.host.public_blobs.clone();
        if !public.is_empty() {
            let blobs = Arc::new(PublicBlobs::new(Arc::clone(self.blobs), public));
            routes.push(Route::files(&format!("/blobs/{}", self.tenant.id()), blobs));
        }
        // An application that takes the root brings its own pages.
        let root = Match::Below(String::new());
        if !routes.iter().any(|route| route.matches == root) {
            routes.push(Route::files("", web_client()));
        }
        let site = Site::new(routes)
            .named(self.tenant.id().as_str())
            .with_health()
            .with_cors(CorsPolicy::new(self.origins));
        let site = match self.budgets.requests_per_second {
            Some(per_second) => site.with_limit(RateLimit::new(RateRule {
                per_second,
                // A second's worth at once.
                burst: per_second,
                ..RateRule::default()
            })),
            None => site,
        };
        match self.budgets.response_bytes_per_second {
            Some(bytes) => site.with_egress(Egress::new(bytes)),
            None => site,
        }
    }

    /// The sites of components that may have a port of their own, by component.
    pub(crate) fn direct_sites(&self) -> BTreeMap<String, Arc<Site>> {
        let components = self.manifest.components.iter();
        components
            .filter(|(_, component)| component.host.direct_port.is_some())
            .map(|(name, component)| (name.clone(), Arc::new(self.direct(name, component))))
            .collect()
    }

    /// One component without its prefix, and the sockets if it serves them.
    fn direct(&self, name: &str, component: &Component) -> Site {
        let mut route = Route::service("", self.tenant.component(name));
        bound(&mut route, name, component);
        let mut routes = vec![route];
        if component.host.sockets.serve {
            routes.push(self.socket_route(DIRECT_SOCKET_PATH));
        }
        Site::new(routes).named(self.tenant.id().as_str()).with_cors(CorsPolicy::new(self.origins))
    }

    fn limit(&self, name: &str, limit: manifest::RateLimit) -> RateLimit {
        let limit = RateLimit::new(rule(limit));
        match self.limits {
            Some(limits) => limit.shared(Arc::clone(limits), name),
            None => limit,
        }
    }

    fn socket_route(&self, path: &str) -> Route {
        let mut route = Route::sockets(path, Arc::clone(self.sockets) as Arc<dyn HttpHandler>);
        // A poll's body may hold as much as a WebSocket message (Engine.IO's maxPayload); the
        // server refuses more.
        route.max_body_bytes = MAX_POLL_BYTES;
        route
    }
}

/// Engine.IO's default `maxPayload`, and something for the packets' separators.
const MAX_POLL_BYTES: u64 = 1_000_000 + 4_096;

/// The component's name and bounds on its route.
fn bound(route: &mut Route, name: &str, component: &Component) {
    route.component = Some(Arc::from(name));
    let http = &component.host.http;
    if let Some(bytes) = http.max_body {
        route.max_body_bytes = bytes;
    }
    route.max_json_bytes = http.max_json;
    route.deadline = component.host.budgets.wall_time.unwrap_or(Limits::default().wall_time);
}

fn rule(limit: manifest::RateLimit) -> RateRule {
    RateRule { per_second: limit.requests_per_second, burst: limit.burst, ..RateRule::default() }
}

/// The web client, from the binary.
fn web_client() -> Arc<StaticFiles> {
    Arc::new(StaticFiles::new(WEB.iter().map(|(path, bytes)| StaticFile {
        path,
        content_type: pingtalk_front::files::content_type(path),
        bytes,
        etag: etag(bytes),
    })))
}

/// Changes with the content; equal for one binary, which is all that is promised.
pub(super) fn etag(bytes: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}
