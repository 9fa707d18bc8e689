//! The component that an adapter serves, as the manifest describes it.

use std::cell::OnceCell;

use pingtalk_manifest::{Component, Manifest};

/// Where the manifest lies: `files = ["spin.toml"]` puts it there.
const MANIFEST: &str = "/spin.toml";
/// The variable of the environment that names the component.
const COMPONENT: &str = "PINGTALK_COMPONENT";

/// The manifest and the component's place in it.
#[derive(Debug)]
pub struct Served {
    /// All of the application.
    pub manifest: Manifest,
    name: String,
}

impl Served {
    /// Reads the manifest once an instance.
    ///
    /// # Errors
    /// What is missing, and the line of the manifest that brings it.
    pub fn with<T>(use_it: impl FnOnce(&Self) -> T) -> Result<T, String> {
        thread_local! {
            static SERVED: OnceCell<Result<Served, String>> = const { OnceCell::new() };
        }
        SERVED.with(|served| match served.get_or_init(Self::read) {
            Ok(served) => Ok(use_it(served)),
            Err(why) => Err(why.clone()),
        })
    }

    fn read() -> Result<Self, String> {
        let name = std::env::var(COMPONENT).map_err(|_| {
            format!(
                "the component's name is not known: write environment = {{ {COMPONENT} = \"NAME\" }} \
                 in its section of the manifest"
            )
        })?;
        let text = std::fs::read_to_string(MANIFEST).map_err(|error| {
            format!(
                "{MANIFEST} can't be read ({error}): write files = [\"spin.toml\"] in the section of \
                 {name}"
            )
        })?;
        let manifest =
            Manifest::parse("spin.toml", &text).map_err(|findings| findings.to_string())?;
        if !manifest.components.contains_key(&name) {
            return Err(format!("{MANIFEST} has no [component.{name}]"));
        }
        Ok(Self { manifest, name })
    }

    /// The component's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The component's section.
    #[must_use]
    pub fn component(&self) -> Option<&Component> {
        self.manifest.components.get(&self.name)
    }
}
