//! What an instance keeps from one call to the next: a connection, and what was learnt over it.

use std::cell::RefCell;

use pingtalk_documents::Error;

/// Something that is opened on its first use, and again after the store had trouble: a connection that
/// failed in the middle of a transaction is good for nothing, and closing it undoes what it began.
pub struct Kept<T>(RefCell<Option<T>>);

impl<T> Kept<T> {
    /// Nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(RefCell::new(None))
    }

    /// Uses it.
    ///
    /// # Errors
    /// Those of `open` and `work`.
    pub fn with<R>(
        &self,
        open: impl FnOnce() -> Result<T, Error>,
        work: impl FnOnce(&mut T) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let mut kept = self.0.borrow_mut();
        let opened = match &mut *kept {
            Some(opened) => opened,
            none => none.insert(open()?),
        };
        let result = work(opened);
        if let Err(Error::Storage(_)) = &result {
            *kept = None;
        }
        result
    }
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self::new()
    }
}
