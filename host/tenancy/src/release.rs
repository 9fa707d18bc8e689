//! A release: an immutable set of components that a tenant runs together.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use pingtalk_runtime::Drained;
use tokio_util::task::{TaskTracker, task_tracker::TaskTrackerToken};

use crate::service::Service;

/// The components of one release, ready to be called.
pub struct Release {
    name: Arc<str>,
    services: BTreeMap<String, Arc<dyn Service>>,
    /// Counts the calls that have chosen this release.
    calls: TaskTracker,
    retired: AtomicBool,
}

/// Keeps a release alive while a call runs on it.
pub(crate) struct Ticket(#[expect(dead_code, reason = "held for its Drop")] TaskTrackerToken);

impl Release {
    /// Puts services together under their component names.
    #[must_use]
    pub fn new(name: &str, services: BTreeMap<String, Arc<dyn Service>>) -> Self {
        Self {
            name: Arc::from(name),
            services,
            calls: TaskTracker::new(),
            retired: AtomicBool::new(false),
        }
    }

    /// Its name, as an operator knows it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Every component's service, by name.
    pub fn services(&self) -> impl Iterator<Item = (&str, &Arc<dyn Service>)> {
        self.services.iter().map(|(name, service)| (name.as_str(), service))
    }

    /// Calls inside.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.calls.len()
    }

    /// A component's service.
    #[must_use]
    pub fn service(&self, component: &str) -> Option<&Arc<dyn Service>> {
        self.services.get(component)
    }

    /// Enters the release for one call; none when it was retired in the meantime, and the caller
    /// must look up the current one again.
    pub(crate) fn enter(&self) -> Option<Ticket> {
        // The token first: whoever retires the release sees either this call or no call.
        let ticket = Ticket(self.calls.token());
        if self.retired.load(Ordering::SeqCst) { None } else { Some(ticket) }
    }

    /// Lets no further call in, waits for those inside and drops the instances.
    pub async fn retire(&self, deadline: Instant) -> Drained {
        self.retired.store(true, Ordering::SeqCst);
        self.calls.close();
        let inside = tokio::time::timeout_at(deadline.into(), self.calls.wait()).await;
        let mut cut_off = 0;
        for service in self.services.values() {
            if let Drained::CutOff(calls) = service.drain(deadline).await {
                cut_off += calls;
            }
        }
        match (inside, cut_off) {
            (Ok(()), 0) => Drained::Finished,
            (_, calls) => Drained::CutOff(calls),
        }
    }
}
