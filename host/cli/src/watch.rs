//! `pingtalk up --watch`: rebuilds components whose files change, and switches to them while clients
//! stay connected. What does not build or start leaves everything as it is.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use globset::{Glob, GlobSet, GlobSetBuilder};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

use crate::{build, host::Host, loading::Application};

/// Editors write a file in several steps: a change counts when nothing more comes for this long.
const QUIET: Duration = Duration::from_millis(80);

/// Watches until it is dropped.
pub(crate) struct Watch {
    manifest: PathBuf,
    changes: mpsc::UnboundedReceiver<PathBuf>,
    files: Files,
    /// Stops watching when it goes.
    _watcher: RecommendedWatcher,
}

/// Which files belong to which component.
struct Files {
    /// By component.
    globs: BTreeMap<String, GlobSet>,
    /// Folders below which they lie.
    folders: BTreeSet<PathBuf>,
}

impl Watch {
    /// Starts watching what the manifest says under `build.watch`, and the manifest itself.
    pub(crate) fn start(manifest: &Path, application: &Application) -> Result<Self> {
        let manifest = std::path::absolute(manifest)?;
        let files = Files::of(application)?;
        // Bounded by what QUIET lets through: paths are taken out as fast as they come.
        let (sender, changes) = mpsc::unbounded_channel();
        let mut watcher =
            notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
                match event {
                    Ok(event) if !matches!(event.kind, EventKind::Access(_)) => {
                        for path in event.paths {
                            // The receiver is gone when the host stops.
                            let _ = sender.send(path);
                        }
                    }
                    Ok(_) => {}
                    Err(error) => tracing::warn!(%error, "a change may be missed"),
                }
            })
            .context("files can't be watched")?;
        for folder in &files.folders {
            watcher
                .watch(folder, RecursiveMode::Recursive)
                .with_context(|| format!("{} can't be watched", folder.display()))?;
        }
        // The folder, because editors put a new file in the old one's place.
        let folder = manifest.parent().context("the manifest has no folder")?;
        watcher
            .watch(folder, RecursiveMode::NonRecursive)
            .with_context(|| format!("{} can't be watched", folder.display()))?;
        Ok(Self { manifest, changes, files, _watcher: watcher })
    }

    /// Rebuilds and switches at each change, for ever.
    pub(crate) async fn run(mut self, host: &Host) {
        while let Some(first) = self.changes.recv().await {
            let mut changed = BTreeSet::from([first]);
            while let Ok(Some(path)) = tokio::time::timeout(QUIET, self.changes.recv()).await {
                changed.insert(path);
            }
            let manifest = changed.contains(&self.manifest);
            let stale: Vec<String> = self
                .files
                .globs
                .iter()
                .filter(|(_, globs)| changed.iter().any(|path| globs.is_match(path)))
                .map(|(name, _)| name.clone())
                .collect();
            if !manifest && stale.is_empty() {
                continue;
            }
            if let Err(error) = self.rebuild(host, stale).await {
                eprintln!("  {error:#}\n  nothing was switched; waiting for the next change");
            }
        }
    }

    async fn rebuild(&mut self, host: &Host, stale: Vec<String>) -> Result<()> {
        let application = Application::read(&self.manifest)?;
        let (application, built) = built(application, stale).await;
        built?;
        let files = application.files().await?;
        let started = Instant::now();
        let report = host.deploy_files(&application, &files).await?;
        if report.deployed {
            let names = report.changes.components.iter().map(|change| change.name.as_str());
            println!(
                "  release {} in force after {} ms ({})",
                report.release,
                started.elapsed().as_millis(),
                names
                    .chain((!report.changes.granted.is_empty()).then_some("grants"))
                    .collect::<Vec<_>>()
                    .join(", ")
            );
            for line in &report.changes.granted {
                println!("    newly allowed: {line}");
            }
            for warning in &report.warnings {
                println!("    {warning}");
            }
        } else {
            println!("  no difference");
        }
        Ok(())
    }
}

/// Builds on a thread of its own, which a host that stops does not wait for.
async fn built(application: Application, stale: Vec<String>) -> (Application, Result<()>) {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        // An empty list would mean all.
        let built = if stale.is_empty() { Ok(()) } else { build::build(&application, &stale) };
        // Nobody listens when the host has stopped.
        let _ = sender.send((application, built));
    });
    match receiver.await {
        Ok(ended) => ended,
        Err(_) => std::future::pending().await,
    }
}

impl Files {
    fn of(application: &Application) -> Result<Self> {
        let root = std::path::absolute(if application.folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            &application.folder
        })?;
        let (mut globs, mut folders) = (BTreeMap::new(), BTreeSet::new());
        for (name, component) in &application.manifest.components {
            let Some(build) = &component.build else { continue };
            let base = build.workdir.as_ref().map_or_else(|| root.clone(), |dir| root.join(dir));
            let mut set = GlobSetBuilder::new();
            for pattern in &build.watch {
                let place = base.join(pattern);
                let text = place.to_str().context("a path is not UTF-8")?;
                let glob = Glob::new(text).with_context(|| {
                    format!("component.{name}.build.watch: `{pattern}` is not a glob")
                })?;
                set.add(glob);
                folders.insert(fixed_part(&place));
            }
            globs.insert(name.clone(), set.build()?);
        }
        folders.retain(|folder| folder.is_dir());
        let within = folders.clone();
        folders.retain(|folder| {
            !within.iter().any(|other| other != folder && folder.starts_with(other))
        });
        Ok(Self { globs, folders })
    }
}

/// The folder before a glob's first wildcard.
fn fixed_part(glob: &Path) -> PathBuf {
    let wild = |part: &std::ffi::OsStr| part.to_string_lossy().contains(['*', '?', '[', '{']);
    let fixed: PathBuf = glob.components().take_while(|part| !wild(part.as_os_str())).collect();
    if fixed == glob { glob.parent().map_or(fixed, Path::to_path_buf) } else { fixed }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_watched_is_what_lies_before_the_wildcard() {
        let part = |glob: &str| fixed_part(Path::new(glob)).display().to_string();
        assert_eq!(part("/a/src/**/*.rs"), "/a/src");
        assert_eq!(part("/a/*.rs"), "/a");
        assert_eq!(part("/a/Cargo.toml"), "/a");
        assert_eq!(part("/a/b{1,2}/c"), "/a");
    }
}
