//! Transactions: writes and events that happen together or not at all. The first write decides;
//! a later one that matches nothing or conflicts is left out and says so in its outcome.

use serde::{Serialize, de::DeserializeOwned};

use super::{Change, Changes, Collection, Document, DocumentError, Filter};

/// Gapless numbering of the documents of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequence {
    /// The field that receives the number.
    pub field: String,
    /// The fields whose values make the group.
    pub within: Vec<String>,
}

impl Sequence {
    /// Numbers `field` within a group. The manifest must declare a unique index on both.
    pub fn new<P: Into<String>>(
        field: impl Into<String>,
        within: impl IntoIterator<Item = P>,
    ) -> Self {
        Self { field: field.into(), within: within.into_iter().map(Into::into).collect() }
    }
}

/// One operation.
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// Insert a document.
    Insert {
        /// The document; it gets an `_id` if it has none.
        document: Document,
        /// Number it.
        sequence: Option<Sequence>,
    },
    /// Change the first match.
    Update {
        /// Which.
        filter: Filter,
        /// How.
        changes: Vec<Change>,
        /// Insert if nothing matches.
        upsert: bool,
    },
    /// Delete the first match.
    Delete(Filter),
    /// Delete every match.
    DeleteAll(Filter),
}

/// An operation and where.
#[derive(Debug, Clone, PartialEq)]
pub struct Write {
    /// Database.
    pub database: String,
    /// Collection.
    pub collection: String,
    /// What.
    pub operation: Operation,
}

/// An event to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// Routing key.
    pub topic: String,
    /// JSON.
    pub payload: Vec<u8>,
}

/// A transaction as the host takes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Commit {
    /// Committing the same id again within a day returns the first outcome and does nothing.
    pub id: String,
    /// The writes, in order.
    pub writes: Vec<Write>,
    /// The events.
    pub events: Vec<NewEvent>,
}

/// A transaction being put together.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Transaction {
    pub(crate) id: Option<String>,
    pub(crate) writes: Vec<Write>,
    pub(crate) events: Vec<NewEvent>,
}

impl Transaction {
    /// With a random id.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With an id of your own (up to 64 bytes): a repetition within a day does nothing. An
    /// event's id makes its handler's writes happen once.
    pub fn named(id: impl Into<String>) -> Self {
        Self { id: Some(id.into()), ..Self::default() }
    }

    fn write<T>(mut self, collection: &Collection<T>, operation: Operation) -> Self {
        self.writes.push(Write {
            database: collection.database.to_owned(),
            collection: collection.name.to_owned(),
            operation,
        });
        self
    }

    /// Inserts a document.
    ///
    /// # Errors
    /// [`DocumentError::Invalid`] when it is no document.
    pub fn insert<T: Serialize>(
        self,
        collection: &Collection<T>,
        document: &T,
    ) -> Result<Self, DocumentError> {
        let document = collection.encode(document)?;
        Ok(self.write(collection, Operation::Insert { document, sequence: None }))
    }

    /// Inserts a document with the next number of its group.
    ///
    /// # Errors
    /// [`DocumentError::Invalid`] when it is no document.
    pub fn insert_numbered<T: Serialize>(
        self,
        collection: &Collection<T>,
        document: &T,
        sequence: Sequence,
    ) -> Result<Self, DocumentError> {
        let document = collection.encode(document)?;
        Ok(self.write(collection, Operation::Insert { document, sequence: Some(sequence) }))
    }

    /// Changes the first match.
    #[must_use]
    pub fn update<T>(self, collection: &Collection<T>, filter: Filter, changes: Changes) -> Self {
        self.write(collection, Operation::Update { filter, changes: changes.0, upsert: false })
    }

    /// Changes the first match, or inserts a document made of the filter's equalities and the
    /// changes.
    #[must_use]
    pub fn upsert<T>(self, collection: &Collection<T>, filter: Filter, changes: Changes) -> Self {
        self.write(collection, Operation::Update { filter, changes: changes.0, upsert: true })
    }

    /// Deletes the first match.
    #[must_use]
    pub fn delete<T>(self, collection: &Collection<T>, filter: Filter) -> Self {
        self.write(collection, Operation::Delete(filter))
    }

    /// Deletes every match.
    #[must_use]
    pub fn delete_all<T>(self, collection: &Collection<T>, filter: Filter) -> Self {
        self.write(collection, Operation::DeleteAll(filter))
    }

    /// Publishes an event with the writes.
    ///
    /// # Errors
    /// [`DocumentError::Invalid`] when the payload is no JSON.
    pub fn publish(
        mut self,
        topic: impl Into<String>,
        payload: &impl Serialize,
    ) -> Result<Self, DocumentError> {
        let payload = serde_json::to_vec(payload)
            .map_err(|error| DocumentError::Invalid(format!("event payload: {error}")))?;
        self.events.push(NewEvent { topic: topic.into(), payload });
        Ok(self)
    }
}

/// What a write did.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The document as stored.
    Inserted(Document),
    /// The document after the change, or as an upsert inserted it.
    Updated(Document),
    /// How many were deleted.
    Deleted(u64),
    /// A later write that matched nothing.
    Unmatched,
    /// A later write that broke a unique index.
    Conflicted,
}

/// What a transaction's writes did, in their order.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcomes(pub Vec<Outcome>);

impl Outcomes {
    /// The document that the write at `index` inserted or changed; none if it did neither.
    ///
    /// # Errors
    /// [`DocumentError::Invalid`] when it has another shape.
    pub fn document<T: DeserializeOwned>(
        &self,
        index: usize,
        collection: &Collection<T>,
    ) -> Result<Option<T>, DocumentError> {
        match self.0.get(index) {
            Some(Outcome::Inserted(document) | Outcome::Updated(document)) => {
                collection.decode(document).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// The document that the deciding write inserted or changed.
    ///
    /// # Errors
    /// [`DocumentError::Invalid`] when it has another shape, or the write was a deletion.
    pub fn first<T: DeserializeOwned>(
        &self,
        collection: &Collection<T>,
    ) -> Result<T, DocumentError> {
        self.document(0, collection)?
            .ok_or_else(|| DocumentError::Invalid("the first write left no document".to_owned()))
    }

    /// What the write at `index` did.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&Outcome> {
        self.0.get(index)
    }
}
