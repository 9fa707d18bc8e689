//! The engine: one configuration for whoever compiles and whoever runs, the cache of compiled
//! components, and the clock thread. One a process.

use std::{fmt, path::PathBuf, sync::Arc};

use tokio::sync::Semaphore;
use wasmtime::{
    Config, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, component::Linker,
};

use crate::{
    compile_cache::CompileCache,
    compiler::Compiler,
    glue,
    heartbeat::Heartbeat,
    http,
    load::Loaded,
    pool::Pool,
    state::State,
    watchdog::{self, Pools},
};

/// Stack of a guest's fiber beyond what the guest itself may use: the host's functions run on it.
const HOST_STACK_BYTES: usize = 512 * 1024;
/// Memory that a freed slot keeps mapped, so that the next instance needs not fault it in again.
const KEEP_RESIDENT_BYTES: usize = 1024 * 1024;
/// Slots that stay prepared for the component that used them last. Each keeps that component's code
/// alive: with wasmtime's default of 100 the code of a hundred earlier releases would stay.
const WARM_SLOTS: u32 = 16;
/// A component is an instance of several modules: its own, libraries, adapters.
const MODULES_PER_COMPONENT: u32 = 4;

/// How the engine is set up.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Where compiled components are kept; none: nowhere.
    pub cache_dir: Option<PathBuf>,
    /// How many cores' threads will call [`crate::enter_core`].
    pub cores: usize,
    /// How many threads after them will, of a lower priority, for the calls of tenants that strain
    /// the host (see [`crate::Quota::strains`]). None: they are served like all others.
    pub background: usize,
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
    /// What compiles, in a process of its own; none: a thread of this process, which can't be
    /// ended early.
    pub compiler: Option<Compiler>,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            cache_dir: None,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            background: 0,
            instances: 1_000,
            max_memory_bytes: 256 * 1024 * 1024,
            stack_bytes: 512 * 1024,
            max_component_bytes: 32 * 1024 * 1024,
            compilations: 1,
            compiler: None,
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
    pub(crate) config: EngineConfig,
    pub(crate) wasmtime: wasmtime::Engine,
    linker: Linker<State>,
    pub(crate) cache: Option<Arc<CompileCache>>,
    pub(crate) loaded: Loaded,
    pub(crate) compilations: Arc<Semaphore>,
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
            .max_unused_warm_slots(WARM_SLOTS)
            .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
            .table_keep_resident(64 * 1024)
            .async_stack_keep_resident(64 * 1024)
            // Each at once: sixteen of 60 MB would be some 20 ms in the kernel.
            .decommit_batch_size(1);
        wasmtime.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    } else {
        wasmtime.allocation_strategy(InstanceAllocationStrategy::OnDemand);
    }
    wasmtime
}

/// The pooling allocator where the address space is large enough, else memory on demand.
pub(crate) fn start(config: &EngineConfig) -> Result<wasmtime::Engine, EngineError> {
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
        let heartbeat = match config.background {
            0 => Heartbeat::default(),
            _ => Heartbeat::start().map_err(|error| unsupported(error.to_string()))?,
        };
        watchdog::start(&wasmtime, &pools, heartbeat)
            .map_err(|error| unsupported(error.to_string()))?;
        let compilations = Arc::new(Semaphore::new(config.compilations.max(1)));
        let loaded = Loaded::default();
        Ok(Arc::new(Self { config, wasmtime, linker, cache, loaded, compilations, pools }))
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

    /// Largest memory that any component may be allowed, in bytes.
    #[must_use]
    pub fn max_memory_bytes(&self) -> usize {
        self.config.max_memory_bytes
    }

    /// Puts a pool under the watchdog.
    pub(crate) fn watch(&self, pool: &Arc<Pool>) {
        self.pools.add(pool);
    }
}
