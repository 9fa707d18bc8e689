//! What only a running host knows and does.

use std::sync::Arc;

use async_trait::async_trait;
use pingtalk_capabilities::{events::Events, sockets::Sockets};

use crate::status::HostStatus;

/// Why the host can't do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlatformError {
    /// There is no such thing here.
    #[error("{0}")]
    NotFound(String),
    /// It is there and can't be reached now.
    #[error("{0}")]
    Unavailable(String),
}

/// A tenant's queues.
pub struct Queues {
    /// What holds them.
    pub events: Arc<dyn Events>,
    /// Their names, as the manifest in force declares them.
    pub names: Vec<String>,
}

/// The running host, for the admin API.
#[async_trait]
pub trait Platform: Send + Sync + 'static {
    /// Its figures. What must be asked of servers, such as the depth of queues, may be some seconds
    /// old.
    async fn status(&self) -> HostStatus;

    /// A tenant's queues; opens the tenant if it is not open.
    async fn queues(&self, tenant: &str) -> Result<Queues, PlatformError>;

    /// A tenant's sockets, if it is open.
    async fn sockets(&self, tenant: &str) -> Result<Arc<dyn Sockets>, PlatformError>;

    /// Whether it can serve: what is wrong, if something is.
    async fn health(&self) -> Result<(), String>;

    /// Starts to end in good order, as at SIGTERM. Returns at once.
    fn drain(&self);
}
