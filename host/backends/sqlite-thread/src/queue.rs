//! A queue bounded by length and by weight, for threads to wait on.
//!
//! The weight keeps a thousand queued 16 MiB documents from filling the memory. Pushing never
//! blocks: a full queue refuses.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

use crate::Failure;

/// The most that waits, in bytes the items hold.
const MAX_WEIGHT: usize = 64 * 1024 * 1024;

pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    filled: Condvar,
    max_len: usize,
}

struct State<T> {
    items: VecDeque<(T, usize)>,
    weight: usize,
    closed: bool,
}

impl<T> Queue<T> {
    pub(crate) fn new(max_len: usize) -> Self {
        let state = State { items: VecDeque::new(), weight: 0, closed: false };
        Self { state: Mutex::new(state), filled: Condvar::new(), max_len }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // Nothing panics while the lock is held, so a poisoned state is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an item. One item over the weight is let in when nothing else waits, so that no size
    /// is refused for ever.
    pub(crate) fn push(&self, item: T, weight: usize) -> Result<(), Failure> {
        let mut state = self.lock();
        if state.closed {
            return Err(Failure::Stopped);
        }
        let heavy = !state.items.is_empty() && state.weight.saturating_add(weight) > MAX_WEIGHT;
        if state.items.len() >= self.max_len || heavy {
            return Err(Failure::Overloaded);
        }
        state.weight = state.weight.saturating_add(weight);
        state.items.push_back((item, weight));
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// Waits for items and takes up to `max`. False when the queue is closed and empty.
    pub(crate) fn take(&self, into: &mut Vec<T>, max: usize) -> bool {
        let mut state = self.lock();
        while state.items.is_empty() {
            if state.closed {
                return false;
            }
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        for _ in 0..max {
            let Some((item, weight)) = state.items.pop_front() else { break };
            state.weight = state.weight.saturating_sub(weight);
            into.push(item);
        }
        true
    }

    /// Lets no more in; what waits is still taken.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
    }

    /// Closes and throws away what waits, for a thread that can't go on.
    pub(crate) fn abandon(&self) {
        let dropped = {
            let mut state = self.lock();
            state.closed = true;
            state.weight = 0;
            std::mem::take(&mut state.items)
        };
        drop(dropped);
        self.filled.notify_all();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn refuses_beyond_its_length_and_weight() {
        let queue = Queue::new(2);
        queue.push(1, MAX_WEIGHT * 2).unwrap();
        assert_eq!(queue.push(2, 1), Err(Failure::Overloaded));
        let mut taken = Vec::new();
        assert!(queue.take(&mut taken, 9));
        queue.push(3, 1).unwrap();
        queue.push(4, 1).unwrap();
        assert_eq!(queue.push(5, 1), Err(Failure::Overloaded));
        assert!(queue.take(&mut taken, 1));
        assert_eq!(taken, [1, 3]);
    }

    #[test]
    fn hands_out_what_waits_after_closing() {
        let queue = Queue::new(9);
        queue.push(1, 0).unwrap();
        queue.close();
        assert_eq!(queue.push(2, 0), Err(Failure::Stopped));
        let mut taken = Vec::new();
        assert!(queue.take(&mut taken, 9));
        assert!(!queue.take(&mut taken, 9));
        assert_eq!(taken, [1]);
    }
}
