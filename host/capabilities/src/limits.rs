//! Rate limits that several hosts keep together.
//!
//! A host decides most requests by a limit of its own memory; this one sees what reaches its
//! neighbours. It is allowed to be away: callers bound the wait and go on with their own limit, so
//! that a limit never takes a service down.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::TenantId;

/// Longest name of a bucket or a client, in bytes.
pub const MAX_NAME_BYTES: usize = 128;

/// Why nothing could be counted. Retryable, but not by the request at hand: `Unavailable`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// A name out of bounds.
    #[error("invalid: {0}")]
    Invalid(String),
    /// The limit's store is away.
    #[error("unavailable: {0}")]
    Unavailable(String),
}

/// What a client may do: one request every 1/rate seconds, and `burst` more than that at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitRule {
    /// Requests a second; 0 counts as 1.
    pub per_second: u32,
    /// Requests beyond the first that pass at once.
    pub burst: u32,
}

/// One tenant's shared limits.
#[async_trait]
pub trait SharedLimits: Send + Sync {
    /// Counts one request of a client in a bucket. The inner error says that it is one too many,
    /// and how long to wait; it did not count then. All users of a bucket give the same rule.
    ///
    /// A call that is dropped before its answer may have counted.
    async fn take(
        &self,
        bucket: &str,
        client: &str,
        rule: LimitRule,
    ) -> Result<Result<(), Duration>, LimitError>;
}

/// Opens tenants' limits.
pub trait LimitsBackend: Send + Sync {
    /// Opens a tenant's limits. Nothing is asked of the store yet.
    fn open(&self, tenant: &TenantId) -> Arc<dyn SharedLimits>;
}
