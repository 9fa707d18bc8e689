//! Spin's key-value store, through the draft of `wasi:keyvalue` that it serves: the one of its
//! interfaces with a compare-and-swap.

use crate::bindings::key_value::wasi::keyvalue::{
    atomics::{self, Cas, CasError},
    store,
};

/// The label that every adapter uses.
const LABEL: &str = "default";
/// How often a swap is tried against others who were faster.
const ATTEMPTS: usize = 1_000;
/// Pause before a lock is tried again.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(2);
/// How often a lock is tried before its holder is taken for dead: half a second in all.
const BROKEN_AFTER: usize = 250;

/// Why the store did not do it: in words for a log.
#[derive(Debug, Clone)]
pub struct KeyValueError(pub String);

impl From<store::Error> for KeyValueError {
    fn from(error: store::Error) -> Self {
        Self(match error {
            store::Error::NoSuchStore | store::Error::AccessDenied => format!(
                "no access to the key-value store \"{LABEL}\": write key_value_stores = \
                 [\"{LABEL}\"] in the component's section of the manifest"
            ),
            store::Error::Other(text) => text,
        })
    }
}

/// The application's store.
pub struct Bucket(store::Bucket);

impl Bucket {
    /// Opens it.
    ///
    /// # Errors
    /// What Spin says, such as that the component was granted no store.
    pub fn open() -> Result<Self, KeyValueError> {
        Ok(Self(store::open(LABEL)?))
    }

    /// A key's value.
    ///
    /// # Errors
    /// What Spin says.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KeyValueError> {
        Ok(self.0.get(key)?)
    }

    /// Sets a key whatever it held.
    ///
    /// # Errors
    /// What Spin says.
    pub fn set(&self, key: &str, value: &[u8]) -> Result<(), KeyValueError> {
        Ok(self.0.set(key, value)?)
    }

    /// Removes a key; an absent one is no error.
    ///
    /// # Errors
    /// What Spin says.
    pub fn delete(&self, key: &str) -> Result<(), KeyValueError> {
        Ok(self.0.delete(key)?)
    }

    /// All keys, as Spin lists them.
    ///
    /// # Errors
    /// What Spin says.
    pub fn keys(&self) -> Result<Vec<String>, KeyValueError> {
        let mut keys = Vec::new();
        let mut cursor = None;
        loop {
            let page = self.0.list_keys(cursor.as_deref())?;
            keys.extend(page.keys);
            cursor = page.cursor;
            if cursor.is_none() {
                return Ok(keys);
            }
        }
    }

    /// Replaces a key's value by what `change` makes of it, unless that makes nothing of it; nobody
    /// else's change gets lost. Returns what `change` returned last.
    ///
    /// # Errors
    /// What Spin says, or that others were faster all the time.
    pub fn change<T>(
        &self,
        key: &str,
        mut change: impl FnMut(Option<Vec<u8>>) -> (Option<Vec<u8>>, T),
    ) -> Result<T, KeyValueError> {
        let mut cas = Cas::new(&self.0, key)?;
        let mut waited = 0;
        for _ in 0..ATTEMPTS {
            let current = cas.current()?;
            if current.is_none() {
                // Spin's swap compares values, but not nothing with nothing: of two who find no
                // value both would win.
                if let Some(result) = self.create(key, &mut change, &mut waited)? {
                    return Ok(result);
                }
                cas = Cas::new(&self.0, key)?;
                continue;
            }
            let (new, result) = change(current);
            let Some(new) = new else { return Ok(result) };
            match atomics::swap(cas, &new) {
                Ok(()) => return Ok(result),
                Err(CasError::StoreError(error)) => return Err(error.into()),
                Err(CasError::CasFailed(newer)) => cas = newer,
            }
        }
        Err(KeyValueError(format!("others kept changing {key}")))
    }

    /// Changes a key that had no value, under a lock; none where it has one by now or the lock was
    /// taken. The lock is a counter, which Spin increments atomically: whoever makes it 1 holds it.
    fn create<T>(
        &self,
        key: &str,
        change: &mut impl FnMut(Option<Vec<u8>>) -> (Option<Vec<u8>>, T),
        waited: &mut usize,
    ) -> Result<Option<T>, KeyValueError> {
        let lock = format!("lock:{key}");
        if atomics::increment(&self.0, &lock, 1)? != 1 {
            *waited += 1;
            if *waited % BROKEN_AFTER == 0 {
                // Its holder has ended in the middle: holding takes two calls.
                self.0.delete(&lock)?;
            }
            std::thread::sleep(PAUSE);
            return Ok(None);
        }
        let changed = match self.0.get(key) {
            Ok(None) => {
                let (new, result) = change(None);
                let stored = new.map_or(Ok(()), |new| self.0.set(key, &new));
                stored.map(|()| Some(result))
            }
            Ok(Some(_)) => Ok(None),
            Err(error) => Err(error),
        };
        self.0.delete(&lock)?;
        Ok(changed?)
    }
}
