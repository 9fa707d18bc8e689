//! `pingtalk check`: is the manifest valid, what is each component granted, and do the built files
//! ask for more than that? And what meets their imports, here and under Spin?

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use clap::Args;
use pingtalk_manifest::{Component as Declared, Manifest};
use pingtalk_runtime::{Component, Engine, EngineConfig, Pace};

use crate::{ManifestOption, loading::Application};

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    manifest: ManifestOption,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let application = Application::read(&options.manifest.manifest)?;
    print!("{}", application.manifest.grant_report());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let problems = runtime.block_on(check_files(&application))?;
    if problems > 0 {
        bail!("{problems} problems");
    }
    println!("\nThe manifest is valid.");
    Ok(())
}

/// Compiles what is built and compares it with the manifest; returns how many problems there are.
async fn check_files(application: &Application) -> Result<usize> {
    let engine = Engine::new(EngineConfig::default())?;
    let mut problems = 0;
    println!();
    for (name, declared) in &application.manifest.components {
        let path = application.source(declared);
        let Ok(bytes) = tokio::fs::read(&path).await else {
            println!("{name}: not built yet ({})", path.display());
            continue;
        };
        let component = engine.load(name, bytes.into(), Pace::Eager, &|_| {}).await?;
        let found = compare(&application.manifest, name, declared, &component);
        if found.is_empty() {
            println!("{name}: its imports are all granted, its exports all there");
        }
        for problem in &found {
            println!("{name}: {problem}");
        }
        problems += found.len();
        print!("{}", meeting(declared, &component));
    }
    Ok(problems)
}

/// What meets each of a component's imports on this host, and what under `spin up`. WASI's own both
/// hosts have.
fn meeting(declared: &Declared, component: &Component) -> String {
    let mut text = String::new();
    for import in component.imports().iter().filter(|import| import.starts_with("pingtalk:")) {
        let kind = import.strip_prefix("pingtalk:").unwrap_or(import);
        let kind = kind.split(['/', '@']).next().unwrap_or(kind);
        // Types alone have nothing to call.
        if import.contains("/types@") {
            continue;
        }
        let spin = declared.dependencies.iter().find(|dependency| dependency.import == *import);
        let spin = spin.map_or(
            "nothing, so it does not start there: add it to `dependencies`",
            |dependency| dependency.met_by.as_str(),
        );
        text.push_str(&format!("  {import}\n    here  this host's {kind}\n    Spin  {spin}\n"));
    }
    text
}

/// What a component asks for beyond its grants, and what it lacks.
fn compare(
    manifest: &Manifest,
    name: &str,
    declared: &Declared,
    component: &Component,
) -> Vec<String> {
    let host = &declared.host;
    let capabilities = [
        (
            "pingtalk:documents/store",
            host.documents.is_empty(),
            "documents = [\"DATABASE.COLLECTION:read\"]",
        ),
        ("pingtalk:cache/store", host.cache.is_empty(), "cache = [\"PREFIX:\"]"),
        ("pingtalk:blobs/store", host.blobs.is_empty(), "blobs = [\"CONTAINER\"]"),
        ("pingtalk:sockets/server", !host.sockets.emit, "sockets = { emit = true }"),
        (
            "wasi:http/client",
            declared.allowed_outbound_hosts.is_empty(),
            "allowed_outbound_hosts = [\"https://HOST\"]",
        ),
    ];
    let mut problems = Vec::new();
    let imports: BTreeSet<&str> =
        component.imports().iter().filter_map(|i| i.split('@').next()).collect();
    for (import, ungranted, grant) in capabilities {
        if ungranted && imports.contains(import) {
            problems.push(format!("imports `{import}`, which is not granted: write {grant}"));
        }
    }
    let serves = component.serves();
    if serves.http.is_none() && manifest.triggers.iter().any(|trigger| trigger.component == name) {
        problems.push("has a route but exports no HTTP handler".to_owned());
    }
    if !serves.events && !host.consume.is_empty() {
        problems.push("consumes a queue but does not export pingtalk:events/handler".to_owned());
    }
    if !serves.sockets && host.sockets.serve {
        problems.push("serves sockets but does not export pingtalk:sockets/handler".to_owned());
    }
    problems
}
