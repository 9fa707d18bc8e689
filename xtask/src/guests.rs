//! Builds every WebAssembly guest: the four components, the example service and the test guests.
//! They share one cargo call, so that what they have in common is compiled once.

use anyhow::{Context, Result};

use crate::{
    process::{cargo, root, run, target},
    setup,
};

/// Folders whose crates are guests.
const FOLDERS: [&str; 3] = ["components", "examples", "tests/guests"];

/// Builds all guests into `target/wasm32-wasip2/component/`.
pub(crate) fn build() -> Result<()> {
    setup::wasm_target()?;
    let mut command = cargo();
    command.args(["build", "--target", setup::WASM_TARGET, "--profile", "component"]);
    for package in packages()? {
        command.args(["--package", &package]);
    }
    run(&mut command)?;
    texts()
}

/// Translates the guests that are written as text, into `target/wasm32-wasip2/component/text/`.
fn texts() -> Result<()> {
    let into = target().join(setup::WASM_TARGET).join("component/text");
    std::fs::create_dir_all(&into)?;
    for entry in std::fs::read_dir(root().join("tests/guests/text"))? {
        let file = entry?.path();
        let component = wat::parse_file(&file)?;
        let name = file.with_extension("wasm");
        std::fs::write(into.join(name.file_name().unwrap_or_default()), component)?;
    }
    Ok(())
}

/// The guests' package names.
fn packages() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for folder in FOLDERS {
        let Ok(entries) = std::fs::read_dir(root().join(folder)) else { continue };
        for entry in entries {
            let manifest = entry?.path().join("Cargo.toml");
            if !manifest.is_file() {
                continue;
            }
            let text = std::fs::read_to_string(&manifest)?;
            let table: toml::Table =
                text.parse().with_context(|| format!("{} is not TOML", manifest.display()))?;
            if let Some(name) =
                table.get("package").and_then(|p| p.get("name")).and_then(|n| n.as_str())
            {
                names.push(name.to_owned());
            }
        }
    }
    names.sort();
    Ok(names)
}
