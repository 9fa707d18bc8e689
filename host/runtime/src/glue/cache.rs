//! `pingtalk:cache/store`.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use pingtalk_capabilities::cache::{Cache, CacheError};
use wasmtime::component::Accessor;

use super::{LATE, MISSING};
use crate::{
    bindings::pingtalk::cache::store::{self, Counter, Error},
    conv::list,
    state::{Host, Import, State, import},
};

fn cache(import: &Import) -> Result<&Arc<dyn Cache>, Error> {
    import.capabilities().cache.as_ref().ok_or_else(|| Error::Denied(MISSING.to_owned()))
}

fn late() -> CacheError {
    CacheError::Unavailable(LATE.to_owned())
}

impl store::Host for &mut State {}

impl store::HostWithStore<State> for Host {
    async fn get(
        accessor: &Accessor<State, Self>,
        key: String,
    ) -> wasmtime::Result<Result<Option<Vec<u8>>, Error>> {
        let import = import(accessor, "cache.get")?;
        let cache = match cache(&import) {
            Ok(cache) => cache,
            Err(error) => return Ok(Err(error)),
        };
        let found = import.within(late, cache.get(&key)).await;
        Ok(found.map(|found| found.map(list)).map_err(Into::into))
    }

    async fn set(
        accessor: &Accessor<State, Self>,
        key: String,
        value: Vec<u8>,
        ttl_ms: u64,
        only_if_absent: bool,
    ) -> wasmtime::Result<Result<bool, Error>> {
        let import = import(accessor, "cache.set")?;
        let cache = match cache(&import) {
            Ok(cache) => cache,
            Err(error) => return Ok(Err(error)),
        };
        let ttl = Duration::from_millis(ttl_ms);
        let stored = cache.set(&key, Bytes::from(value), ttl, only_if_absent);
        Ok(import.within(late, stored).await.map_err(Into::into))
    }

    async fn delete(
        accessor: &Accessor<State, Self>,
        keys: Vec<String>,
    ) -> wasmtime::Result<Result<(), Error>> {
        let import = import(accessor, "cache.delete")?;
        let cache = match cache(&import) {
            Ok(cache) => cache,
            Err(error) => return Ok(Err(error)),
        };
        Ok(import.within(late, cache.delete(&keys)).await.map_err(Into::into))
    }

    async fn increment(
        accessor: &Accessor<State, Self>,
        key: String,
        by: i64,
        ttl_ms: u64,
    ) -> wasmtime::Result<Result<Counter, Error>> {
        let import = import(accessor, "cache.increment")?;
        let cache = match cache(&import) {
            Ok(cache) => cache,
            Err(error) => return Ok(Err(error)),
        };
        let counter = cache.increment(&key, by, Duration::from_millis(ttl_ms));
        Ok(import.within(late, counter).await.map(Into::into).map_err(Into::into))
    }
}
