//! `pingtalk build`: runs the build commands of the manifest, one component after the other.

use std::{path::Path, process::Command, time::Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use pingtalk_manifest::Build;

use crate::{ManifestOption, loading::Application, progress::Steps};

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    manifest: ManifestOption,
    /// Components to build; none: all
    components: Vec<String>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let application = Application::read(&options.manifest.manifest)?;
    for name in &options.components {
        if !application.manifest.components.contains_key(name) {
            let known: Vec<_> =
                application.manifest.components.keys().map(String::as_str).collect();
            bail!("the manifest has no component `{name}`: it has {}", known.join(", "));
        }
    }
    build(&application, &options.components)
}

/// Builds the named components, or all.
pub(crate) fn build(application: &Application, only: &[String]) -> Result<()> {
    let chosen: Vec<_> = application
        .manifest
        .components
        .iter()
        .filter(|(name, _)| only.is_empty() || only.contains(name))
        .filter_map(|(name, component)| Some((name, component.build.as_ref()?)))
        .collect();
    if chosen
        .iter()
        .any(|(_, build)| build.commands.iter().any(|command| command.contains(WASM_TARGET)))
    {
        wasm_target()?;
    }
    let steps = Steps::new("Building", chosen.len());
    for (name, build) in chosen {
        let started = Instant::now();
        steps.at(name);
        run_commands(&application.folder, name, build)?;
        steps.done(&format!("{name:<10} built in {} s", started.elapsed().as_secs()));
    }
    Ok(())
}

fn run_commands(folder: &Path, name: &str, build: &Build) -> Result<()> {
    let workdir =
        build.workdir.as_ref().map_or_else(|| folder.to_path_buf(), |dir| folder.join(dir));
    for line in &build.commands {
        // As Spin runs them: through the shell, in the component's folder.
        let mut command = Command::new("sh");
        command.args(["-c", line]);
        if !workdir.as_os_str().is_empty() {
            command.current_dir(&workdir);
        }
        let output = command
            .output()
            .with_context(|| format!("component `{name}`: `{line}` can't be started"))?;
        if !output.status.success() {
            bail!(
                "component `{name}`: `{line}` failed ({})\n{}{}",
                output.status,
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
        }
    }
    Ok(())
}

const WASM_TARGET: &str = "wasm32-wasip2";

/// Adds the wasm target where rustup manages the toolchain and it is missing.
fn wasm_target() -> Result<()> {
    let Ok(listed) = Command::new("rustup").args(["target", "list", "--installed"]).output() else {
        // No rustup: the distribution's toolchain either has the target or cargo says so.
        return Ok(());
    };
    if String::from_utf8_lossy(&listed.stdout).lines().any(|line| line == WASM_TARGET) {
        return Ok(());
    }
    eprintln!("  adding the Rust target {WASM_TARGET}");
    let status = Command::new("rustup").args(["target", "add", WASM_TARGET]).status()?;
    if !status.success() {
        bail!("`rustup target add {WASM_TARGET}` failed; components can't be built without it");
    }
    Ok(())
}
