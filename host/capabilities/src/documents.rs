//! Documents: `pingtalk:documents/store` as a trait. The meaning of each type is told once, in
//! `wit/documents/documents.wit`; what a backend must add is told here.
//!
//! # What every backend must do
//! - Commit atomically with the events (see [`Documents::commit`] and [`Outbox`]); an acknowledged
//!   commit survives the death of the process and of the machine.
//! - Classify errors exactly: [`DocumentError::Unavailable`] and
//!   [`DocumentError::DeadlineExceeded`] may be tried again (with the same commit id), all others
//!   are the caller's fault or final. The contract suite checks this.
//! - Refuse what it can't do (`Invalid`), never do half of it.

use std::{sync::Arc, time::Instant};

use async_trait::async_trait;

use crate::{TenantId, events::Event, storage::Stored};

pub use pingtalk_documents::{
    Change, Collection, Condition, Direction, Document, DocumentError, Filter, Index,
    MAX_COMMIT_ID_BYTES, MAX_DOCUMENT_BYTES, MAX_EVENT_BYTES, MAX_EVENTS, MAX_FIND_BYTES,
    MAX_FIND_DOCUMENTS, MAX_WRITES, NewEvent, ObjectId, Operation, Outcome, Query, Sequence,
    SortKey, Test, Transaction, Value, Write,
};

/// One tenant's documents.
#[async_trait]
pub trait Documents: Send + Sync {
    /// The first match in the query's order.
    async fn find_one(
        &self,
        database: &str,
        collection: &str,
        query: Query,
        deadline: Instant,
    ) -> Result<Option<Document>, DocumentError>;

    /// All matches within the limits.
    async fn find(
        &self,
        database: &str,
        collection: &str,
        query: Query,
        deadline: Instant,
    ) -> Result<Vec<Document>, DocumentError>;

    /// How many match, counting to `limit`.
    async fn count(
        &self,
        database: &str,
        collection: &str,
        filter: Filter,
        limit: u32,
        deadline: Instant,
    ) -> Result<u32, DocumentError>;

    /// All or nothing, with its events. Repeating an id within 24 h returns the first outcomes.
    async fn commit(
        &self,
        transaction: Transaction,
        deadline: Instant,
    ) -> Result<Vec<Outcome>, DocumentError>;
}

/// A stored event that has not reached the queue yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpublished {
    /// Where it waits: the backend's own words, to be handed back when published.
    pub position: String,
    /// The event; its `attempt` is 0.
    pub event: Event,
}

/// The events of committed transactions, on their way to the queue.
///
/// The relay reads them in commit order, publishes, then forgets them; a crash in between
/// publishes one again with the same event id, which consumers tolerate.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// The oldest unpublished events, in commit order.
    async fn unpublished(&self, limit: usize) -> Result<Vec<Unpublished>, DocumentError>;

    /// These are in the queue now.
    async fn published(&self, positions: Vec<String>) -> Result<(), DocumentError>;

    /// Resolves when there may be something new. Spurious wake-ups are fine, lost ones are not.
    async fn changed(&self);
}

/// How much a tenant's documents are.
#[async_trait]
pub trait Volume: Send + Sync {
    /// What is stored now, by the store's own count. It may take a while where there is much.
    async fn stored(&self) -> Result<Stored, DocumentError>;
}

/// A tenant's documents and their outbox.
#[derive(Clone)]
pub struct DocumentStore {
    /// For components.
    pub documents: Arc<dyn Documents>,
    /// For the relay.
    pub outbox: Arc<dyn Outbox>,
    /// For the tenant's account.
    pub volume: Arc<dyn Volume>,
}

/// Opens tenants' stores.
#[async_trait]
pub trait DocumentsBackend: Send + Sync {
    /// Opens (and creates) a tenant's store with these collections and indexes. Collections that
    /// are not declared can't be used.
    async fn open(
        &self,
        tenant: &TenantId,
        collections: &[Collection],
    ) -> Result<DocumentStore, DocumentError>;
}
