//! A tenant: who is served, and the release that serves them now.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use pingtalk_capabilities::TenantId;
use pingtalk_runtime::Drained;

use crate::{
    component::ComponentHandle,
    release::{Release, Ticket},
};

/// How long the calls of a replaced release may go on before they are cut off.
pub const DRAIN_TIME: Duration = Duration::from_secs(30);

/// A tenant of this host.
pub struct Tenant {
    id: TenantId,
    current: ArcSwap<Release>,
}

impl Tenant {
    /// A tenant that runs `release`.
    #[must_use]
    pub fn new(id: TenantId, release: Release) -> Arc<Self> {
        Arc::new(Self { id, current: ArcSwap::from_pointee(release) })
    }

    /// Who it is.
    #[must_use]
    pub fn id(&self) -> &TenantId {
        &self.id
    }

    /// A handle to one component, whichever release is current when it is called.
    #[must_use]
    pub fn component(self: &Arc<Self>, name: &str) -> Arc<ComponentHandle> {
        Arc::new(ComponentHandle::new(Arc::clone(self), name))
    }

    /// The release in force.
    #[must_use]
    pub fn current(&self) -> Arc<Release> {
        self.current.load_full()
    }

    /// Makes `release` the current one: calls from now on go there, those in hand finish on the
    /// old one, which is then dropped. Returns how the old one ended.
    pub async fn switch(&self, release: Release) -> Drained {
        let old = self.current.swap(Arc::new(release));
        let drained = old.retire(Instant::now() + DRAIN_TIME).await;
        tracing::info!(tenant = %self.id, old = old.name(), ?drained, "release replaced");
        drained
    }

    /// Ends the tenant on this host: no more calls, those in hand finish by the deadline.
    pub async fn close(&self, deadline: Instant) -> Drained {
        self.current().retire(deadline).await
    }

    /// Enters the current release for one call.
    pub(crate) fn enter(&self) -> Option<(Arc<Release>, Ticket)> {
        // A release is retired only after the next one became current, so the second look finds
        // another one. When it is the same, the tenant is being closed.
        let mut last: Option<Arc<Release>> = None;
        loop {
            let release = self.current();
            if let Some(ticket) = release.enter() {
                return Some((release, ticket));
            }
            if last.is_some_and(|last| Arc::ptr_eq(&last, &release)) {
                return None;
            }
            last = Some(release);
        }
    }
}
