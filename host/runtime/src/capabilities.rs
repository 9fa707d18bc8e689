//! What one component of one release may ask of the host. Nothing is there that is not put here,
//! and a component that imports what is missing is refused when its instances are made.

use std::{collections::BTreeMap, fmt, net::IpAddr, sync::Arc, time::Duration};

use pingtalk_capabilities::{
    TenantId, blobs::Blobs, cache::Cache, documents::Documents, sockets::Sockets,
};

/// Whom a component runs for: the fields of its log lines and of its counters.
#[derive(Debug, Clone)]
pub struct Names {
    /// The tenant.
    pub tenant: TenantId,
    /// The component's name in the manifest.
    pub component: Arc<str>,
    /// The release's name or digest.
    pub release: Arc<str>,
}

/// The capabilities granted to one component.
#[derive(Clone, Default)]
pub struct Capabilities {
    /// Answers `pingtalk:documents/store`.
    pub documents: Option<Arc<dyn Documents>>,
    /// Answers `pingtalk:cache/store`.
    pub cache: Option<Arc<dyn Cache>>,
    /// Answers `pingtalk:blobs/store`.
    pub blobs: Option<Arc<dyn Blobs>>,
    /// Answers `pingtalk:sockets/server`.
    pub sockets: Option<Arc<dyn Sockets>>,
    /// Answers `wasi:config/store`.
    pub variables: Variables,
    /// Bounds `wasi:http/client`.
    pub outbound: OutboundPolicy,
}

impl fmt::Debug for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Capabilities")
            .field("documents", &self.documents.is_some())
            .field("cache", &self.cache.is_some())
            .field("blobs", &self.blobs.is_some())
            .field("sockets", &self.sockets.is_some())
            .field("variables", &self.variables)
            .field("outbound", &self.outbound)
            .finish()
    }
}

/// The manifest's variables and the operator's secrets. Its Debug shows names only.
#[derive(Clone, Default)]
pub struct Variables(Arc<BTreeMap<String, String>>);

impl Variables {
    /// The value of a variable.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl FromIterator<(String, String)> for Variables {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self(Arc::new(variables.into_iter().collect()))
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Which hosts a component may send HTTP requests to, and how far a request may go.
///
/// Addresses that are not public (private, loopback, link-local, metadata services, …) are refused
/// after the name was resolved, unless a grant names the address itself (or `localhost`), or
/// [`OutboundPolicy::addresses`] does.
#[derive(Debug, Clone)]
pub struct OutboundPolicy {
    /// Granted origins: `https://api.example.com`, `http://10.0.0.7:8080`. `*` may stand for the
    /// scheme, the whole host, its first labels (`https://*.example.com`) or the port. A port that
    /// is left out is the scheme's own. Empty: nothing may be sent.
    pub hosts: Vec<String>,
    /// Addresses that may be connected to although they are not public.
    pub addresses: Vec<IpAddr>,
    /// To resolve, connect and finish the TLS handshake.
    pub connect_timeout: Duration,
    /// From sending to the response's headers, and the longest pause within its body.
    pub response_timeout: Duration,
    /// Largest request or response body, in bytes.
    pub max_body_bytes: u64,
    /// Requests at once, for all instances of the component on this host.
    pub concurrency: usize,
}

impl Default for OutboundPolicy {
    fn default() -> Self {
        Self {
            hosts: Vec::new(),
            addresses: Vec::new(),
            connect_timeout: Duration::from_secs(5),
            response_timeout: Duration::from_secs(10),
            max_body_bytes: 8 * 1024 * 1024,
            concurrency: 16,
        }
    }
}
