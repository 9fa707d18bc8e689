//! The gateway itself: what all its connections share.

use std::sync::Arc;

use crate::{body::Budget, config::Config, metrics::Metrics, site::Sites, tls::Tls};

/// Serves sites. Cheap to clone; clones share their bounds and counters.
#[derive(Clone)]
pub struct Gateway {
    pub(crate) config: Arc<Config>,
    pub(crate) sites: Arc<dyn Sites>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) bodies: Arc<Budget>,
    pub(crate) tls: Option<Arc<Tls>>,
}

impl Gateway {
    /// A gateway for these sites.
    #[must_use]
    pub fn new(config: Config, sites: Arc<dyn Sites>) -> Self {
        let bodies = Arc::new(Budget::new(config.body_buffer_bytes));
        Self { config: Arc::new(config), sites, metrics: Arc::default(), bodies, tls: None }
    }

    /// The same gateway for other sites, such as those of another port. Connections, buffered
    /// bodies and counters are shared.
    #[must_use]
    pub fn with_sites(&self, sites: Arc<dyn Sites>) -> Self {
        Self { sites, ..self.clone() }
    }

    /// The same gateway over TLS. Clients may speak HTTP/2 then, too.
    #[must_use]
    pub fn with_tls(&self, tls: Arc<Tls>) -> Self {
        Self { tls: Some(tls), ..self.clone() }
    }

    /// Its counters.
    #[must_use]
    pub fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.metrics)
    }
}
