//! An open tenant: everything that this host runs for it, and how that follows its record.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use pingtalk_capabilities::TenantId;
use pingtalk_gateway::Site;
use pingtalk_manifest::Manifest;
use pingtalk_sockets::SocketServer;
use pingtalk_tenancy::{
    OpenError, Release, Tenant, Trial, assemble,
    control::{TenantBudgets, TenantRecord},
    deploy::LoadedRelease,
};
use tokio::sync::Mutex;

use super::{account::Account, compose::Stores, open::TenantOpener, queues::Queues, sites::Parts};

/// Time for each of the last words, when the drain has used up its own: what the outbox holds, and
/// a farewell to the other hosts.
pub(super) const LEAVE_TIME: Duration = Duration::from_millis(500);

/// An open tenant.
pub(crate) struct OpenTenant {
    tenant: Arc<Tenant>,
    sockets: Arc<SocketServer>,
    account: Account,
    site: ArcSwap<Site>,
    /// By component, for those with a port of their own.
    direct: ArcSwap<BTreeMap<String, Arc<Site>>>,
    state: Mutex<State>,
}

/// What changes with releases.
struct State {
    /// What the releases were made of.
    applied: TenantRecord,
    manifest: Arc<Manifest>,
    stores: Stores,
    queues: Queues,
}

impl OpenTenant {
    /// Opens a tenant.
    pub(super) async fn open(opener: &TenantOpener, record: &TenantRecord) -> anyhow::Result<Self> {
        let id = opener.tenant_id(&record.name)?;
        let loaded = opener.load(record, record.release.as_deref()).await?;
        let manifest = Arc::clone(&loaded.manifest);
        let stores = opener.backends.open(&id, &manifest).await?;
        let budgets = opener.budgets(record);
        let account = Account::new(&budgets);
        let sockets = SocketServer::new(super::socket_settings(&manifest, &budgets));
        if let Some(cluster) = &stores.cluster {
            sockets.join_cluster(Arc::clone(cluster)).await;
        }
        let release = assembled(opener, record, &id, &loaded, &stores, &sockets, &account).await?;
        let tenant = Tenant::new(id, release);
        if let Some(trial) = trial(opener, record, &tenant, &stores, &sockets, &account).await? {
            tenant.install(tenant.current(), Some(trial)).drain().await;
        }
        serve_sockets(&manifest, &tenant, &sockets);
        let origins = opener.origins(record, &manifest);
        let parts = Parts {
            manifest: &manifest,
            tenant: &tenant,
            sockets: &sockets,
            blobs: &stores.blobs,
            limits: stores.limits.as_ref(),
            origins: &origins,
            budgets,
        };
        let (site, direct) = (parts.gateway(), parts.direct_sites());
        let queues = Queues::start(
            &opener.cores,
            &tenant,
            &manifest,
            Arc::clone(&stores.documents.outbox),
            Arc::clone(&stores.events),
        );
        Ok(Self {
            tenant,
            sockets,
            account,
            site: ArcSwap::from_pointee(site),
            direct: ArcSwap::from_pointee(direct),
            state: Mutex::new(State { applied: record.clone(), manifest, stores, queues }),
        })
    }

    /// Its routes on the gateway's port.
    pub(super) fn site(&self) -> Arc<Site> {
        self.site.load_full()
    }

    /// A component's routes on a port of its own.
    pub(super) fn direct(&self, component: &str) -> Option<Arc<Site>> {
        self.direct.load().get(component).map(Arc::clone)
    }

    /// Its releases and their instances.
    pub(crate) fn tenant(&self) -> &Arc<Tenant> {
        &self.tenant
    }

    /// What it has used and may use.
    pub(crate) fn account(&self) -> &Account {
        &self.account
    }

    /// Its socket server.
    pub(crate) fn sockets(&self) -> &Arc<SocketServer> {
        &self.sockets
    }

    /// Its queues.
    pub(crate) async fn events(
        &self,
    ) -> (Arc<dyn pingtalk_capabilities::events::Events>, Vec<String>) {
        let state = self.state.lock().await;
        let names = assemble::queues(&state.manifest).into_iter().map(|(queue, _)| queue.name);
        (Arc::clone(&state.stores.events), names.collect())
    }

    /// Switches to what the record says, while everything goes on.
    pub(super) async fn follow(
        &self,
        opener: &TenantOpener,
        record: &TenantRecord,
    ) -> anyhow::Result<()> {
        let mut state = self.state.lock().await;
        let budgets = opener.budgets(record);
        self.account.set(&budgets);
        if !makes_a_difference(&state.applied, record) {
            return Ok(());
        }
        let loaded = opener.load(record, record.release.as_deref()).await?;
        let id = self.tenant.id().clone();
        let manifest_changed = !Arc::ptr_eq(&loaded.manifest, &state.manifest);
        let door = |budgets: &TenantBudgets| {
            (budgets.requests_per_second, budgets.response_bytes_per_second)
        };
        let door_changed = door(&opener.budgets(&state.applied)) != door(&budgets);
        let mut stores = state.stores.clone();
        if manifest_changed {
            stores.documents = opener.backends.documents(&id, &loaded.manifest).await?;
            stores.events = opener.backends.events(&id, &loaded.manifest).await?;
        }
        let values_changed = values(&state.applied) != values(record);
        let serving = self.tenant.releases();
        let running = serving.iter().find(|release| release.name() == loaded.id && !values_changed);
        let current = match running {
            Some(release) => Arc::clone(release),
            None => Arc::new(
                assembled(opener, record, &id, &loaded, &stores, &self.sockets, &self.account)
                    .await?,
            ),
        };
        let wanted = record.canary.as_ref();
        let running = serving
            .iter()
            .find(|release| wanted.is_some_and(|c| c.release == release.name()) && !values_changed);
        let trial = match (wanted, running) {
            (Some(canary), Some(release)) => {
                Some(Trial { release: Arc::clone(release), percent: canary.percent })
            }
            _ => trial(opener, record, &self.tenant, &stores, &self.sockets, &self.account).await?,
        };
        if manifest_changed {
            // From here on nothing can fail. The consumers change first: events wait meanwhile.
            state.queues.stop_consuming().await;
            state.queues.flush(Instant::now() + LEAVE_TIME).await;
        }
        let replaced = self.tenant.install(current, trial);
        // Drained beside, so that the next switch need not wait for the calls in hand.
        opener.cores.spawn(0, replaced.drain());
        if manifest_changed || door_changed {
            let origins = opener.origins(record, &loaded.manifest);
            let parts = Parts {
                manifest: &loaded.manifest,
                tenant: &self.tenant,
                sockets: &self.sockets,
                blobs: &stores.blobs,
                limits: stores.limits.as_ref(),
                origins: &origins,
                budgets,
            };
            self.site.store(Arc::new(parts.gateway()));
            self.direct.store(Arc::new(parts.direct_sites()));
        }
        if manifest_changed {
            serve_sockets(&loaded.manifest, &self.tenant, &self.sockets);
            state.queues = Queues::start(
                &opener.cores,
                &self.tenant,
                &loaded.manifest,
                Arc::clone(&stores.documents.outbox),
                Arc::clone(&stores.events),
            );
        }
        state.stores = stores;
        state.manifest = loaded.manifest;
        state.applied = record.clone();
        Ok(())
    }

    /// True when nobody is connected, no call runs, and no event is on its way.
    pub(super) async fn is_idle(&self) -> bool {
        if self.sockets.stats().connections > 0
            || self.tenant.releases().iter().any(|release| release.in_flight() > 0)
        {
            return false;
        }
        let state = self.state.lock().await;
        let waiting = state.stores.documents.outbox.unpublished(1).await;
        if !waiting.is_ok_and(|events| events.is_empty()) {
            return false;
        }
        for (queue, _) in assemble::queues(&state.manifest) {
            if state.stores.events.depth(&queue.name).await != Ok(0) {
                return false;
            }
        }
        true
    }

    /// Refuses new sockets and asks the clients of the others to reconnect elsewhere.
    pub(super) async fn drain_sockets(&self) {
        self.sockets.drain().await;
    }

    /// Ends in good order: sockets close with a reason that clients reconnect on, events in hand
    /// are settled, calls in hand finish, the outbox is flushed.
    pub(super) async fn close(&self, deadline: Instant) {
        self.sockets.drain().await;
        let mut state = self.state.lock().await;
        state.queues.stop_consuming().await;
        let drained = self.tenant.close(deadline).await;
        state.queues.flush(deadline.max(Instant::now() + LEAVE_TIME)).await;
        let left = deadline.saturating_duration_since(Instant::now()).max(LEAVE_TIME);
        self.sockets.leave_cluster(left).await;
        tracing::info!(tenant = %self.tenant.id(), ?drained, "tenant closed");
    }
}

/// True when something of a record that a release is made of differs.
fn makes_a_difference(old: &TenantRecord, new: &TenantRecord) -> bool {
    old.release != new.release
        || old.canary != new.canary
        || old.budgets != new.budgets
        || values(old) != values(new)
}

/// What components can see of a record.
fn values(
    record: &TenantRecord,
) -> (&BTreeMap<String, String>, &BTreeMap<String, pingtalk_tenancy::control::Sealed>) {
    (&record.variables, &record.secrets)
}

/// The release on trial, if the record names one.
async fn trial(
    opener: &TenantOpener,
    record: &TenantRecord,
    tenant: &Tenant,
    stores: &Stores,
    sockets: &Arc<SocketServer>,
    account: &Account,
) -> anyhow::Result<Option<Trial>> {
    let Some(canary) = &record.canary else { return Ok(None) };
    let loaded = opener.load(record, Some(&canary.release)).await?;
    let mut stores = stores.clone();
    // It may declare other collections; both handles lead to the same store.
    stores.documents = opener.backends.documents(tenant.id(), &loaded.manifest).await?;
    let release =
        assembled(opener, record, tenant.id(), &loaded, &stores, sockets, account).await?;
    Ok(Some(Trial { release: Arc::new(release), percent: canary.percent }))
}

/// Links a release to the tenant's backends.
async fn assembled(
    opener: &TenantOpener,
    record: &TenantRecord,
    id: &TenantId,
    loaded: &LoadedRelease,
    stores: &Stores,
    sockets: &Arc<SocketServer>,
    account: &Account,
) -> anyhow::Result<Release> {
    let backends = account.backends(stores, sockets);
    let values = opener.variables(record, &loaded.manifest)?;
    let owner = assemble::Owner {
        tenant: id,
        release: &loaded.id,
        quota: &account.quota,
        maximum: opener.maximum(id),
    };
    let release = assemble::release(
        opener.loader.engine(),
        &loaded.manifest,
        &loaded.components,
        &backends,
        &owner,
        |name| values.get(name).cloned(),
    );
    Ok(release.await?)
}

/// Has the component that serves sockets called for them. The handle outlives releases.
fn serve_sockets(manifest: &Manifest, tenant: &Arc<Tenant>, sockets: &Arc<SocketServer>) {
    for (name, component) in &manifest.components {
        if component.host.sockets.serve {
            sockets.serve(tenant.component(name));
        }
    }
}

/// An error of the composition root as the directory knows it.
pub(super) fn open_error(error: &anyhow::Error) -> OpenError {
    OpenError(format!("{error:#}").into())
}
