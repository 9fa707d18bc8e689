//! What is to be deployed: a manifest with its components, or a single component.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, Result, bail};
use bytes::Bytes;

use super::oci;
use crate::loading::Application;

/// A manifest's file in a folder.
const MANIFEST: &str = "spin.toml";

/// What was read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Package {
    /// The manifest's text; none: that of the release in force stays.
    pub(super) manifest: Option<String>,
    /// Components by name.
    pub(super) components: BTreeMap<String, Bytes>,
}

impl Package {
    /// Reads a file, a folder, or an artifact of a registry. With `component`, only that one is
    /// taken, and the manifest in force stays.
    pub(super) async fn read(source: &str, component: Option<&str>) -> Result<Self> {
        let path = Path::new(source);
        let mut package = if oci::is_reference(source) && !path.exists() {
            oci::pull(source).await?
        } else if path.is_dir() {
            application(&path.join(MANIFEST)).await?
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            application(path).await?
        } else if path.exists() {
            single(path, component).await?
        } else {
            bail!(
                "there is no file or folder {source}; a component of a registry is named as in \
                 registry.example.org/team/chat:1.2"
            );
        };
        if let Some(name) = component {
            package = package.only(name)?;
        }
        Ok(package)
    }

    /// One component without its manifest.
    fn only(mut self, name: &str) -> Result<Self> {
        // An artifact of one component has no name for it but its title.
        let is_single = self.manifest.is_none() && self.components.len() == 1;
        let found = match self.components.remove(name) {
            Some(bytes) => Some(bytes),
            None if is_single => self.components.pop_first().map(|(_, bytes)| bytes),
            None => None,
        };
        let Some(bytes) = found else {
            let names: Vec<_> = self.components.into_keys().collect();
            bail!("there is no component `{name}`: there are {}", names.join(", "));
        };
        Ok(Self { manifest: None, components: BTreeMap::from([(name.to_owned(), bytes)]) })
    }
}

async fn application(manifest: &Path) -> Result<Package> {
    let application = Application::read(manifest)?;
    let components = application.files().await?;
    Ok(Package { manifest: Some(application.text), components })
}

async fn single(path: &Path, component: Option<&str>) -> Result<Package> {
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    let name = component.or(stem).context("name the component with --component")?;
    let bytes = tokio::fs::read(path).await.with_context(|| path.display().to_string())?;
    if !bytes.starts_with(b"\0asm") {
        bail!("{} is no WebAssembly: it does not start with \\0asm", path.display());
    }
    Ok(Package {
        manifest: None,
        components: BTreeMap::from([(name.to_owned(), Bytes::from(bytes))]),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_is_a_component_named_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("chat.wasm");
        std::fs::write(&file, b"\0asm1234").unwrap();
        let file = file.to_str().unwrap();
        let names = |package: Package| package.components.into_keys().collect::<Vec<_>>();
        assert_eq!(names(Package::read(file, None).await.unwrap()), ["chat"]);
        assert_eq!(names(Package::read(file, Some("talk")).await.unwrap()), ["talk"]);

        let other = folder.path().join("notes.txt");
        std::fs::write(&other, b"hello").unwrap();
        let error = Package::read(other.to_str().unwrap(), None).await.unwrap_err().to_string();
        assert!(error.ends_with("is no WebAssembly: it does not start with \\0asm"), "{error}");
        let error = Package::read("nowhere.wasm", None).await.unwrap_err().to_string();
        assert!(error.starts_with("there is no file or folder nowhere.wasm"), "{error}");
    }

    #[test]
    fn one_component_of_several_comes_without_the_manifest() {
        let package = || Package {
            manifest: Some("m".to_owned()),
            components: ["a", "b"].map(|name| (name.to_owned(), Bytes::from(name))).into(),
        };
        let one = package().only("b").unwrap();
        assert_eq!(one.manifest, None);
        assert_eq!(one.components, [("b".to_owned(), Bytes::from("b"))].into());
        let error = package().only("c").unwrap_err().to_string();
        assert_eq!(error, "there is no component `c`: there are a, b");
    }
}
