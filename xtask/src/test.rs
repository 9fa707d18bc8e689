//! Every test there is, in the order that finds the commonest mistakes first.

use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;

use crate::{
    guests,
    host::Host,
    process::{cargo, program, root, stream, target},
    servers::Servers,
    setup,
    summary::{Part, Summary},
};

/// For building and running the Rust tests, from an empty target directory on two slow cores.
const RUST_BOUND: Duration = Duration::from_secs(45 * 60);
/// For the real clients: some four times what they take.
const CLIENTS_BOUND: Duration = Duration::from_secs(40 * 60);

/// What to leave out.
#[derive(Args)]
pub(crate) struct Options {
    /// Only the Rust tests: no Node, Python or browser.
    #[arg(long)]
    rust_only: bool,
    /// Only the end-to-end tests, against the binary and components as built before.
    #[arg(long, conflicts_with = "rust_only")]
    e2e_only: bool,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let mut summary = Summary::default();
    let servers = Servers::start()?;
    if !options.e2e_only {
        guests::build()?;
        // One build for everything: the host's binary that the end-to-end tests start comes from
        // here too, with the same features.
        let mut part = Part::new("Rust");
        let succeeded = stream(
            servers.tell(cargo().args(["test", "--workspace", "--all-targets", "--no-fail-fast"])),
            RUST_BOUND,
            |line| part.read(line),
        )?;
        part.end(succeeded);
        summary.add(&part);
    }
    protocol_suite(&mut summary)?;
    if !options.rust_only {
        end_to_end(&servers, &mut summary)?;
    }
    if !summary.finish()? {
        bail!("there are failed tests");
    }
    Ok(())
}

/// The Socket.IO protocol's cases once more, this time against a component on the host.
fn protocol_suite(summary: &mut Summary) -> Result<()> {
    let mut part = Part::new("Socket.IO protocol, on the host");
    let binary = target().join("debug/pingtalk");
    let data = target().join("protocol-suite-data");
    let host = Host::start(&binary, "tests/guests/socketio/spin.toml", data)?;
    let succeeded = stream(
        // With --workspace, so that nothing is built with other features than before.
        cargo()
            .args(["test", "--workspace", "--test", "protocol_socketio"])
            .env("BASE_URL", host.url()),
        RUST_BOUND,
        |line| part.read(line),
    )?;
    part.end(succeeded);
    summary.add(&part);
    Ok(())
}

/// Real clients against the real binary.
fn end_to_end(servers: &Servers, summary: &mut Summary) -> Result<()> {
    let chromium = std::env::var("CHROMIUM").unwrap_or_else(|_| "chromium".to_owned());
    setup::debian(&chromium, &["chromium"])?;
    setup::debian("openssl", &["openssl"])?;
    setup::debian("docker-registry", &["docker-registry"])?;
    setup::node_packages()?;
    let python = setup::python_packages()?;
    let binary = target().join("debug/pingtalk");
    let folder = root().join("tests/e2e");
    // Many hosts with empty data directories are started; they need not compile again.
    let compiled = target().join("e2e-compiled");

    let mut part = Part::new("Node, socket.io-client, Chromium");
    let mut command = program("npm");
    command
        .args(["test", "--silent"])
        .current_dir(&folder)
        .env("PINGTALK_BIN", &binary)
        .env("PINGTALK_COMPILE_CACHE", &compiled);
    let succeeded = stream(servers.tell(&mut command), CLIENTS_BOUND, |line| part.read(line))?;
    part.end(succeeded);
    summary.add(&part);

    let mut part = Part::new("Python, python-socketio");
    let mut command = program(&python.to_string_lossy());
    command
        .args(["-m", "pytest", "-q"])
        .current_dir(&folder)
        .env("PINGTALK_BIN", &binary)
        .env("PINGTALK_COMPILE_CACHE", &compiled);
    let succeeded = stream(servers.tell(&mut command), CLIENTS_BOUND, |line| part.read(line))?;
    part.end(succeeded);
    summary.add(&part);
    Ok(())
}
