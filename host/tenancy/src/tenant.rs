//! A tenant on this host: who is served, and the releases that serve them now.

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

/// A release that serves a share of the calls beside the one in force.
#[derive(Clone)]
pub struct Trial {
    /// The release.
    pub release: Arc<Release>,
    /// Its share in percent.
    pub percent: u8,
}

/// What serves a tenant at a moment.
struct Serving {
    current: Arc<Release>,
    trial: Option<Trial>,
}

impl Serving {
    /// The release for a call. Calls with one key go to one release for as long as nothing is
    /// switched, so that a client does not change sides with each request.
    fn pick(&self, key: impl FnOnce() -> u64) -> &Arc<Release> {
        match &self.trial {
            Some(trial) if key() % 100 < u64::from(trial.percent) => &trial.release,
            _ => &self.current,
        }
    }

    fn releases(&self) -> impl Iterator<Item = &Arc<Release>> {
        std::iter::once(&self.current).chain(self.trial.iter().map(|trial| &trial.release))
    }
}

/// Releases that served and don't any more.
pub struct Replaced {
    tenant: TenantId,
    releases: Vec<Arc<Release>>,
}

impl Replaced {
    /// Waits for the calls in hand, and drops the releases. Returns how that ended.
    pub async fn drain(self) -> Drained {
        let deadline = Instant::now() + DRAIN_TIME;
        let mut cut_off = 0;
        for release in self.releases {
            let drained = release.retire(deadline).await;
            let (tenant, name) = (&self.tenant, release.name());
            tracing::info!(%tenant, release = name, ?drained, "release retired");
            if let Drained::CutOff(calls) = drained {
                cut_off += calls;
            }
        }
        if cut_off == 0 { Drained::Finished } else { Drained::CutOff(cut_off) }
    }
}

/// A tenant of this host.
pub struct Tenant {
    id: TenantId,
    serving: ArcSwap<Serving>,
}

impl Tenant {
    /// A tenant that runs `release`.
    #[must_use]
    pub fn new(id: TenantId, release: Release) -> Arc<Self> {
        let serving = Serving { current: Arc::new(release), trial: None };
        Arc::new(Self { id, serving: ArcSwap::from_pointee(serving) })
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
        Arc::clone(&self.serving.load().current)
    }

    /// The release on trial.
    #[must_use]
    pub fn trial(&self) -> Option<Trial> {
        self.serving.load().trial.clone()
    }

    /// The releases that serve.
    #[must_use]
    pub fn releases(&self) -> Vec<Arc<Release>> {
        self.serving.load().releases().map(Arc::clone).collect()
    }

    /// Makes `release` the current one: calls from now on go there, those in hand finish on the
    /// old one, which is then dropped. Returns how the old one ended.
    pub async fn switch(&self, release: Release) -> Drained {
        self.install(Arc::new(release), None).drain().await
    }

    /// Has these releases serve from now on.
    #[must_use = "what served before must be drained"]
    pub fn install(&self, current: Arc<Release>, trial: Option<Trial>) -> Replaced {
        let new = Arc::new(Serving { current, trial });
        let old = self.serving.swap(Arc::clone(&new));
        let stays = |release: &&Arc<Release>| new.releases().any(|new| Arc::ptr_eq(new, release));
        let releases = old.releases().filter(|release| !stays(release)).map(Arc::clone).collect();
        Replaced { tenant: self.id.clone(), releases }
    }

    /// Ends the tenant on this host: no more calls, those in hand finish by the deadline.
    pub async fn close(&self, deadline: Instant) -> Drained {
        let mut cut_off = 0;
        for release in self.releases() {
            if let Drained::CutOff(calls) = release.retire(deadline).await {
                cut_off += calls;
            }
        }
        if cut_off == 0 { Drained::Finished } else { Drained::CutOff(cut_off) }
    }

    /// Enters a release for one call.
    pub(crate) fn enter(&self, key: impl Fn() -> u64) -> Option<(Arc<Release>, Ticket)> {
        // A release is retired only after the next one became current, so the second look finds
        // another one. When it is the same, the tenant is being closed.
        let mut last: Option<Arc<Release>> = None;
        loop {
            let release = Arc::clone(self.serving.load().pick(&key));
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
