//! The running host as the admin API sees it.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use pingtalk_admin::{
    ComponentStatus, GatewayStatus, HostStatus, Platform, PlatformError, Queues, RouteStatus,
    SocketStatus, TenantStatus,
};
use pingtalk_capabilities::{TenantId, sockets::Sockets};
use pingtalk_gateway::{Metrics, Route};
use pingtalk_tenancy::{Directory, Release};
use tokio_util::sync::CancellationToken;

use super::{process, queues::QueueDepths};
use crate::host::{open::TenantOpener, tenant::OpenTenant};

/// The running host.
pub(crate) struct HostPlatform {
    pub(crate) directory: Arc<Directory<TenantOpener>>,
    pub(crate) gateway: Arc<Metrics>,
    pub(crate) cores: usize,
    /// Cancelled once somebody asks the host to end.
    pub(crate) drain: CancellationToken,
    started: Instant,
    depths: QueueDepths,
}

impl HostPlatform {
    pub(crate) fn new(
        directory: Arc<Directory<TenantOpener>>,
        gateway: Arc<Metrics>,
        cores: usize,
        drain: CancellationToken,
    ) -> Self {
        let (started, depths) = (Instant::now(), QueueDepths::default());
        Self { directory, gateway, cores, drain, started, depths }
    }

    async fn open(&self, tenant: &str) -> Result<Arc<OpenTenant>, PlatformError> {
        let entry = self.directory.tenant(tenant);
        let entry = entry
            .ok_or_else(|| PlatformError::NotFound(format!("there is no tenant `{tenant}`")))?;
        let open = self.directory.wake(&entry).await;
        open.map_err(|error| PlatformError::Unavailable(error.to_string()))
    }
}

#[async_trait]
impl Platform for HostPlatform {
    async fn status(&self) -> HostStatus {
        let entries = self.directory.tenants();
        let open: Vec<(String, Arc<OpenTenant>)> = entries
            .iter()
            .filter_map(|entry| Some((entry.record().name.clone(), entry.open()?)))
            .collect();
        let depths = self.depths.look(&open).await;
        let tenants = open.iter().map(|(name, tenant)| TenantStatus {
            queues: depths.get(name).cloned().unwrap_or_default(),
            ..status(name, tenant)
        });
        HostStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_seconds: self.started.elapsed().as_secs_f64(),
            memory_bytes: process::memory_bytes(),
            cpu_seconds: process::cpu_time().as_secs_f64(),
            cores: self.cores,
            tenants_known: entries.len(),
            gateway: front_door(&self.gateway),
            tenants: tenants.collect(),
        }
    }

    async fn queues(&self, tenant: &str) -> Result<Queues, PlatformError> {
        let (events, names) = self.open(tenant).await?.events().await;
        Ok(Queues { events, names })
    }

    async fn sockets(&self, tenant: &str) -> Result<Arc<dyn Sockets>, PlatformError> {
        Ok(Arc::clone(self.open(tenant).await?.sockets()) as _)
    }

    async fn health(&self) -> Result<(), String> {
        if self.drain.is_cancelled() {
            return Err("draining".to_owned());
        }
        match self.directory.tenant(TenantId::DEFAULT) {
            Some(entry) if entry.open().is_none() => Err("the default tenant is not open".into()),
            _ => Ok(()),
        }
    }

    fn drain(&self) {
        self.drain.cancel();
    }
}

fn front_door(metrics: &Metrics) -> GatewayStatus {
    let now = metrics.snapshot();
    GatewayStatus {
        connections: now.connections,
        in_flight: now.in_flight,
        accepted: now.accepted,
        refused: now.refused,
        unrouted: now.unrouted,
        rate_limited: now.rate_limited,
        overdue: now.overdue,
    }
}

/// An open tenant's figures, without its queues.
fn status(name: &str, open: &OpenTenant) -> TenantStatus {
    let (tenant, sockets, account) = (open.tenant(), open.sockets().stats(), open.account());
    let stored = account.storage.stored();
    let canary = tenant.trial().map(|trial| (trial.release.name().to_owned(), trial.percent));
    TenantStatus {
        name: name.to_owned(),
        release: tenant.current().name().to_owned(),
        canary,
        memory_bytes: account.quota.memory_bytes(),
        stored_documents: stored.documents,
        stored_bytes: stored.bytes,
        routes: open.site().routes().iter().map(route).collect(),
        components: tenant.releases().iter().flat_map(|release| components(release)).collect(),
        sockets: SocketStatus {
            connections: sockets.connections,
            sockets: sockets.sockets,
            users: sockets.users,
            rooms: sockets.rooms,
            queued_bytes: sockets.queued_bytes,
        },
        queues: Vec::new(),
    }
}

fn route(route: &Route) -> RouteStatus {
    let metrics = &route.metrics;
    let time = Duration::from_micros(metrics.microseconds.load(Relaxed));
    RouteStatus {
        route: route.name.to_string(),
        component: route.component.as_deref().map(str::to_owned),
        responses: std::array::from_fn(|class| {
            metrics.statuses.get(class).map_or(0, |counter| counter.load(Relaxed))
        }),
        seconds: time.as_secs_f64(),
        latency: metrics.latency.iter().map(|bucket| bucket.load(Relaxed)).collect(),
    }
}

fn components(release: &Release) -> Vec<ComponentStatus> {
    let component = |(name, service): (&str, &Arc<dyn pingtalk_tenancy::Service>)| {
        let stats = service.stats();
        ComponentStatus {
            component: name.to_owned(),
            release: release.name().to_owned(),
            digest: service.digest().to_owned(),
            instances: stats.instances,
            memory_bytes: stats.memory_bytes,
            cpu_seconds: stats.busy.as_secs_f64(),
            throttled_seconds: stats.throttled.as_secs_f64(),
            host_calls: stats.host_calls,
            in_flight: stats.in_flight,
            waiting: stats.waiting,
            calls: stats.calls,
            overloaded: stats.overloaded,
            deadline_exceeded: stats.deadline_exceeded,
            failed: stats.failed,
            lost: stats.lost,
            started: stats.started,
            killed: stats.killed,
        }
    };
    release.services().map(component).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    fn the_histogram_that_is_kept_is_the_one_that_is_described() {
        let kept = pingtalk_gateway::LATENCY_BOUNDS.map(|micros| micros as f64 / 1_000.0);
        assert_eq!(kept, pingtalk_admin::LATENCY_BOUNDS_MS);
    }
}
