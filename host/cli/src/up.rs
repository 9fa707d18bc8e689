//! `pingtalk up`: start everything, say where to click, serve until told to stop.

use std::{net::SocketAddr, path::PathBuf, time::Instant};

use anyhow::{Context, Result};
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    ManifestOption, build,
    config::Config,
    host::{Bound, Capability, Host},
    loading::Application,
    logging,
    telemetry::Telemetry,
    watch::Watch,
};

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    manifest: ManifestOption,
    /// Build the components first
    #[arg(long)]
    build: bool,
    /// Rebuild components when their files change, and switch to them; clients stay connected
    #[arg(long)]
    watch: bool,
    /// Where all data lie [default: data]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where to listen; port 0 takes a free one [default: 127.0.0.1:3000]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Threads that serve requests; 0: one per core [default: 0]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Configuration [default: pingtalk.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let started = Instant::now();
    let mut config = Config::load(options.config.as_deref())?;
    if let Some(data) = &options.data {
        config.data.clone_from(data);
    }
    if let Some(listen) = options.listen {
        config.listen = listen;
    }
    if let Some(threads) = options.threads {
        config.threads = threads;
    }
    // Sends what is left when everything else has ended.
    let telemetry = Telemetry::start(&config)?;
    logging::start(&config, telemetry.as_ref())?;
    let application = Application::read(&options.manifest.manifest)?;
    if options.build {
        build::build(&application, &[])?;
    }
    let watch = match options.watch {
        true => Some(Watch::start(&options.manifest.manifest, &application)?),
        false => None,
    };
    let bound = Bound::new(&config, &application)?;
    std::fs::create_dir_all(&config.data)
        .with_context(|| format!("the data directory {} can't be made", config.data.display()))?;

    // Signals, start-up and shut-down happen here; requests are served on the cores' own threads.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // Caught from the start, so that an early SIGTERM drains too.
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let places = Places {
            gateway: bound.address()?,
            admin: bound.admin_address(),
            direct: bound.direct_addresses(),
        };
        let host = tokio::select! {
            host = Host::start(&config, &application, bound) => host?,
            // It may wait for a server that is away.
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
        };
        announce(&application, &config, &places, started);
        let watched = async {
            match watch {
                Some(watch) => watch.run(&host).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = host.drained() => {}
            () = watched => {}
        }
        eprintln!("Stopping: finishing the calls in hand (again Ctrl-C or SIGTERM: at once).");
        tokio::select! {
            () = host.stop(&config) => Ok(()),
            _ = terminate.recv() => anyhow::bail!("stopped at once, calls in hand were cut off"),
            _ = interrupt.recv() => anyhow::bail!("stopped at once, calls in hand were cut off"),
        }
    })
}

/// Where everything listens.
struct Places {
    gateway: SocketAddr,
    admin: Option<SocketAddr>,
    direct: Vec<(String, SocketAddr)>,
}

/// What runs where, and where to click.
fn announce(application: &Application, config: &Config, places: &Places, started: Instant) {
    let manifest = &application.manifest;
    println!(
        "\n{} {} is running ({} ms, {} threads)\n",
        manifest.application.name,
        manifest.application.version,
        started.elapsed().as_millis(),
        config.cores()
    );
    let scheme = if config.tls_certificate.is_some() { "https" } else { "http" };
    println!("  open        {scheme}://{}", reachable(places.gateway));
    if let Some(admin) = places.admin {
        let token = match config.admin_token_file() {
            Some(file) => format!("   (token: {})", file.display()),
            None => String::new(),
        };
        let scheme = if config.admin_is_tls(admin) { "https" } else { "http" };
        println!("  console     {scheme}://{}{token}", reachable(admin));
    }
    for trigger in &manifest.triggers {
        println!("  {:<11} {}", trigger.component, trigger.route);
    }
    for component in manifest.components.values() {
        if let Some(path) = component.host.sockets.paths.first() {
            println!("  {:<11} {path}", "Socket.IO");
        }
    }
    for (name, address) in &places.direct {
        println!("  {name:<11} http://{address} (direct)");
    }
    println!();
    for capability in Capability::ALL {
        println!("  {:<11} {}", capability.name(), capability.place(config));
    }
    println!("\nStop with Ctrl-C.");
}

/// An address that a browser on this machine can open.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip().is_unspecified() {
        true => SocketAddr::from(([127, 0, 0, 1], address.port())),
        false => address,
    }
}
