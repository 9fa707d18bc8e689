//! A component of a release, as a tenant's callers see it.

use std::time::Instant;

use async_trait::async_trait;
use pingtalk_capabilities::calls::{EventHandler, HttpHandler, SocketHandler};
use pingtalk_runtime::{Drained, Instances, Stats};

/// Something that answers calls until it is drained: the instances of a component, or a stand-in
/// in tests.
#[async_trait]
pub trait Service: HttpHandler + EventHandler + SocketHandler {
    /// Waits until the calls in hand are done, or cuts them off at the deadline.
    async fn drain(&self, deadline: Instant) -> Drained;

    /// The digest of the component it runs; empty for a stand-in.
    fn digest(&self) -> &str {
        ""
    }

    /// What it has used so far.
    fn stats(&self) -> Stats {
        Stats::default()
    }
}

#[async_trait]
impl Service for Instances {
    async fn drain(&self, deadline: Instant) -> Drained {
        Self::drain(self, deadline).await
    }

    fn digest(&self) -> &str {
        self.component().digest()
    }

    fn stats(&self) -> Stats {
        Self::stats(self)
    }
}
