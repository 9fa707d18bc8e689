//! Builds `tests/guests` once, with the profile that ships.

use std::{path::PathBuf, process::Command, sync::OnceLock};

use bytes::Bytes;

/// A guest's component.
pub fn read(name: &str) -> Bytes {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let dir = BUILT.get_or_init(build);
    let file = format!("guest_{}.wasm", name.replace('-', "_"));
    std::fs::read(dir.join(&file)).unwrap_or_else(|error| panic!("{file}: {error}")).into()
}

fn build() -> PathBuf {
    // Cargo's scratch directory for tests lies in the target directory.
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().to_owned();
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--target", "wasm32-wasip2", "--profile", "component"])
        .args(["-p", "guest-hello", "-p", "guest-hello-02", "-p", "guest-probe"])
        .arg("--target-dir")
        .arg(&target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .expect("cargo runs");
    assert!(
        status.success(),
        "the guests don't build; if the target is missing: rustup target add wasm32-wasip2"
    );
    target.join("wasm32-wasip2/component")
}
