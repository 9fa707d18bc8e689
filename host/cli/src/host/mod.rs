//! A running host: everything that `pingtalk up` starts, and the order in which it ends.

pub(crate) mod compose;
mod cores;
mod handles;
mod queues;
mod sites;

use std::{
    collections::BTreeMap,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use pingtalk_capabilities::TenantId;
use pingtalk_gateway::{Gateway, OneSite, Site};
use pingtalk_manifest::Manifest;
use pingtalk_runtime::{Engine, EngineConfig};
use pingtalk_sockets::SocketServer;
use pingtalk_tenancy::{Tenant, assemble};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) use self::compose::Capability;
use self::{cores::Cores, queues::Queues, sites::Parts};
use crate::{
    config::{Config, generated},
    loading::Application,
};

/// Time for each of the last words, when the drain has used up its own: what the outbox holds, and
/// a farewell to the other hosts.
const LEAVE_TIME: Duration = Duration::from_millis(500);

/// Ports that are bound, before anything slow is done.
pub(crate) struct Bound {
    gateway: Vec<TcpListener>,
    /// By component.
    direct: BTreeMap<String, Vec<TcpListener>>,
}

impl Bound {
    /// Binds the gateway's port and those of components that have their own.
    pub(crate) fn new(config: &Config, application: &Application) -> Result<Self> {
        let cores = config.cores();
        let bind = |address: SocketAddr, what: &str| {
            pingtalk_gateway::bind(address, cores).with_context(|| {
                format!("can't listen on {address} ({what}): is something else listening there?")
            })
        };
        let gateway = bind(config.listen, "listen")?;
        let mut direct = BTreeMap::new();
        for (name, component) in &application.manifest.components {
            let Some(variable) = &component.host.direct_port else { continue };
            let Some(port) = config.direct_ports.get(variable) else { continue };
            let address = SocketAddr::new(config.listen.ip(), *port);
            direct.insert(name.clone(), bind(address, variable)?);
        }
        Ok(Self { gateway, direct })
    }

    /// Where the gateway listens.
    pub(crate) fn address(&self) -> Result<SocketAddr> {
        let first = self.gateway.first().context("no listener")?;
        Ok(first.local_addr()?)
    }

    /// Where components listen, by name.
    pub(crate) fn direct_addresses(&self) -> Vec<(String, SocketAddr)> {
        let address = |listeners: &Vec<TcpListener>| listeners.first()?.local_addr().ok();
        self.direct.iter().filter_map(|(name, l)| Some((name.clone(), address(l)?))).collect()
    }
}

/// A running host.
pub(crate) struct Host {
    cores: Cores,
    queues: Queues,
    tenant: Arc<Tenant>,
    sockets: Arc<SocketServer>,
    servers: Vec<JoinHandle<std::io::Result<()>>>,
    stop_accepting: CancellationToken,
}

impl Host {
    /// Loads, opens, links and serves.
    pub(crate) async fn start(
        config: &Config,
        application: &Application,
        bound: Bound,
    ) -> Result<Self> {
        handles::raise_limit();
        let manifest = &application.manifest;
        let public_url = config.public_url(bound.address()?)?;
        let cores = Cores::start(config.cores())?;
        let engine = Engine::new(EngineConfig {
            cache_dir: Some(
                config.compile_cache.clone().unwrap_or_else(|| config.data.join("compiled")),
            ),
            cores: cores.count(),
            ..EngineConfig::default()
        })?;
        let components = application.load(&engine).await?;
        let variables = variables(config, application)?;

        let tenant_id = TenantId::default_tenant();
        let stores = compose::open(config, &public_url, &tenant_id, manifest).await?;
        let sockets = SocketServer::new(socket_settings(manifest));
        if let Some(cluster) = stores.cluster {
            sockets.join_cluster(cluster).await;
        }
        let backends = assemble::Backends {
            documents: Arc::clone(&stores.documents.documents),
            cache: Arc::clone(&stores.cache),
            blobs: Arc::clone(&stores.blobs),
            sockets: Arc::clone(&sockets) as _,
        };
        let name = release_name(&components);
        let release = assemble::release(
            &engine,
            manifest,
            &components,
            &backends,
            &tenant_id,
            &name,
            |variable| variables.get(variable).cloned(),
        )
        .await?;
        let tenant = Tenant::new(tenant_id, release);
        for (name, component) in &manifest.components {
            if component.host.sockets.serve {
                sockets.serve(tenant.component(name));
            }
        }

        let origins = config
            .origins
            .clone()
            .unwrap_or_else(|| manifest.application.host.cors_origins.clone());
        let parts = Parts {
            manifest,
            tenant: &tenant,
            sockets: &sockets,
            blobs: &stores.blobs,
            limits: stores.limits.as_ref(),
            origins: &origins,
        };
        let stop_accepting = CancellationToken::new();
        let servers = serve(config, &cores, &parts, bound, &stop_accepting)?;
        let queues =
            Queues::start(&cores, &tenant, manifest, stores.documents.outbox, stores.events);
        Ok(Self { cores, queues, tenant, sockets, servers, stop_accepting })
    }

    /// Ends in good order: no new requests, those in hand finish, sockets close with a reason that
    /// clients reconnect on, events in hand are settled, the outbox is flushed.
    pub(crate) async fn stop(mut self, config: &Config) {
        let deadline = Instant::now() + config.drain_time();
        self.stop_accepting.cancel();
        self.sockets.drain().await;
        for server in self.servers {
            match server.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "a listener ended"),
                Err(error) => tracing::error!(%error, "a listener's task panicked"),
            }
        }
        self.queues.stop_consuming().await;
        let drained = self.tenant.close(deadline).await;
        self.queues.flush(deadline.max(Instant::now() + LEAVE_TIME)).await;
        let left = deadline.saturating_duration_since(Instant::now()).max(LEAVE_TIME);
        self.sockets.leave_cluster(left).await;
        tracing::info!(?drained, "stopped");
        self.cores.stop();
    }
}

/// What the manifest says of sockets. One component of an application serves them.
fn socket_settings(manifest: &Manifest) -> pingtalk_sockets::Config {
    let default = pingtalk_sockets::Config::default();
    let declared = manifest.components.values().map(|component| &component.host.sockets);
    let Some(declared) = declared.into_iter().find(|sockets| sockets.serve) else { return default };
    let namespace = |(name, aliases): (&String, &Vec<String>)| pingtalk_sockets::Namespace {
        name: name.clone(),
        aliases: aliases.clone(),
    };
    pingtalk_sockets::Config {
        // The gateway has held browsers' origins against its list before a request gets here.
        allowed_origins: vec!["*".to_owned()],
        namespaces: declared.namespaces.iter().map(namespace).collect(),
        ping_interval: declared.ping_interval.unwrap_or(default.ping_interval),
        ping_timeout: declared.ping_timeout.unwrap_or(default.ping_timeout),
        connect_timeout: declared.connect_timeout.unwrap_or(default.connect_timeout),
        ..default
    }
}

/// Serves every site on every core.
fn serve(
    config: &Config,
    cores: &Cores,
    parts: &Parts<'_>,
    bound: Bound,
    stop: &CancellationToken,
) -> Result<Vec<JoinHandle<std::io::Result<()>>>> {
    let trusted_proxies = config
        .trusted_proxies
        .iter()
        .map(|network| network.parse().context("trusted_proxies"))
        .collect::<Result<_>>()?;
    let gateway = Gateway::new(
        pingtalk_gateway::Config {
            trusted_proxies,
            drain_timeout: config.drain_time(),
            ..pingtalk_gateway::Config::default()
        },
        Arc::new(OneSite(Arc::new(parts.gateway()))),
    );
    let mut servers = Vec::new();
    let mut listen = |gateway: &Gateway, listeners: Vec<TcpListener>| {
        for (core, listener) in listeners.into_iter().enumerate() {
            let stop = stop.clone();
            let serving = gateway.clone().serve(listener, async move { stop.cancelled().await });
            servers.extend(cores.spawn(core, serving));
        }
    };
    listen(&gateway, bound.gateway);
    for (name, listeners) in bound.direct {
        let Some(component) = parts.manifest.components.get(&name) else { continue };
        let site: Site = parts.direct(&name, component);
        listen(&gateway.with_sites(Arc::new(OneSite(Arc::new(site)))), listeners);
    }
    Ok(servers)
}

/// The values of the manifest's variables: the operator's, else a secret of our own for those that
/// are secret, required and not set.
fn variables(config: &Config, application: &Application) -> Result<BTreeMap<String, String>> {
    let mut values: BTreeMap<String, String> = config
        .variables
        .iter()
        .map(|(name, secret)| (name.clone(), secret.expose().to_owned()))
        .collect();
    for (name, variable) in &application.manifest.variables {
        if variable.secret && variable.default.is_none() && !values.contains_key(name) {
            let secret = generated(&config.data.join("secrets"), name)?;
            tracing::info!(variable = %name, "not set: using the secret kept in the data directory");
            values.insert(name.clone(), secret.expose().to_owned());
        }
    }
    Ok(values)
}

/// A release of local files is known by its components' digests.
fn release_name(components: &BTreeMap<String, Arc<pingtalk_runtime::Component>>) -> String {
    let short = |component: &Arc<pingtalk_runtime::Component>| {
        component.digest().chars().take(4).collect::<String>()
    };
    components.values().map(short).collect::<Vec<_>>().join("-")
}
