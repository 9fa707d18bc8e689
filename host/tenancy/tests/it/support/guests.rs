//! Builds the guests that the tests deploy once, with the profile that ships.

use std::{path::PathBuf, process::Command, sync::OnceLock};

use bytes::Bytes;

/// A guest's component.
pub(crate) fn read(name: &str) -> Bytes {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let file = BUILT.get_or_init(build).join(format!("guest_{}.wasm", name.replace('-', "_")));
    std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display())).into()
}

/// The same component with other bytes: a custom section is added, which nothing reads.
pub(crate) fn variant(component: &Bytes, mark: u8) -> Bytes {
    let mut bytes = component.to_vec();
    // Section 0, three bytes: a name of one letter and one byte of content.
    bytes.extend([0, 3, 1, b'v', mark]);
    bytes.into()
}

fn build() -> PathBuf {
    // Cargo's scratch directory for tests lies in the target directory.
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().to_owned();
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--target", "wasm32-wasip2", "--profile", "component"])
        .args(["-p", "guest-hello", "-p", "guest-probe"])
        .arg("--target-dir")
        .arg(&target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .expect("cargo runs");
    assert!(status.success(), "the guests don't build: rustup target add wasm32-wasip2");
    target.join("wasm32-wasip2/component")
}
