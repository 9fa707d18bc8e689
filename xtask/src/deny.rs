//! Dependencies: licences, sources, bans, advisories, by `cargo deny` (installed when missing).

use anyhow::Result;

use crate::process::{cargo, exists, run as start};

/// The version to install; any installed one is used.
const VERSION: &str = "0.20.2";

pub(crate) fn run() -> Result<()> {
    if !exists("cargo-deny") {
        run_install()?;
    }
    start(cargo().args(["deny", "--all-features", "check", "bans", "licenses", "sources"]))?;
    // The advisory database is a git repository of its own. A machine that can't reach it must
    // say so rather than pass in silence.
    let advisories = cargo().args(["deny", "--all-features", "check", "advisories"]).output()?;
    let text = String::from_utf8_lossy(&advisories.stderr);
    if !advisories.status.success() && text.contains("failed to fetch advisory database") {
        println!("NOT CHECKED: advisories (their database can't be reached from this machine)");
        return Ok(());
    }
    print!("{text}");
    anyhow::ensure!(advisories.status.success(), "advisories apply to our dependencies");
    Ok(())
}

/// Unoptimised: it runs for seconds and would build for minutes.
fn run_install() -> Result<()> {
    start(cargo().args(["install", "--locked", "--debug", "cargo-deny", "--version", VERSION]))
}
