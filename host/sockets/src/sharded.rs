//! A map in several parts with a lock each, so that cores don't queue up for one.

use std::{
    borrow::Borrow,
    collections::HashMap,
    hash::{BuildHasher, Hash, RandomState},
};

use parking_lot::RwLock;

const SHARDS: usize = 16;

/// A map of maps.
#[derive(Debug)]
pub(crate) struct Sharded<K, V> {
    hasher: RandomState,
    shards: [RwLock<HashMap<K, V>>; SHARDS],
}

impl<K, V> Default for Sharded<K, V> {
    fn default() -> Self {
        Self { hasher: RandomState::new(), shards: Default::default() }
    }
}

impl<K: Hash + Eq, V> Sharded<K, V> {
    /// The part that has, or would have, this key.
    pub(crate) fn shard<Q: Hash + ?Sized>(&self, key: &Q) -> &RwLock<HashMap<K, V>>
    where
        K: Borrow<Q>,
    {
        let [first, ..] = &self.shards;
        let index = self.hasher.hash_one(key) % SHARDS as u64;
        usize::try_from(index).ok().and_then(|index| self.shards.get(index)).unwrap_or(first)
    }

    /// A copy of a value.
    pub(crate) fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        V: Clone,
    {
        self.shard(key).read().get(key).cloned()
    }

    pub(crate) fn insert(&self, key: K, value: V) {
        self.shard(&key).write().insert(key, value);
    }

    pub(crate) fn remove<Q: Hash + Eq + ?Sized>(&self, key: &Q)
    where
        K: Borrow<Q>,
    {
        self.shard(key).write().remove(key);
    }

    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().len()).sum()
    }

    /// Copies of all values.
    pub(crate) fn values(&self) -> Vec<V>
    where
        V: Clone,
    {
        self.shards.iter().flat_map(|s| s.read().values().cloned().collect::<Vec<_>>()).collect()
    }
}
