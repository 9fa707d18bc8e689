//! A running host: everything that `pingtalk up` starts, and the order in which it ends.

mod account;
mod admin;
mod certificate;
pub(crate) mod compose;
mod cores;
mod handles;
mod local;
mod lookup;
mod open;
mod queues;
mod sites;
mod tenant;

use std::{
    collections::BTreeMap,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::Arc,
    time::Instant,
};

use anyhow::{Context, Result, anyhow};
use bytes::Bytes;
use futures_util::future::join_all;
use pingtalk_admin::{Admin, Parts};
use pingtalk_capabilities::TenantId;
use pingtalk_gateway::{Gateway, Tls};
use pingtalk_manifest::Manifest;
use pingtalk_runtime::{Engine, EngineConfig};
use pingtalk_tenancy::{
    Directory, DirectoryConfig, Follower,
    control::{ControlStore, TenantBudgets},
    deploy::{Deployer, Loader, Report},
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) use self::compose::Capability;
use self::{
    admin::HostPlatform,
    certificate::Certificate,
    compose::Backends,
    cores::Cores,
    lookup::{DirectSites, TenantSites},
    open::TenantOpener,
};
use crate::{
    compile,
    config::Config,
    loading::{self, Application},
};

/// Ports that are bound, before anything slow is done.
pub(crate) struct Bound {
    gateway: Vec<TcpListener>,
    /// The admin API's, unless it is off.
    admin: Option<TcpListener>,
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
        let admin = match config.admin_address() {
            Some(address) => pingtalk_gateway::bind(address, 1)
                .with_context(|| {
                    format!(
                        "can't listen on {address} for the admin API: set `admin_listen` to \
                         another address, or to `off`"
                    )
                })?
                .pop(),
            None => None,
        };
        let mut direct = BTreeMap::new();
        for (name, component) in &application.manifest.components {
            let Some(variable) = &component.host.direct_port else { continue };
            let Some(port) = config.direct_ports.get(variable) else { continue };
            let address = SocketAddr::new(config.listen.ip(), *port);
            direct.insert(name.clone(), bind(address, variable)?);
        }
        Ok(Self { gateway, admin, direct })
    }

    /// Where the gateway listens.
    pub(crate) fn address(&self) -> Result<SocketAddr> {
        let first = self.gateway.first().context("no listener")?;
        Ok(first.local_addr()?)
    }

    /// Where the admin API listens.
    pub(crate) fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref()?.local_addr().ok()
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
    directory: Arc<Directory<TenantOpener>>,
    deployer: Arc<Deployer>,
    store: ControlStore,
    data: PathBuf,
    servers: Vec<JoinHandle<std::io::Result<()>>>,
    watchers: Vec<JoinHandle<()>>,
    stop_accepting: CancellationToken,
    /// Cancelled when an operator asks for the end.
    drain: CancellationToken,
}

impl Host {
    /// Loads, opens, links and serves.
    pub(crate) async fn start(
        config: &Config,
        application: &Application,
        bound: Bound,
    ) -> Result<Self> {
        handles::raise_limit();
        compose::check_databases(config, &application.manifest)?;
        let public_url = config.public_url(bound.address()?)?;
        let cores = Cores::start(config.cores())?;
        let engine = Engine::new(EngineConfig {
            cache_dir: Some(
                config.compile_cache.clone().unwrap_or_else(|| config.data.join("compiled")),
            ),
            cores: cores.count(),
            background: cores.count(),
            compiler: compile::compiler(config.compile_time()),
            ..EngineConfig::default()
        })?;
        let files = application.files().await?;
        // Held until the default tenant is open, which then finds them loaded.
        let _compiled = loading::compile(&engine, &files).await?;

        let backends = Backends::new(config, &public_url)?;
        let store = backends.control().await?;
        local::install(&store, application, &files, &config.data).await?;
        let (loader, key) = (Arc::new(Loader::new(engine, store.clone())), config.control_key()?);
        let opener = TenantOpener {
            config: config.clone(),
            backends,
            loader: Arc::clone(&loader),
            key: key.clone(),
            cores: cores.spawner().clone(),
        };
        let marked = opener.marked();
        let directory = Directory::new(opener, DirectoryConfig::default());
        let follower = Follower::new(store.clone(), Arc::clone(&directory));
        follower.look().await?;
        let switch = Arc::clone(&follower) as _;
        let deployer =
            Arc::new(Deployer::new(loader, key.clone(), config.component_maximum, switch));
        if let Some(entry) = directory.tenant(TenantId::DEFAULT) {
            directory.wake(&entry).await.map_err(|error| anyhow!("{error}"))?;
        }

        let stop_accepting = CancellationToken::new();
        let drain = CancellationToken::new();
        let certificate = Certificate::read(config)?;
        let tls = certificate.as_ref().map(|certificate| Arc::clone(&certificate.tls));
        let gateway = gateway(config, &directory)?;
        let admin = Admin::new(Parts {
            tokens: config.admin_tokens()?,
            store: store.clone(),
            key,
            deployer: Arc::clone(&deployer),
            platform: Arc::new(HostPlatform::new(
                Arc::clone(&directory),
                gateway.metrics(),
                cores.count(),
                drain.clone(),
            )),
        });
        let admin = admin::gateway(&admin, config.drain_time())?;
        let admin_tls = bound.admin_address().is_some_and(|address| config.admin_is_tls(address));
        if bound.admin_address().is_some_and(|address| !address.ip().is_loopback()) && !admin_tls {
            tracing::warn!(
                "the admin API is open to other machines without TLS: set tls_certificate and \
                 tls_key, or put a proxy with TLS in front of it"
            );
        }
        let fronts = Fronts {
            // Ports of single components stay plain: they stand behind another front door.
            direct: gateway.clone(),
            gateway: over(&gateway, tls.as_ref()),
            admin: over(&admin, tls.as_ref().filter(|_| admin_tls)),
        };
        let servers = serve(&cores, &directory, bound, &fronts, &stop_accepting);
        let watchers = [
            cores.spawner().spawn(0, follower.run(stop_accepting.clone())),
            cores.spawner().spawn(0, Arc::clone(&directory).sweep(stop_accepting.clone())),
            cores.spawner().spawn(0, reopen(Arc::clone(&directory), marked)),
        ];
        let mut watchers: Vec<_> = watchers.into_iter().flatten().collect();
        if let Some(certificate) = certificate {
            let stop = stop_accepting.clone();
            watchers.extend(cores.spawner().spawn(0, async move {
                tokio::select! {
                    () = certificate.follow() => {}
                    () = stop.cancelled() => {}
                }
            }));
        }
        let data = config.data.clone();
        Ok(Self {
            cores,
            directory,
            deployer,
            store,
            data,
            servers,
            watchers,
            stop_accepting,
            drain,
        })
    }

    /// Resolves once an operator asked for the end through the admin API.
    pub(crate) async fn drained(&self) {
        self.drain.cancelled().await;
    }

    /// Deploys the application's files as the default tenant's release.
    pub(crate) async fn deploy_files(
        &self,
        application: &Application,
        files: &BTreeMap<String, Bytes>,
    ) -> Result<Report> {
        local::deploy(&self.store, &self.deployer, application, files, &self.data).await
    }

    /// Ends in good order: no new requests, those in hand finish, sockets close with a reason that
    /// clients reconnect on, events in hand are settled, the outbox is flushed.
    pub(crate) async fn stop(self, config: &Config) {
        let deadline = Instant::now() + config.drain_time();
        self.stop_accepting.cancel();
        let open: Vec<_> =
            self.directory.tenants().iter().filter_map(|entry| entry.open()).collect();
        join_all(open.iter().map(|tenant| tenant.drain_sockets())).await;
        for server in self.servers {
            match server.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "a listener ended"),
                Err(error) => tracing::error!(%error, "a listener's task panicked"),
            }
        }
        for watcher in self.watchers {
            if let Err(error) = watcher.await {
                tracing::error!(%error, "a watcher panicked");
            }
        }
        let entries = self.directory.tenants();
        join_all(entries.iter().map(|entry| self.directory.close(entry, deadline))).await;
        tracing::info!("stopped");
        self.cores.stop();
    }
}

/// Opens the tenants that were open when this host ended: they may have events on their way.
async fn reopen(directory: Arc<Directory<TenantOpener>>, names: Vec<String>) {
    for name in names {
        if let Some(entry) = directory.tenant(&name) {
            // The directory has logged what went wrong.
            let _ = directory.wake(&entry).await;
        }
    }
}

/// What the manifest and the tenant's budgets say of sockets. One component of an application serves
/// them.
fn socket_settings(manifest: &Manifest, budgets: &TenantBudgets) -> pingtalk_sockets::Config {
    let default = pingtalk_sockets::Config::default();
    let connections = budgets.socket_connections.and_then(|count| usize::try_from(count).ok());
    let default = pingtalk_sockets::Config {
        max_connections: connections.unwrap_or(default.max_connections),
        ..default
    };
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

/// The gateway of all tenants.
fn gateway(config: &Config, directory: &Arc<Directory<TenantOpener>>) -> Result<Gateway> {
    let trusted_proxies = config
        .trusted_proxies
        .iter()
        .map(|network| network.parse().context("trusted_proxies"))
        .collect::<Result<_>>()?;
    let settings = pingtalk_gateway::Config {
        trusted_proxies,
        drain_timeout: config.drain_time(),
        ..pingtalk_gateway::Config::default()
    };
    Ok(Gateway::new(settings, Arc::new(TenantSites(Arc::clone(directory)))))
}

/// The gateways of the kinds of listeners.
struct Fronts {
    gateway: Gateway,
    admin: Gateway,
    direct: Gateway,
}

fn over(gateway: &Gateway, tls: Option<&Arc<Tls>>) -> Gateway {
    tls.map_or_else(|| gateway.clone(), |tls| gateway.with_tls(Arc::clone(tls)))
}

/// Serves every tenant on every core, and the admin API on the first.
fn serve(
    cores: &Cores,
    directory: &Arc<Directory<TenantOpener>>,
    bound: Bound,
    fronts: &Fronts,
    stop: &CancellationToken,
) -> Vec<JoinHandle<std::io::Result<()>>> {
    let mut servers = Vec::new();
    let mut listen = |gateway: &Gateway, listeners: Vec<TcpListener>| {
        for (core, listener) in listeners.into_iter().enumerate() {
            let stop = stop.clone();
            let serving = gateway.clone().serve(listener, async move { stop.cancelled().await });
            servers.extend(cores.spawner().spawn(core, serving));
        }
    };
    listen(&fronts.gateway, bound.gateway);
    listen(&fronts.admin, bound.admin.into_iter().collect());
    for (component, listeners) in bound.direct {
        let sites = DirectSites { directory: Arc::clone(directory), component };
        listen(&fronts.direct.with_sites(Arc::new(sites)), listeners);
    }
    servers
}
