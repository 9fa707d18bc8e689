//! From a component's bytes to compiled code, by the shortest way there is: code that is in memory is
//! shared, whoever runs it; code that was compiled before lies in the cache; the rest is compiled.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use bytes::Bytes;

use crate::{
    compile_cache::{self, hex, unhex},
    component::{Component, LoadError, Pace, Progress},
    engine::Engine,
};

/// The compiled components that somebody runs, by digest.
#[derive(Default)]
pub(crate) struct Loaded(Mutex<HashMap<Arc<str>, Weak<Component>>>);

impl Loaded {
    fn components(&self) -> MutexGuard<'_, HashMap<Arc<str>, Weak<Component>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, name: &str, digest: &str) -> Option<Arc<Component>> {
        let found = self.components().get(digest)?.upgrade()?;
        Some(named(found, name))
    }

    /// Keeps a component for as long as somebody runs it. Whoever was faster is shared.
    fn keep(&self, component: Component) -> Arc<Component> {
        let mut components = self.components();
        if let Some(found) = components.get(component.digest()).and_then(Weak::upgrade) {
            return named(found, component.name());
        }
        let component = Arc::new(component);
        components.retain(|_, component| component.strong_count() > 0);
        components.insert(Arc::from(component.digest()), Arc::downgrade(&component));
        component
    }
}

/// The same code under the name that it has in another application.
fn named(component: Arc<Component>, name: &str) -> Arc<Component> {
    if component.name() == name { component } else { Arc::new(component.renamed(name)) }
}

impl Engine {
    /// The component with this digest (SHA-256, hexadecimal), if it is in memory or was compiled
    /// before: its bytes are not needed then.
    pub async fn recall(self: &Arc<Self>, name: &str, digest: &str) -> Option<Arc<Component>> {
        if let Some(found) = self.loaded.get(name, digest) {
            return Some(found);
        }
        let cache = Arc::clone(self.cache.as_ref()?);
        let (engine, digest) = (self.wasmtime.clone(), unhex(digest)?);
        let compiled = blocking(move || cache.get(&engine, &digest)).await.ok()??;
        Some(self.loaded.keep(Component::new(name, digest, compiled)))
    }

    /// Compiles a component, or takes it from memory or the cache. The work is done on a thread of
    /// its own.
    ///
    /// # Errors
    /// When the component is too large or does not compile.
    pub async fn load(
        self: &Arc<Self>,
        name: &str,
        bytes: Bytes,
        pace: Pace,
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
            move || compile_cache::digest(&bytes)
        })
        .await
        .map_err(invalid)?;
        if let Some(found) = self.recall(name, &hex(&digest)).await {
            progress(Progress::Cached);
            progress(Progress::Loaded);
            return Ok(found);
        }
        progress(Progress::Compiling);
        let permit = Arc::clone(&self.compilations)
            .acquire_owned()
            .await
            .map_err(|error| invalid(error.to_string()))?;
        let code = match &self.config.compiler {
            Some(compiler) => Some(
                compiler
                    .compile(bytes.clone(), pace)
                    .await
                    .map_err(|reason| LoadError::Invalid { name: name.into(), reason })?,
            ),
            None => None,
        };
        let (cache, engine) = (self.cache.clone(), self.wasmtime.clone());
        let compiled = blocking(move || {
            // Held by the work, not by the caller, who may have given up.
            let _permit = permit;
            let compiled = match code {
                Some(code) => compile_cache::deserialize(&engine, &code),
                None => wasmtime::component::Component::new(&engine, &bytes),
            };
            let compiled = compiled.map_err(|error| format!("{error:#}"))?;
            if let Some(cache) = cache {
                cache.put(&digest, &compiled);
            }
            Ok::<_, String>(compiled)
        })
        .await
        .map_err(invalid)?
        .map_err(invalid)?;
        let component = self.loaded.keep(Component::new(name, digest, compiled));
        progress(Progress::Loaded);
        Ok(component)
    }
}

/// Does slow work away from the serving threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.map_err(|error| error.to_string())
}
