//! The engine: one configuration for whoever compiles and whoever runs, the cache of compiled
//! components, and the clock thread. One a process.

use std::{fmt, path::PathBuf, sync::Arc};

use bytes::Bytes;
use tokio::sync::Semaphore;
use wasmtime::{
    Config, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, component::Linker,
};

use crate::{
    compile_cache::CompileCache,
    component::{Component, LoadError, Progress},
    glue, http,
    pool::Pool,
    state::State,
    watchdog::{self, Pools},
};

/// Stack of a guest's fiber beyond what the guest itself may use: the host's functions run on it.
const HOST_STACK_BYTES: usize = 512 * 1024;
/// Memory that a freed slot keeps mapped, so that the next instance needs not fault it in again.
const KEEP_RESIDENT_BYTES: usize = 1024 * 1024;
/// A component is an instance of several modules: its own, libraries, adapters.
const MODULES_PER_COMPONENT: u32 = 4;

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
    /// Stack of guest code in bytes; a deeper recursion traps.
    pub stack_bytes: usize,
    /// Largest component, in bytes.
    pub max_component_bytes: u64,
    /// Components compiled at once.
    pub compilations: usize,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            cache_dir: None,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            instances: 1_000,
            max_memory_bytes: 256 * 1024 * 1024,
            stack_bytes: 512 * 1024,
            max_component_bytes: 32 * 1024 * 1024,
            compilations: 1,
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
pub struct Engine {
    config: EngineConfig,
    wasmtime: wasmtime::Engine,
    linker: Linker<State>,
    cache: Option<Arc<CompileCache>>,
    compilations: Arc<Semaphore>,
    pools: Arc<Pools>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("config", &self.config).finish_non_exhaustive()
    }
}

/// The one configuration. Code compiled with it and an engine that runs it must agree.
fn configure(config: &EngineConfig, pooling: bool) -> Config {
    let mut wasmtime = Config::new();
    wasmtime
        .wasm_component_model(true)
        .wasm_component_model_async(true)
        .epoch_interruption(true)
        .cranelift_opt_level(OptLevel::Speed)
        .max_wasm_stack(config.stack_bytes)
        .async_stack_size(config.stack_bytes + HOST_STACK_BYTES)
        // The stack of one tenant's guest must not be readable by the next one's.
        .async_stack_zeroing(true)
        .memory_init_cow(true);
    if pooling {
        let mut pool = PoolingAllocationConfig::new();
        let modules = config.instances.saturating_mul(MODULES_PER_COMPONENT);
        pool.total_component_instances(config.instances)
            .total_memories(config.instances)
            .total_stacks(config.instances)
            .total_tables(config.instances.saturating_mul(2))
            .total_core_instances(modules)
            .max_core_instance_size(10 * 1024 * 1024)
            .max_component_instance_size(10 * 1024 * 1024)
            .table_elements(100_000)
            .max_memory_size(config.max_memory_bytes)
            .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
            .table_keep_resident(64 * 1024)
            .async_stack_keep_resident(64 * 1024)
            .decommit_batch_size(16);
        wasmtime.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    } else {
        wasmtime.allocation_strategy(InstanceAllocationStrategy::OnDemand);
    }
    wasmtime
}

/// The pooling allocator where the address space is large enough, else memory on demand.
fn start(config: &EngineConfig) -> Result<wasmtime::Engine, EngineError> {
    match wasmtime::Engine::new(&configure(config, true)) {
        Ok(engine) => Ok(engine),
        Err(error) => {
            tracing::warn!(%error, "no pooling allocator: instances start more slowly");
            wasmtime::Engine::new(&configure(config, false))
                .map_err(|error| EngineError::Unsupported(error.to_string().into()))
        }
    }
}

/// Everything a component may import.
fn link(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi::p3::add_to_linker(&mut linker)?;
    http::link(&mut linker)?;
    glue::link(&mut linker)?;
    Ok(linker)
}

impl Engine {
    /// Starts the engine and its clock thread.
    ///
    /// # Errors
    /// When the machine can't run it, or the cache directory can't be made.
    pub fn new(config: EngineConfig) -> Result<Arc<Self>, EngineError> {
        let unsupported = |error: String| EngineError::Unsupported(error.into());
        let wasmtime = start(&config)?;
        let linker = link(&wasmtime).map_err(|error| unsupported(error.to_string()))?;
        let cache = match &config.cache_dir {
            Some(dir) => Some(Arc::new(
                CompileCache::open(dir, &wasmtime)
                    .map_err(|error| EngineError::Cache(error.to_string().into()))?,
            )),
            None => None,
        };
        let pools = Arc::new(Pools::default());
        watchdog::start(&wasmtime, &pools).map_err(|error| unsupported(error.to_string()))?;
        let compilations = Arc::new(Semaphore::new(config.compilations.max(1)));
        Ok(Arc::new(Self { config, wasmtime, linker, cache, compilations, pools }))
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
        let (size, limit) = (bytes.len() as u64, self.config.max_component_bytes);
        if size > limit {
            return Err(LoadError::TooLarge { name: name.into(), size, limit });
        }
        let invalid =
            |reason: String| LoadError::Invalid { name: name.into(), reason: reason.into() };
        let digest = blocking({
            let bytes = bytes.clone();
            move || crate::compile_cache::digest(&bytes)
        })
        .await
        .map_err(invalid)?;
        if let Some(cache) = &self.cache {
            let (cache, engine) = (Arc::clone(cache), self.wasmtime.clone());
            let cached = blocking(move || cache.get(&engine, &digest)).await.map_err(invalid)?;
            if let Some(compiled) = cached {
                progress(Progress::Cached);
                let component = Component::new(name, digest, compiled);
                progress(Progress::Loaded);
                return Ok(Arc::new(component));
            }
        }
        progress(Progress::Compiling);
        let permit = Arc::clone(&self.compilations)
            .acquire_owned()
            .await
            .map_err(|error| invalid(error.to_string()))?;
        let (cache, engine) = (self.cache.clone(), self.wasmtime.clone());
        let compiled = blocking(move || {
            // Held by the work, not by the caller, who may have given up.
            let _permit = permit;
            let compiled = wasmtime::component::Component::new(&engine, &bytes)
                .map_err(|error| format!("{error:#}"))?;
            if let Some(cache) = cache {
                cache.put(&digest, &compiled);
            }
            Ok::<_, String>(compiled)
        })
        .await
        .map_err(invalid)?
        .map_err(invalid)?;
        let component = Component::new(name, digest, compiled);
        progress(Progress::Loaded);
        Ok(Arc::new(component))
    }

    pub(crate) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.wasmtime
    }

    pub(crate) fn linker(&self) -> &Linker<State> {
        &self.linker
    }

    pub(crate) fn cores(&self) -> usize {
        self.config.cores.max(1)
    }

    pub(crate) fn max_memory_bytes(&self) -> usize {
        self.config.max_memory_bytes
    }

    /// Puts a pool under the watchdog.
    pub(crate) fn watch(&self, pool: &Arc<Pool>) {
        self.pools.add(pool);
    }
}

/// Does slow work away from the serving threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.map_err(|error| error.to_string())
}
