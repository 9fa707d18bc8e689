//! What Spin is asked for: the composed components import nothing that Spin 4.1 does not have.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{collections::BTreeSet, path::Path};

use pingtalk_manifest::Manifest;

/// The interfaces of Spin 4.1's `platform` world (`wit/world.wit` of its sources, at 4.1.0) that a
/// component of ours may end up importing, and their versions there. WASI 0.2 interfaces stand for
/// themselves in any later 0.2 (Spin and wasmtime both link them by semver).
const SPIN: &[&str] = &[
    "wasi:cli/environment@0.2.6",
    "wasi:cli/exit@0.2.6",
    "wasi:cli/stderr@0.2.6",
    "wasi:cli/stdin@0.2.6",
    "wasi:cli/stdout@0.2.6",
    "wasi:cli/terminal-input@0.2.6",
    "wasi:cli/terminal-output@0.2.6",
    "wasi:cli/terminal-stderr@0.2.6",
    "wasi:cli/terminal-stdin@0.2.6",
    "wasi:cli/terminal-stdout@0.2.6",
    "wasi:clocks/monotonic-clock@0.2.6",
    "wasi:clocks/wall-clock@0.2.6",
    "wasi:filesystem/preopens@0.2.6",
    "wasi:filesystem/types@0.2.6",
    "wasi:io/error@0.2.6",
    "wasi:io/poll@0.2.6",
    "wasi:io/streams@0.2.6",
    "wasi:random/insecure-seed@0.2.6",
    "wasi:random/random@0.2.6",
    "wasi:clocks/monotonic-clock@0.3.0",
    "wasi:clocks/system-clock@0.3.0",
    "wasi:clocks/types@0.3.0",
    "wasi:random/random@0.3.0",
    "wasi:http/types@0.3.0",
    "wasi:http/client@0.3.0",
    "wasi:config/store@0.2.0-draft-2024-09-27",
    "wasi:keyvalue/store@0.2.0-draft2",
    "wasi:keyvalue/atomics@0.2.0-draft2",
    "spin:sqlite/sqlite@3.1.0",
];

/// Interfaces of types alone, which need nobody to meet them.
const TYPES: &[&str] = &["pingtalk:sockets/types@0.1.0", "pingtalk:events/types@0.1.0"];

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The instances a component imports or exports, by name.
fn instances(file: &Path, exports: bool) -> BTreeSet<String> {
    let bytes = std::fs::read(file)
        .unwrap_or_else(|error| panic!("{}: {error}: `cargo xtask guests`", file.display()));
    let mut found = BTreeSet::new();
    let mut depth = 0_usize;
    for payload in wasmparser::Parser::new(0).parse_all(&bytes) {
        use wasmparser::Payload::{
            ComponentExportSection, ComponentImportSection, ComponentSection, End, ModuleSection,
        };
        match payload.unwrap() {
            ComponentSection { .. } | ModuleSection { .. } => depth += 1,
            End(_) => depth = depth.saturating_sub(1),
            ComponentImportSection(section) if depth == 0 && !exports => {
                found.extend(section.into_iter().map(|it| it.unwrap().name.name.to_owned()));
            }
            ComponentExportSection(section) if depth == 0 && exports => {
                found.extend(section.into_iter().map(|it| it.unwrap().name.name.to_owned()));
            }
            _ => {}
        }
    }
    found
}

fn spin_has(import: &str) -> bool {
    SPIN.iter().any(|known| {
        let patch = |text: &str| -> Option<(String, u32)> {
            let (name, version) = text.split_once("@0.2.")?;
            Some((name.to_owned(), version.parse().ok()?))
        };
        match (patch(known), patch(import)) {
            (Some((known, _)), Some((import, _))) => known == import,
            _ => *known == import,
        }
    })
}

fn manifest() -> Manifest {
    let text = std::fs::read_to_string(root().join("spin.toml")).unwrap();
    Manifest::parse("spin.toml", &text).unwrap_or_else(|findings| panic!("{findings}"))
}

/// A component's file, by its name or its path in the manifest.
fn file(manifest: &Manifest, met_by: &str) -> std::path::PathBuf {
    let source = met_by.strip_prefix("component ").map_or(met_by, |name| {
        &manifest.components.get(name).unwrap_or_else(|| panic!("no component {name}")).source
    });
    root().join(source)
}

#[test]
fn every_import_is_met() {
    let manifest = manifest();
    let mut services = 0;
    for (name, component) in &manifest.components {
        let source = root().join(&component.source);
        let own = instances(&source, true);
        let mut asked = BTreeSet::new();
        for import in instances(&source, false).difference(&own).cloned() {
            let dependency = component.dependencies.iter().find(|it| it.import == import);
            let Some(dependency) = dependency else {
                asked.insert(import);
                continue;
            };
            let adapter = file(&manifest, &dependency.met_by);
            let exported = instances(&adapter, true);
            assert!(exported.contains(&import), "{name}: {} lacks {import}", dependency.met_by);
            // What it exports it imports too, for the types alone.
            asked.extend(instances(&adapter, false).difference(&exported).cloned());
        }
        // The middleware's own handler is the next one in the chain.
        asked.remove("wasi:http/handler@0.3.0");
        let unmet: Vec<_> = asked
            .iter()
            .filter(|import| !spin_has(import) && !TYPES.contains(&import.as_str()))
            .collect();
        assert!(unmet.is_empty(), "{name} asks Spin for {unmet:?}");
        services += usize::from(!component.host.spin_only);
    }
    assert_eq!(services, 4);
}

#[test]
fn what_adapters_inherit_is_granted() {
    let text = std::fs::read_to_string(root().join("spin.toml")).unwrap();
    let manifest = manifest();
    for (name, component) in &manifest.components {
        if component.dependencies.is_empty() {
            continue;
        }
        let (_, section) = text.split_once(&format!("\n[component.{name}]\n")).unwrap();
        let section = section.split("\n[").next().unwrap();
        for grant in [
            "files = [\"spin.toml\"]".to_owned(),
            format!("environment = {{ PINGTALK_COMPONENT = \"{name}\" }}"),
            "sqlite_databases = [\"default\"]".to_owned(),
            "key_value_stores = [\"default\"]".to_owned(),
        ] {
            assert!(section.contains(&grant), "[component.{name}] lacks {grant}");
        }
    }
}

#[test]
fn what_spin_lacks_is_noticed() {
    assert!(spin_has("wasi:io/poll@0.2.12"));
    assert!(!spin_has("wasi:sockets/tcp@0.3.0"));
    assert!(!spin_has("pingtalk:cache/store@0.1.0"));
    assert!(!spin_has("spin:sqlite/sqlite@4.0.0"));
}
