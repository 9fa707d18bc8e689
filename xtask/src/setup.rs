//! What a fresh machine lacks: the wasm target, a browser, the clients' packages. Each is installed
//! from where it officially comes from, or the message says what to install.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::process::{exists, program, root, run, target};

/// The target components are built for.
pub(crate) const WASM_TARGET: &str = "wasm32-wasip2";

/// Adds the wasm target to the toolchain in use.
pub(crate) fn wasm_target() -> Result<()> {
    let listed = program("rustup").args(["target", "list", "--installed"]).output();
    if let Ok(listed) = listed
        && String::from_utf8_lossy(&listed.stdout).lines().any(|line| line == WASM_TARGET)
    {
        return Ok(());
    }
    run(program("rustup").args(["target", "add", WASM_TARGET]))
}

/// Installs Debian packages when `probe` can't be started.
pub(crate) fn debian(probe: &str, packages: &[&str]) -> Result<()> {
    if exists(probe) {
        return Ok(());
    }
    install(packages)?;
    if exists(probe) {
        return Ok(());
    }
    let list = packages.join(" ");
    bail!(
        "`{probe}` is needed and could not be installed. Install it by hand (on Debian: apt-get install {list}), \
         or run the tests in a container: docker run --rm -v \"$PWD\":/src -w /src rust:1.95-bookworm cargo xtask test"
    )
}

/// Installs Debian packages where we may; elsewhere it does nothing.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    let root_user = program("id").arg("-u").output().is_ok_and(|id| id.stdout.starts_with(b"0"));
    let install = |prefix: &[&str]| -> Result<()> {
        let mut words = prefix.to_vec();
        words.extend(["apt-get", "update", "-qq"]);
        let (first, rest) = split(&words)?;
        run(program(first).args(rest))?;
        let mut words = prefix.to_vec();
        words.extend(["apt-get", "install", "-y", "-qq", "--no-install-recommends"]);
        words.extend(packages);
        let (first, rest) = split(&words)?;
        run(program(first).args(rest).env("DEBIAN_FRONTEND", "noninteractive"))
    };
    if exists("apt-get") && root_user {
        install(&[])?;
    } else if exists("apt-get")
        && program("sudo").args(["-n", "true"]).status().is_ok_and(|s| s.success())
    {
        install(&["sudo", "-n"])?;
    }
    Ok(())
}

fn split<'a>(words: &'a [&'a str]) -> Result<(&'a str, &'a [&'a str])> {
    match words.split_first() {
        Some((first, rest)) => Ok((first, rest)),
        None => bail!("no command"),
    }
}

/// Node's packages of the end-to-end tests, as locked.
pub(crate) fn node_packages() -> Result<()> {
    if !exists("node") || !exists("npm") {
        bail!(
            "the end-to-end tests need Node 20 or later with npm (on Debian: apt-get install nodejs npm)"
        );
    }
    run(program("npm")
        .args(["ci", "--no-audit", "--no-fund", "--loglevel=error"])
        .current_dir(root().join("tests/e2e")))
}

/// A Python environment with the packages of the end-to-end tests; returns its interpreter.
pub(crate) fn python_packages() -> Result<PathBuf> {
    if !exists("python3") {
        bail!(
            "the end-to-end tests need Python 3.9 or later (on Debian: apt-get install python3 python3-venv)"
        );
    }
    let venv = target().join("e2e-venv");
    let python = venv.join("bin/python");
    if !python.exists() {
        run(program("python3").args(["-m", "venv"]).arg(&venv))?;
    }
    run(program(&python.to_string_lossy())
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"])
        .arg(root().join("tests/e2e/requirements.txt")))?;
    Ok(python)
}
