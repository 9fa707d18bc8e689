//! Who may import whom, and how modules are laid out: ARCHITECTURE.md's table as a check.
//!
//! It reads each crate's Cargo.toml (not its sources: what a crate doesn't depend on it can't
//! import) and each module's first lines.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use crate::process::root;

/// Third-party crates that talk to a store, a broker or the network, or run WebAssembly. Only the
/// crates named beside them may import them.
const GUARDED: &[(&str, &[&str])] = &[
    ("wasmtime", &["runtime"]),
    ("wasmtime-wasi", &["runtime"]),
    ("wasmtime-wasi-http", &["runtime"]),
    ("rusqlite", &["backends/"]),
    ("moka", &["backends/cache-memory", "gateway"]),
    ("object_store", &["backends/blobs-store"]),
    ("reqwest", &["backends/blobs-store", "backends/blobs-cloudinary", "cli"]),
    ("oci-client", &["cli"]),
    ("mongodb", &["backends/documents-mongodb"]),
    (
        "redis",
        &[
            "backends/redis-connection",
            "backends/cache-redis",
            "backends/limits-redis",
            "backends/cluster-redis",
        ],
    ),
    ("lapin", &["backends/events-rabbitmq"]),
    ("engineioxide", &["sockets"]),
    ("clap", &["cli"]),
];

/// For each host crate, which of ours it may import. A trailing `/` stands for a folder.
const ALLOWED: &[(&str, &[&str])] = &[
    ("capabilities", &[]),
    ("manifest", &[]),
    ("backends/sqlite", &["capabilities"]),
    ("backends/redis-connection", &[]),
    ("backends/", &["capabilities", "backends/sqlite", "backends/redis-connection"]),
    ("runtime", &["capabilities"]),
    ("tenancy", &["capabilities", "manifest", "runtime"]),
    ("gateway", &["capabilities", "tenancy"]),
    ("sockets", &["capabilities", "tenancy"]),
    ("events", &["capabilities", "tenancy"]),
    ("admin", &["capabilities", "tenancy"]),
    (
        "cli",
        &[
            "capabilities",
            "manifest",
            "backends/",
            "runtime",
            "tenancy",
            "gateway",
            "sockets",
            "events",
            "admin",
        ],
    ),
];

/// Crates beside host/ that the host and the adapters for Spin have in common. They import none of
/// ours.
const SHARED: &[&str] = &["documents", "packets", "front"];

/// What an adapter for Spin (components/spin-*) may import of ours besides [`SHARED`] and the sdk.
const ADAPTERS_IMPORT: &[&str] = &["manifest", "spin-platform"];

/// Names that hide a file's subject.
const VAGUE: &[&str] = &["utils", "util", "common", "helpers", "manager", "misc"];

/// A longer file is a subject that wants splitting.
const MAX_LINES: usize = 450;

pub(crate) fn run() -> Result<()> {
    let mut findings = Vec::new();
    let root = root();
    let crates = host_crates(&root)?;
    for (place, dependencies) in &crates {
        check_imports(place, dependencies, &crates, &mut findings);
    }
    for folder in ["sdk", "components", "examples"] {
        check_guests(&root, folder, &mut findings)?;
    }
    for shared in SHARED {
        let manifest = root.join(shared).join("Cargo.toml");
        for name in dependencies(&manifest)?.keys().filter(|name| name.starts_with("pingtalk-")) {
            findings.push(format!("{shared} may not import {name}"));
        }
    }
    let folders = ["host", "sdk", "components", "examples", "tests", "xtask", "bench"];
    for folder in folders.iter().chain(SHARED) {
        check_modules(&root.join(folder), &mut findings)?;
    }
    crate::vendored::check(&mut findings)?;
    if findings.is_empty() {
        println!("architecture: {} host crates keep to the import table", crates.len());
        return Ok(());
    }
    for finding in &findings {
        eprintln!("architecture: {finding}");
    }
    bail!("{} findings", findings.len());
}

/// Dependencies (not those of tests) of one crate: package name to path, where it is ours.
type Dependencies = BTreeMap<String, ()>;

/// Every crate under host/, by its folder.
fn host_crates(root: &Path) -> Result<BTreeMap<String, Dependencies>> {
    let mut crates = BTreeMap::new();
    for folder in ["host", "host/backends"] {
        for entry in std::fs::read_dir(root.join(folder))? {
            let path = entry?.path();
            let manifest = path.join("Cargo.toml");
            if manifest.is_file() {
                let place = path.strip_prefix(root.join("host"))?.display().to_string();
                crates.insert(place, dependencies(&manifest)?);
            }
        }
    }
    Ok(crates)
}

/// The names a manifest depends on, build dependencies and all targets included.
fn dependencies(manifest: &Path) -> Result<Dependencies> {
    let text = std::fs::read_to_string(manifest)?;
    let table: toml::Table = text.parse().with_context(|| manifest.display().to_string())?;
    let mut names = Dependencies::new();
    let mut take = |value: Option<&toml::Value>| {
        if let Some(table) = value.and_then(toml::Value::as_table) {
            names.extend(table.keys().map(|name| (name.clone(), ())));
        }
    };
    take(table.get("dependencies"));
    take(table.get("build-dependencies"));
    if let Some(targets) = table.get("target").and_then(toml::Value::as_table) {
        for target in targets.values() {
            take(target.get("dependencies"));
        }
    }
    Ok(names)
}

fn check_imports(
    place: &str,
    dependencies: &Dependencies,
    crates: &BTreeMap<String, Dependencies>,
    findings: &mut Vec<String>,
) {
    let Some((_, allowed)) = ALLOWED.iter().find(|(pattern, _)| covers(pattern, place)) else {
        findings.push(format!("host/{place} is in no row of the import table"));
        return;
    };
    for name in dependencies.keys() {
        if let Some(ours) = name.strip_prefix("pingtalk-").filter(|ours| !SHARED.contains(ours)) {
            let Some(target) = crates.keys().find(|other| other.rsplit('/').next() == Some(ours))
            else {
                findings.push(format!("host/{place} imports {name}, which is not a host crate"));
                continue;
            };
            if !allowed.iter().any(|pattern| covers(pattern, target)) {
                findings.push(format!("host/{place} may not import host/{target}"));
            }
        }
        if let Some((_, owners)) = GUARDED.iter().find(|(guarded, _)| guarded == name)
            && !owners.iter().any(|owner| covers(owner, place))
        {
            findings.push(format!("host/{place} may not import {name}: that is for {owners:?}"));
        }
    }
}

/// `pattern` names a folder's crates when it ends in `/`, else one crate or its `-…` kin.
fn covers(pattern: &str, place: &str) -> bool {
    if pattern.ends_with('/') {
        place.starts_with(pattern)
    } else {
        place == pattern || place.strip_prefix(pattern).is_some_and(|rest| rest == "-thread")
    }
}

/// Guests see the sdk and nothing of the host or of each other; adapters see what they adapt to.
fn check_guests(root: &Path, folder: &str, findings: &mut Vec<String>) -> Result<()> {
    let mut manifests = vec![root.join(folder).join("Cargo.toml")];
    if let Ok(entries) = std::fs::read_dir(root.join(folder)) {
        for entry in entries {
            manifests.push(entry?.path().join("Cargo.toml"));
        }
    }
    for manifest in manifests.iter().filter(|path| path.is_file()) {
        let place = shown(root, manifest);
        let adapter = place.starts_with("components/spin-");
        for name in dependencies(manifest)?.keys() {
            let Some(ours) = name.strip_prefix("pingtalk-") else { continue };
            let adapters = SHARED.contains(&ours) || ADAPTERS_IMPORT.contains(&ours);
            if ours != "sdk" && !(adapter && adapters) {
                findings.push(format!("{place} may not import {name}"));
            }
        }
    }
    Ok(())
}

fn check_modules(folder: &Path, findings: &mut Vec<String>) -> Result<()> {
    let root = root();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if path.is_dir() {
                if name != "node_modules" && name != "target" {
                    folders.push(path);
                }
            } else if name.ends_with(".rs") {
                check_module(&root, &path, findings)?;
            }
        }
    }
    Ok(())
}

fn check_module(root: &Path, path: &Path, findings: &mut Vec<String>) -> Result<()> {
    let text = std::fs::read_to_string(path)?;
    let place = shown(root, path);
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    if !first.starts_with("//!") {
        findings.push(format!("{place} does not open with `//!`"));
    }
    let lines = text.lines().count();
    if lines > MAX_LINES {
        findings.push(format!("{place} has {lines} lines (over {MAX_LINES}): split it by subject"));
    }
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    if VAGUE.contains(&stem) {
        findings.push(format!("{place}: the name hides the subject"));
    }
    Ok(())
}

fn shown(root: &Path, path: &Path) -> String {
    let path: PathBuf =
        path.strip_prefix(root).map_or_else(|_| path.to_path_buf(), Path::to_path_buf);
    path.display().to_string()
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;

    fn crates(names: &[&str]) -> BTreeMap<String, Dependencies> {
        names.iter().map(|name| ((*name).to_owned(), Dependencies::new())).collect()
    }

    fn found(place: &str, imports: &[&str]) -> Vec<String> {
        let all = crates(&["capabilities", "runtime", "gateway", "backends/cache-memory"]);
        let imports = imports.iter().map(|name| ((*name).to_owned(), ())).collect();
        let mut findings = Vec::new();
        check_imports(place, &imports, &all, &mut findings);
        findings
    }

    #[test]
    fn the_table_refuses_what_it_does_not_name() {
        assert!(found("runtime", &["pingtalk-capabilities", "wasmtime"]).is_empty());
        assert_eq!(
            found("gateway", &["pingtalk-runtime"]),
            ["host/gateway may not import host/runtime"]
        );
        assert_eq!(found("gateway", &["wasmtime"]).len(), 1);
        assert_eq!(found("backends/cache-memory", &["pingtalk-gateway"]).len(), 1);
        assert_eq!(found("stray", &[]), ["host/stray is in no row of the import table"]);
    }

    #[test]
    fn this_tree_keeps_to_the_table() {
        run().expect("the architecture check passes");
    }
}
