//! Changes to one document.

use super::{Date, Value};

/// One change.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Set a field.
    Set(String, Value),
    /// Remove a field.
    Unset(String),
    /// Add to a number; a missing one counts as 0.
    Increment(String, i64),
    /// Set unless the field is greater already.
    Max(String, Value),
    /// Append to an array; a missing one counts as empty.
    Push(String, Value),
    /// Append unless an equal element is there.
    AddToSet(String, Value),
    /// Remove all equal elements.
    Pull(String, Value),
    /// Set only when an upsert inserts.
    SetOnInsert(String, Value),
}

/// Changes that one write makes together. As in MongoDB, no two of them may touch one field.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Changes(pub(crate) Vec<Change>);

impl Changes {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn with(mut self, change: Change) -> Self {
        self.0.push(change);
        self
    }

    /// Sets a field.
    #[must_use]
    pub fn set(self, path: impl Into<String>, value: impl Into<Value>) -> Self {
        self.with(Change::Set(path.into(), value.into()))
    }

    /// Removes a field.
    #[must_use]
    pub fn unset(self, path: impl Into<String>) -> Self {
        self.with(Change::Unset(path.into()))
    }

    /// Adds to a number.
    #[must_use]
    pub fn increment(self, path: impl Into<String>, by: i64) -> Self {
        self.with(Change::Increment(path.into(), by))
    }

    /// Raises a field to at least this.
    #[must_use]
    pub fn max(self, path: impl Into<String>, value: impl Into<Value>) -> Self {
        self.with(Change::Max(path.into(), value.into()))
    }

    /// Appends to an array.
    #[must_use]
    pub fn push(self, path: impl Into<String>, value: impl Into<Value>) -> Self {
        self.with(Change::Push(path.into(), value.into()))
    }

    /// Appends to an array unless it is in there.
    #[must_use]
    pub fn add_to_set(self, path: impl Into<String>, value: impl Into<Value>) -> Self {
        self.with(Change::AddToSet(path.into(), value.into()))
    }

    /// Removes from an array.
    #[must_use]
    pub fn pull(self, path: impl Into<String>, value: impl Into<Value>) -> Self {
        self.with(Change::Pull(path.into(), value.into()))
    }

    /// Sets a field when an upsert inserts.
    #[must_use]
    pub fn set_on_insert(self, path: impl Into<String>, value: impl Into<Value>) -> Self {
        self.with(Change::SetOnInsert(path.into(), value.into()))
    }

    /// Sets `updatedAt`.
    #[must_use]
    pub fn touch(self, now: Date) -> Self {
        self.set("updatedAt", now)
    }

    /// Sets `updatedAt`, and `createdAt` when an upsert inserts.
    #[must_use]
    pub fn touch_or_create(self, now: Date) -> Self {
        self.set_on_insert("createdAt", now).touch(now)
    }
}
