//! Which events were seen lately: a bounded set that forgets the oldest.
//!
//! It only saves work. What it forgets, and what another process saw, reaches the consumers a second
//! time, and they are idempotent by event id.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Mutex, PoisonError},
};

use sha2::{Digest as _, Sha256};

/// Events remembered. At 32 bytes or so each, 2 MiB.
const CAPACITY: usize = 65_536;

/// The last events that were marked. They are kept as digests, because ids may be long.
pub(crate) struct Memory {
    capacity: usize,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    known: HashSet<u128>,
    order: VecDeque<u128>,
}

impl Memory {
    pub(crate) fn new() -> Self {
        Self::with_capacity(CAPACITY)
    }

    fn with_capacity(capacity: usize) -> Self {
        Self { capacity, inner: Mutex::default() }
    }

    /// True when the id was marked and is not forgotten yet.
    pub(crate) fn knows(&self, id: &str) -> bool {
        let key = key(id);
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).known.contains(&key)
    }

    pub(crate) fn mark(&self, id: &str) {
        let key = key(id);
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if !inner.known.insert(key) {
            return;
        }
        inner.order.push_back(key);
        if inner.order.len() > self.capacity
            && let Some(oldest) = inner.order.pop_front()
        {
            inner.known.remove(&oldest);
        }
    }
}

fn key(id: &str) -> u128 {
    let digest = Sha256::digest(id.as_bytes());
    digest.iter().take(16).fold(0, |key, byte| (key << 8) | u128::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_first() {
        let memory = Memory::with_capacity(2);
        memory.mark("a");
        memory.mark("b");
        memory.mark("b");
        assert!(memory.knows("a") && memory.knows("b"));
        memory.mark("c");
        assert!(!memory.knows("a") && memory.knows("b") && memory.knows("c"));
    }
}
