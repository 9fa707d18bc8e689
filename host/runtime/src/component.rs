//! A compiled component: what it imports, what it serves. It holds no state and belongs to no
//! tenant, so that one can serve many.

use std::{fmt, sync::Arc};

use crate::compile_cache::{Digest, hex};

/// What a load is doing, for a progress display.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Found in the cache on disk.
    Cached,
    /// Being compiled; 0.2 to 2 s for a typical service.
    Compiling,
    /// Ready.
    Loaded,
}

/// How much of the machine compiling may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// All cores, like whoever is served: for the operator's own components.
    Eager,
    /// One core, and what others leave of it: for whose components may be made to take long.
    Gentle,
}

/// Why a component can't be loaded or linked. Final: trying again changes nothing.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LoadError {
    /// Over [`crate::EngineConfig::max_component_bytes`].
    #[error("component `{name}` has {size} bytes, over the limit of {limit}")]
    TooLarge {
        /// The component.
        name: Arc<str>,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// Not a component, or one that needs features the host does not offer.
    #[error("component `{name}` does not compile: {reason}")]
    Invalid {
        /// The component.
        name: Arc<str>,
        /// The compiler's words.
        reason: Arc<str>,
    },
    /// It imports a capability that it was not granted.
    #[error("component `{name}` imports `{import}`, which needs the grant `{grant}`")]
    NotGranted {
        /// The component.
        name: Arc<str>,
        /// The import.
        import: Arc<str>,
        /// What to grant in the manifest.
        grant: &'static str,
    },
    /// It imports what no host capability answers, or with another type.
    #[error("component `{name}` can't be linked: {reason}")]
    Unlinkable {
        /// The component.
        name: Arc<str>,
        /// Which import, and why.
        reason: Arc<str>,
    },
    /// One of its outbound grants can't be understood.
    #[error("component `{name}`: {reason}")]
    InvalidGrant {
        /// The component.
        name: Arc<str>,
        /// Which grant, and why.
        reason: Arc<str>,
    },
    /// It did not start.
    #[error("component `{name}` does not start: {reason}")]
    DoesNotStart {
        /// The component.
        name: Arc<str>,
        /// The trap or the exhausted limit.
        reason: Arc<str>,
    },
}

/// Which HTTP export a component has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpVersion {
    /// `wasi:http/handler@0.3`: many calls at once in one instance.
    V03,
    /// `wasi:http/incoming-handler@0.2`: one call at a time in one instance.
    V02,
}

/// What a component serves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Serves {
    /// HTTP requests.
    pub http: Option<HttpVersion>,
    /// `pingtalk:events/handler`.
    pub events: bool,
    /// `pingtalk:sockets/handler`.
    pub sockets: bool,
}

/// A compiled component.
pub struct Component {
    name: Arc<str>,
    digest: Arc<str>,
    imports: Vec<String>,
    exports: Vec<String>,
    serves: Serves,
    compiled: wasmtime::component::Component,
}

impl fmt::Debug for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Component")
            .field("name", &self.name)
            .field("digest", &self.digest)
            .field("serves", &self.serves)
            .finish_non_exhaustive()
    }
}

impl Component {
    pub(crate) fn new(
        name: &str,
        digest: Digest,
        compiled: wasmtime::component::Component,
    ) -> Self {
        let engine = compiled.engine();
        let kind = compiled.component_type();
        let sorted = |mut names: Vec<String>| {
            names.sort_unstable();
            names
        };
        let imports = sorted(kind.imports(engine).map(|(name, _)| name.to_owned()).collect());
        let exports = sorted(kind.exports(engine).map(|(name, _)| name.to_owned()).collect());
        let exports_one = |interface: &str| {
            exports.iter().any(|name| {
                name.strip_prefix(interface).is_some_and(|version| {
                    version.is_empty()
                        || version.starts_with(['.', '-'])
                        || version.starts_with('@')
                })
            })
        };
        let http = if exports_one("wasi:http/handler@0.3") {
            Some(HttpVersion::V03)
        } else if exports_one("wasi:http/incoming-handler@0.2") {
            Some(HttpVersion::V02)
        } else {
            None
        };
        let serves = Serves {
            http,
            events: exports_one("pingtalk:events/handler"),
            sockets: exports_one("pingtalk:sockets/handler"),
        };
        Self { name: name.into(), digest: hex(&digest).into(), imports, exports, serves, compiled }
    }

    /// The same code under another name.
    pub(crate) fn renamed(&self, name: &str) -> Self {
        Self {
            name: name.into(),
            digest: Arc::clone(&self.digest),
            imports: self.imports.clone(),
            exports: self.exports.clone(),
            serves: self.serves,
            compiled: self.compiled.clone(),
        }
    }

    pub(crate) fn compiled(&self) -> &wasmtime::component::Component {
        &self.compiled
    }

    /// The name it was loaded under.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// SHA-256 of its bytes, in hexadecimal.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The interfaces it imports, such as `pingtalk:documents/store@0.1.0`, sorted.
    #[must_use]
    pub fn imports(&self) -> &[String] {
        &self.imports
    }

    /// The interfaces it exports, sorted.
    #[must_use]
    pub fn exports(&self) -> &[String] {
        &self.exports
    }

    /// What it serves.
    #[must_use]
    pub fn serves(&self) -> Serves {
        self.serves
    }
}
