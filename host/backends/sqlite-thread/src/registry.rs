//! What is open already, so that opening a tenant again joins it instead of starting a second
//! writer on the same file.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError, Weak},
};

/// Open stores by key. Holds none of them alive.
pub struct Registry<K, T> {
    slots: Mutex<HashMap<K, Slot<T>>>,
}

/// One key's store; an async lock, because opening takes a while and a second opener must wait.
type Slot<T> = Arc<tokio::sync::Mutex<Weak<T>>>;

impl<K, T> Default for Registry<K, T> {
    fn default() -> Self {
        Self { slots: Mutex::default() }
    }
}

impl<K: Eq + Hash + Clone, T> Registry<K, T> {
    /// The open store of a key, or the one `open` makes. Different keys open at once.
    ///
    /// # Errors
    /// What `open` returns.
    pub async fn get_or_open<E>(
        &self,
        key: &K,
        open: impl Future<Output = Result<Arc<T>, E>>,
    ) -> Result<Arc<T>, E> {
        let slot = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(slots.entry(key.clone()).or_default())
        };
        let mut slot = slot.lock().await;
        if let Some(store) = slot.upgrade() {
            return Ok(store);
        }
        let store = open.await?;
        *slot = Arc::downgrade(&store);
        Ok(store)
    }
}
