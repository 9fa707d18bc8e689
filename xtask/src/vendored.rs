//! `wit/wasi` must be the WASI that the pinned host crate was built for, byte for byte.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::process::{cargo, root};

/// The crate whose copy counts.
const CRATE: &str = "wasmtime-wasi-http";
/// The vendored files that come from it.
const FILES: [&str; 6] =
    ["cli.wit", "clocks.wit", "filesystem.wit", "http.wit", "random.wit", "sockets.wit"];

/// Differences, as findings.
pub(crate) fn check(findings: &mut Vec<String>) -> Result<()> {
    let theirs = crate_folder()?.join("src/p3/wit/deps");
    for file in FILES {
        let ours = std::fs::read(root().join("wit/wasi").join(file))
            .with_context(|| format!("wit/wasi/{file}"))?;
        let released = std::fs::read(theirs.join(file))
            .with_context(|| format!("{CRATE} does not carry {file} any more"))?;
        if ours != released {
            findings.push(format!("wit/wasi/{file} differs from the copy in {CRATE}"));
        }
    }
    Ok(())
}

/// Where cargo keeps the pinned crate's sources.
fn crate_folder() -> Result<PathBuf> {
    let output = cargo().args(["metadata", "--format-version", "1", "--locked"]).output()?;
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).context("cargo metadata printed no JSON")?;
    let packages = metadata.get("packages").and_then(serde_json::Value::as_array);
    let manifest = packages
        .into_iter()
        .flatten()
        .find(|package| package.get("name").and_then(|name| name.as_str()) == Some(CRATE))
        .and_then(|package| package.get("manifest_path")?.as_str())
        .with_context(|| format!("{CRATE} is not a dependency"))?;
    PathBuf::from(manifest).parent().map(PathBuf::from).context("a manifest has a folder")
}
