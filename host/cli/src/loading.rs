//! From a manifest on disk to compiled components.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use pingtalk_manifest::{Manifest, Severity};
use pingtalk_runtime::{Component, Engine, Pace, Progress};

use crate::progress::Steps;

/// A manifest and the folder its paths start from.
pub(crate) struct Application {
    pub(crate) manifest: Manifest,
    /// The manifest as it was read.
    pub(crate) text: String,
    pub(crate) folder: PathBuf,
}

impl Application {
    /// Reads and validates a manifest; warnings go to standard error.
    pub(crate) fn read(file: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("the manifest {} can't be read", file.display()))?;
        let shown = file.display().to_string();
        let manifest = Manifest::parse(&shown, &text)
            .map_err(|findings| anyhow::anyhow!("the manifest is not valid\n{findings}"))?;
        for finding in manifest.check() {
            if finding.severity == Severity::Warning {
                eprintln!("{finding}");
            }
        }
        let manifest = manifest.for_this_host();
        let folder = file.parent().map_or_else(PathBuf::new, Path::to_path_buf);
        Ok(Self { manifest, text, folder })
    }

    /// Where a component's file is.
    pub(crate) fn source(&self, component: &pingtalk_manifest::Component) -> PathBuf {
        self.folder.join(&component.source)
    }

    /// Reads every component's file.
    pub(crate) async fn files(&self) -> Result<BTreeMap<String, Bytes>> {
        let mut files = BTreeMap::new();
        for (name, component) in &self.manifest.components {
            let path = self.source(component);
            let bytes = match tokio::fs::read(&path).await {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => bail!(
                    "component `{name}`: {} is not there: build it with `pingtalk build` or start with --build",
                    path.display()
                ),
                Err(error) => {
                    return Err(error)
                        .with_context(|| format!("component `{name}`: {}", path.display()));
                }
            };
            files.insert(name.clone(), bytes.into());
        }
        Ok(files)
    }
}

/// Compiles components, several at once, and shows how far it is.
pub(crate) async fn compile(
    engine: &Arc<Engine>,
    files: &BTreeMap<String, Bytes>,
) -> Result<BTreeMap<String, Arc<Component>>> {
    let steps = Arc::new(Steps::new("Loading", files.len()));
    let mut tasks = tokio::task::JoinSet::new();
    for (name, bytes) in files {
        let bytes = bytes.clone();
        let (engine, name, steps) = (Arc::clone(engine), name.clone(), Arc::clone(&steps));
        tasks.spawn(async move {
            let started = Instant::now();
            let how = Mutex::new(Progress::Cached);
            let size = bytes.len();
            let loaded = engine
                .load(&name, bytes, Pace::Eager, &|progress| {
                    if progress == Progress::Compiling {
                        steps.at(&name);
                    }
                    if progress != Progress::Loaded {
                        *how.lock().unwrap_or_else(PoisonError::into_inner) = progress;
                    }
                })
                .await?;
            let how = match *how.lock().unwrap_or_else(PoisonError::into_inner) {
                Progress::Compiling => "compiled",
                Progress::Cached | Progress::Loaded => "from the cache",
            };
            steps.done(&format!(
                "{name:<10} {:>5} KiB, {how} in {} ms",
                size / 1024,
                started.elapsed().as_millis()
            ));
            anyhow::Ok((name, loaded))
        });
    }
    let mut components = BTreeMap::new();
    while let Some(loaded) = tasks.join_next().await {
        let (name, component) = loaded??;
        components.insert(name, component);
    }
    Ok(components)
}
