//! The keys that this host has changed lately, for when another Redis takes over.
//!
//! A server that was restarted from its disk, or a replica that became the primary, may lack the
//! last changes that its predecessor confirmed, and hold the values from before. All that this host
//! remembers of having changed is then owed a deletion, before anything is read.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use pingtalk_redis_connection::Redis;
use tokio::sync::watch;

use crate::owed::Owed;

pub(crate) struct Recent {
    max: usize,
    keys: Mutex<VecDeque<(Instant, String)>>,
    /// Rises before a connection to another server process is used.
    replaced: watch::Receiver<u64>,
    seen: AtomicU64,
}

impl Recent {
    pub(crate) fn new(max: usize, redis: &Redis) -> Self {
        let replaced = redis.replaced();
        let seen = AtomicU64::new(*replaced.borrow());
        Self { max: max.max(1), keys: Mutex::default(), replaced, seen }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(Instant, String)>> {
        // Nothing panics while the lock is held, so a poisoned queue is still whole.
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a change, before it is sent: its answer may come from one server and be noted down
    /// when another has taken over.
    pub(crate) fn add(&self, key: &str, longest: Duration) {
        let now = Instant::now();
        let mut keys = self.lock();
        while keys.len() >= self.max
            || keys.front().is_some_and(|(changed, _)| now.duration_since(*changed) > longest)
        {
            keys.pop_front();
        }
        keys.push_back((now, key.to_owned()));
    }

    /// Makes the deletions owed if another server has taken over since the last look.
    pub(crate) fn hand_over(&self, owed: &Owed, longest: Duration) {
        let current = *self.replaced.borrow();
        if self.seen.load(Ordering::Acquire) == current {
            return;
        }
        // Whoever else comes here waits until the keys are hidden.
        let mut keys = self.lock();
        if self.seen.load(Ordering::Acquire) != current {
            let now = Instant::now();
            let old = |changed: Instant| now.duration_since(changed) > longest;
            let lost = keys.drain(..).filter(|(changed, _)| !old(*changed)).map(|(_, key)| key);
            owed.add(lost, longest);
            self.seen.store(current, Ordering::Release);
        }
    }

    /// How many servers have taken over. When it changes while an answer is awaited, the answer may
    /// be the new one's, asked before anything was owed.
    pub(crate) fn takeovers(&self) -> u64 {
        *self.replaced.borrow()
    }

    /// Waits for another server.
    pub(crate) async fn replaced(&self) {
        let seen = self.seen.load(Ordering::Acquire);
        let mut replaced = self.replaced.clone();
        if replaced.wait_for(|current| *current != seen).await.is_err() {
            std::future::pending().await
        }
    }
}
