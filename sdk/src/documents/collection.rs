//! Typed collections, and reading from them.

use std::marker::PhantomData;

use serde::{Serialize, de::DeserializeOwned};

use super::{Commit, Document, DocumentError, Filter, Outcomes, Query, Transaction};
#[cfg(target_family = "wasm")] // A trait object needs no import.
use crate::Host;
use crate::{percent, platform::ThisHost};

/// A collection and the type of its documents.
pub struct Collection<T> {
    /// The database, as the manifest names it.
    pub database: &'static str,
    /// The collection.
    pub name: &'static str,
    documents: PhantomData<fn() -> T>,
}

impl<T> Collection<T> {
    /// Names a collection. It must be declared in the manifest.
    #[must_use]
    pub const fn new(database: &'static str, name: &'static str) -> Self {
        Self { database, name, documents: PhantomData }
    }

    /// The same collection read as another type, such as a part of its fields.
    #[must_use]
    pub const fn view<U>(&self) -> Collection<U> {
        Collection::new(self.database, self.name)
    }
}

impl<T: DeserializeOwned> Collection<T> {
    /// A document as its type.
    ///
    /// # Errors
    /// [`DocumentError::Invalid`] when it has another shape.
    pub fn decode(&self, document: &[u8]) -> Result<T, DocumentError> {
        bson::deserialize_from_slice(document).map_err(|error| {
            DocumentError::Invalid(format!("{}.{}: {error}", self.database, self.name))
        })
    }
}

impl<T> Collection<T> {
    /// A value as a document.
    ///
    /// # Errors
    /// [`DocumentError::Invalid`] when it is no document.
    pub fn encode(&self, value: &T) -> Result<Document, DocumentError>
    where
        T: Serialize,
    {
        bson::serialize_to_vec(value).map_err(|error| {
            DocumentError::Invalid(format!("{}.{}: {error}", self.database, self.name))
        })
    }
}

/// The document store.
#[derive(Clone, Copy)]
pub struct Documents<'a> {
    host: &'a ThisHost,
}

impl<'a> Documents<'a> {
    pub(crate) fn new(host: &'a ThisHost) -> Self {
        Self { host }
    }

    /// The first match in the query's order.
    ///
    /// # Errors
    /// Those of the store; [`DocumentError::Invalid`] for a document of another shape.
    pub async fn find_one<T: DeserializeOwned>(
        self,
        collection: &Collection<T>,
        query: impl Into<Query>,
    ) -> Result<Option<T>, DocumentError> {
        let found = self.host.find_one(collection.database, collection.name, query.into()).await?;
        found.map(|document| collection.decode(&document)).transpose()
    }

    /// All matches within the query's limit (1,000 if it names none) and 32 MiB in all.
    ///
    /// # Errors
    /// As [`Documents::find_one`].
    pub async fn find<T: DeserializeOwned>(
        self,
        collection: &Collection<T>,
        query: impl Into<Query>,
    ) -> Result<Vec<T>, DocumentError> {
        let found = self.host.find(collection.database, collection.name, query.into()).await?;
        found.iter().map(|document| collection.decode(document)).collect()
    }

    /// How many match, counting no further than `limit`.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn count<T>(
        self,
        collection: &Collection<T>,
        filter: Filter,
        limit: u32,
    ) -> Result<u32, DocumentError> {
        self.host.count(collection.database, collection.name, filter, limit).await
    }

    /// True when anything matches.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn exists<T>(
        self,
        collection: &Collection<T>,
        filter: Filter,
    ) -> Result<bool, DocumentError> {
        Ok(self.count(collection, filter, 1).await? > 0)
    }

    /// Makes a transaction's writes and publishes its events, all or nothing.
    ///
    /// # Errors
    /// [`DocumentError::Conflict`] and [`DocumentError::Unmatched`] tell of the first write, and
    /// that nothing has happened.
    pub async fn commit(self, transaction: Transaction) -> Result<Outcomes, DocumentError> {
        let id = transaction.id.unwrap_or_else(|| percent::hex(&self.host.random(16)));
        let commit = Commit { id, writes: transaction.writes, events: transaction.events };
        self.host.commit(commit).await.map(Outcomes)
    }
}
