//! The component itself: it imports the capabilities the service uses and no others, and exports
//! what `service!` names. A manifest must grant every import, so an import too many is a fault.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{collections::BTreeSet, path::PathBuf, process::Command};

use wasmparser::{Parser, Payload};

/// Builds the component with the profile that ships.
fn build() -> Vec<u8> {
    // Cargo's scratch directory for tests lies in the target directory.
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().to_owned();
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--target", "wasm32-wasip2", "--profile", "component"])
        .args(["-p", "pingtalk-notes", "--target-dir"])
        .arg(&target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .expect("cargo runs");
    assert!(
        status.success(),
        "the component doesn't build; if the target is missing: rustup target add wasm32-wasip2"
    );
    let file = target.join("wasm32-wasip2/component/pingtalk_notes.wasm");
    std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The outermost component's imports and exports.
fn interfaces(component: &[u8]) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut imports, mut exports) = (BTreeSet::new(), BTreeSet::new());
    let mut depth = 0;
    for payload in Parser::new(0).parse_all(component) {
        match payload.expect("a valid component") {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(section) if depth == 1 => {
                imports
                    .extend(section.into_iter().map(|import| import.unwrap().name.name.to_owned()));
            }
            Payload::ComponentExportSection(section) if depth == 1 => {
                exports
                    .extend(section.into_iter().map(|export| export.unwrap().name.name.to_owned()));
            }
            _ => {}
        }
    }
    (imports, exports)
}

#[test]
fn imports_what_it_uses_and_exports_what_it_serves() {
    let (imports, exports) = interfaces(&build());
    // Rust's standard library brings WASI 0.2 (standard streams, clocks, its hash seed) by itself.
    let ours: Vec<&str> = imports
        .iter()
        .map(String::as_str)
        .filter(|name| !name.contains("@0.2.") || name.contains("draft"))
        .collect();
    assert_eq!(
        ours,
        [
            "pingtalk:cache/store@0.1.0",
            "pingtalk:documents/store@0.1.0",
            "pingtalk:events/types@0.1.0",
            "wasi:clocks/system-clock@0.3.0",
            "wasi:config/store@0.2.0-draft-2024-09-27",
            "wasi:http/types@0.3.0",
            "wasi:random/random@0.3.0",
        ]
    );
    let exports: Vec<&str> = exports.iter().map(String::as_str).collect();
    assert_eq!(exports, ["pingtalk:events/handler@0.1.0", "wasi:http/handler@0.3.0"]);
}
