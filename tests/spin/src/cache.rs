//! The adapter for the cache as a backend.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use pingtalk_capabilities::{
    TenantId,
    cache::{Cache, CacheBackend, CacheError, Counter},
};
use tempfile::TempDir;
use tokio::sync::Mutex;
use wasmtime::Store;

use crate::{
    bindings::cache::{Cache as Bindings, exports::pingtalk::cache::store as wit},
    instance::{Adapter, Given, State},
    key_value::Keys,
    manifest,
};

/// Instances of an application, which take turns.
const INSTANCES: usize = 2;
/// The prefix that the manifest grants, put before the suite's keys.
const GRANTED: &str = "granted:";

/// The adapter, an application for each tenant.
pub struct SpinCache {
    folder: TempDir,
    tenants: Mutex<HashMap<TenantId, Keys>>,
}

impl SpinCache {
    /// A backend whose values end with it.
    #[must_use]
    #[allow(clippy::new_ret_no_self)]
    pub fn new() -> Arc<dyn CacheBackend> {
        let folder = tempfile::tempdir().unwrap();
        manifest::write(folder.path(), &[]);
        Arc::new(Self { folder, tenants: Mutex::default() })
    }
}

#[async_trait]
impl CacheBackend for SpinCache {
    async fn open(&self, tenant: &TenantId) -> Result<Arc<dyn Cache>, CacheError> {
        let keys = Arc::clone(self.tenants.lock().await.entry(tenant.clone()).or_default());
        let folder = self.folder.path();
        let mut instances = Vec::new();
        for _ in 0..INSTANCES {
            let bind = async |store: &mut Store<State>,
                              component: &wasmtime::component::Component,
                              linker: &wasmtime::component::Linker<State>| {
                Bindings::instantiate_async(store, component, linker).await
            };
            let adapter = Adapter::get("spin_cache");
            let given = Given {
                manifest: folder.to_owned(),
                folder: folder.to_owned(),
                keys: Arc::clone(&keys),
                ..Given::default()
            };
            let instance = adapter.start(given, bind).await;
            instances.push(Mutex::new(instance));
        }
        Ok(Arc::new(Handle { instances, next: AtomicUsize::new(0) }))
    }
}

struct Handle {
    instances: Vec<Mutex<(Store<State>, Bindings)>>,
    next: AtomicUsize,
}

/// Calls an export of the next instance.
macro_rules! call {
    ($handle:expr, $function:ident($($argument:expr),*)) => {{
        let next = $handle.next.fetch_add(1, Relaxed) % INSTANCES;
        let mut instance = $handle.instances[next].lock().await;
        let (store, bindings) = &mut *instance;
        let interface = bindings.pingtalk_cache_store();
        let called = store
            .run_concurrent(async |accessor| interface.$function(accessor, $($argument),*).await)
            .await;
        called.and_then(|result| result).expect("the adapter does not trap").map_err(error)
    }};
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap()
}

/// A key of the suite, as one that is granted; a key over the bound stays one.
fn granted(key: &str) -> String {
    let room = pingtalk_capabilities::cache::MAX_KEY_BYTES;
    if key.len() == room {
        // The longest key has to stay that long.
        return format!("{GRANTED}{}", &key[GRANTED.len()..]);
    }
    format!("{GRANTED}{key}")
}

#[async_trait]
impl Cache for Handle {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, CacheError> {
        let found = call!(self, call_get(granted(key)))?;
        Ok(found.map(Bytes::from))
    }

    async fn set(
        &self,
        key: &str,
        value: Bytes,
        ttl: Duration,
        only_if_absent: bool,
    ) -> Result<bool, CacheError> {
        let (key, value, ttl) = (granted(key), value.to_vec(), millis(ttl));
        call!(self, call_set(key, value, ttl, only_if_absent))
    }

    async fn delete(&self, keys: &[String]) -> Result<(), CacheError> {
        let keys = keys.iter().map(|key| granted(key)).collect();
        call!(self, call_delete(keys))
    }

    async fn increment(&self, key: &str, by: i64, ttl: Duration) -> Result<Counter, CacheError> {
        let counter = call!(self, call_increment(granted(key), by, millis(ttl)))?;
        let expires_in = Duration::from_millis(counter.expires_in_ms);
        Ok(Counter { value: counter.value, expires_in })
    }
}

fn error(error: wit::Error) -> CacheError {
    match error {
        wit::Error::Denied(what) => CacheError::Denied(what),
        wit::Error::Invalid(why) => CacheError::Invalid(why),
        wit::Error::Unavailable(why) => CacheError::Unavailable(why),
    }
}
