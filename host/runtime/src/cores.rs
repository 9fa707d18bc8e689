//! Which core a thread serves, and how to start work on another one.

use std::{
    cell::Cell,
    sync::{PoisonError, RwLock},
};

use tokio::runtime::Handle;

thread_local! {
    static CORE: Cell<Option<usize>> = const { Cell::new(None) };
}

/// The runtimes of the cores, by index. Written when a core starts, read when a call leaves its
/// core, so never on the way of an ordinary call.
static RUNTIMES: RwLock<Vec<Option<Handle>>> = RwLock::new(Vec::new());

/// Makes the current thread the one that serves core `index`. Its tokio runtime must be entered.
///
/// Call it once, first thing on each core's thread, and after them on each background thread, with the
/// next indices. Calls from threads that entered no core are
/// served by core 0, or, in a process without cores (a test, a tool), by the caller's runtime.
///
/// # Panics
/// Outside a tokio runtime.
pub fn enter_core(index: usize) {
    let handle = Handle::current();
    let mut runtimes = RUNTIMES.write().unwrap_or_else(PoisonError::into_inner);
    if runtimes.len() <= index {
        runtimes.resize(index + 1, None);
    }
    if let Some(slot) = runtimes.get_mut(index) {
        *slot = Some(handle);
    }
    CORE.set(Some(index));
}

/// The core of the current thread, if it entered one.
pub(crate) fn current() -> Option<usize> {
    CORE.get()
}

/// The runtime of a core, if its thread has started.
pub(crate) fn runtime(index: usize) -> Option<Handle> {
    RUNTIMES.read().unwrap_or_else(PoisonError::into_inner).get(index).cloned().flatten()
}
