//! `wasi:keyvalue` as Spin's own store does it, its weakness included: a swap that found no value
//! replaces whatever came in between.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use wasmtime::component::Resource;

use crate::{
    bindings::platform::wasi::keyvalue::{
        atomics::{self, CasError},
        store::{self, Error, KeyResponse},
    },
    instance::State,
};

/// All keys of an application.
pub(crate) type Keys = Arc<Mutex<HashMap<String, Vec<u8>>>>;

/// The store.
#[allow(unreachable_pub)] // The generated bindings re-export it.
pub struct Bucket(Keys);

/// A value as it was read.
#[allow(unreachable_pub)] // As above.
pub struct Cas {
    keys: Keys,
    key: String,
    read: Option<Vec<u8>>,
}

impl State {
    fn keys<T>(
        &mut self,
        bucket: &Resource<Bucket>,
        work: impl FnOnce(&mut HashMap<String, Vec<u8>>) -> T,
    ) -> wasmtime::Result<Result<T, Error>> {
        let Bucket(keys) = self.table.get(bucket)?;
        let mut keys = keys.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Ok(work(&mut keys)))
    }
}

impl store::Host for State {
    fn open(&mut self, identifier: String) -> wasmtime::Result<Result<Resource<Bucket>, Error>> {
        if identifier != "default" {
            return Ok(Err(Error::NoSuchStore));
        }
        let keys = Arc::clone(&self.keys);
        Ok(Ok(self.table.push(Bucket(keys))?))
    }
}

impl store::HostBucket for State {
    fn get(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
    ) -> wasmtime::Result<Result<Option<Vec<u8>>, Error>> {
        self.keys(&bucket, |keys| keys.get(&key).cloned())
    }

    fn set(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), Error>> {
        self.keys(&bucket, |keys| drop(keys.insert(key, value)))
    }

    fn delete(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
    ) -> wasmtime::Result<Result<(), Error>> {
        self.keys(&bucket, |keys| drop(keys.remove(&key)))
    }

    fn list_keys(
        &mut self,
        bucket: Resource<Bucket>,
        _cursor: Option<String>,
    ) -> wasmtime::Result<Result<KeyResponse, Error>> {
        self.keys(&bucket, |keys| KeyResponse {
            keys: keys.keys().cloned().collect(),
            cursor: None,
        })
    }

    fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}

impl atomics::Host for State {
    fn increment(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
        delta: i64,
    ) -> wasmtime::Result<Result<i64, Error>> {
        self.keys(&bucket, |keys| {
            let value = keys.entry(key).or_insert_with(|| vec![0; 8]);
            // Spin panics here, and takes its store with it.
            let number = value.as_slice().try_into().expect("a number");
            let number = i64::from_le_bytes(number) + delta;
            *value = number.to_le_bytes().to_vec();
            number
        })
    }

    fn swap(
        &mut self,
        cas: Resource<Cas>,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), CasError>> {
        let Cas { keys, key, read } = self.table.delete(cas)?;
        let swapped = {
            let mut keys = keys.lock().unwrap_or_else(PoisonError::into_inner);
            let same = read.is_none() || keys.get(&key) == read.as_ref();
            if same {
                keys.insert(key.clone(), value);
            }
            same
        };
        if swapped {
            return Ok(Ok(()));
        }
        Ok(Err(CasError::CasFailed(self.table.push(Cas { keys, key, read: None })?)))
    }
}

impl atomics::HostCas for State {
    fn new(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
    ) -> wasmtime::Result<Result<Resource<Cas>, Error>> {
        let keys = Arc::clone(&self.table.get(&bucket)?.0);
        Ok(Ok(self.table.push(Cas { keys, key, read: None })?))
    }

    fn current(&mut self, cas: Resource<Cas>) -> wasmtime::Result<Result<Option<Vec<u8>>, Error>> {
        let cas = self.table.get_mut(&cas)?;
        let keys = cas.keys.lock().unwrap_or_else(PoisonError::into_inner);
        cas.read = keys.get(&cas.key).cloned();
        Ok(Ok(cas.read.clone()))
    }

    fn drop(&mut self, cas: Resource<Cas>) -> wasmtime::Result<()> {
        self.table.delete(cas)?;
        Ok(())
    }
}
