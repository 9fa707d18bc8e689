//! What a tenant has stored, and how much it may.
//!
//! Stores tell how much they hold when they are asked, which costs them something; in between, what
//! is written is added up here. Nobody waits for that count but who would be refused without it. So
//! a tenant may go over its bounds by what it writes in a moment, and not by more.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures_util::future::{FutureExt as _, Shared};

use crate::{
    blobs::{BlobError, BlobInfo, Blobs, Bounds},
    calls::Body,
    documents::{
        Document, DocumentError, Documents, Filter, Operation, Outcome, Query, Transaction, Volume,
    },
};

/// How often documents are measured while a tenant writes.
const DOCUMENTS_EVERY: Duration = Duration::from_secs(10);
/// How often blobs are: a store has to be asked for all their names.
const BLOBS_EVERY: Duration = Duration::from_secs(300);
/// How often at most while a tenant is over its bounds: it may have removed something.
const FULL_EVERY: Duration = Duration::from_secs(1);
/// Measuring takes at most one part in so many of a store's time,
const SHARE: u32 = 50;
/// and one in so many while a tenant is over its bounds.
const FULL_SHARE: u32 = 10;

/// Work that goes on by itself.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Starts work that goes on whatever becomes of whoever started it: a runtime's `spawn`.
pub type Spawn = fn(Task);

/// How much is stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stored {
    /// Documents, over all collections.
    pub documents: u64,
    /// Bytes of documents with their indexes.
    pub bytes: u64,
}

impl Stored {
    fn and(self, more: Self) -> Self {
        Self {
            documents: self.documents.saturating_add(more.documents),
            bytes: self.bytes.saturating_add(more.bytes),
        }
    }
}

/// The bounds of a [`Storage`]. None: unbounded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StorageLimits {
    /// Documents.
    pub documents: Option<u64>,
    /// Bytes of documents, their indexes and blobs.
    pub bytes: Option<u64>,
}

/// A tenant's account of what it stores. Its bounds can be changed at any time.
#[derive(Debug, Default)]
pub struct Storage {
    /// Least values: 0 is no bound.
    max_documents: AtomicU64,
    max_bytes: AtomicU64,
    documents: Figure,
    blobs: Figure,
}

impl Storage {
    /// An account with these bounds.
    #[must_use]
    pub fn new(limits: &StorageLimits) -> Self {
        let storage = Self::default();
        storage.set(limits);
        storage
    }

    /// Other bounds from now on.
    pub fn set(&self, limits: &StorageLimits) {
        self.max_documents.store(limits.documents.unwrap_or(0), Relaxed);
        self.max_bytes.store(limits.bytes.unwrap_or(0), Relaxed);
    }

    /// What is known to be stored, blobs included; nothing for a tenant without bounds, which
    /// nobody measures.
    #[must_use]
    pub fn stored(&self) -> Stored {
        let (documents, blobs) = (self.documents.stored(), self.blobs.stored());
        Stored { documents: documents.documents, bytes: documents.bytes + blobs.bytes }
    }

    fn bounded(&self) -> bool {
        self.max_documents.load(Relaxed) != 0 || self.max_bytes.load(Relaxed) != 0
    }

    fn full(&self) -> bool {
        let stored = self.stored();
        let over = |max: &AtomicU64, is: u64| {
            let max = max.load(Relaxed);
            max != 0 && is >= max
        };
        over(&self.max_documents, stored.documents) || over(&self.max_bytes, stored.bytes)
    }
}

/// One kind of things: what was measured, and what was added since.
#[derive(Debug, Default)]
struct Figure(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    stored: Stored,
    /// Added since the measurement under way began: it may have been seen by it or not.
    since: Stored,
    /// The last measurement can have counted something twice.
    rough: bool,
    last: Option<Measured>,
    under_way: Option<Shared<Task>>,
}

/// When something was measured, and how long that took.
#[derive(Debug, Clone, Copy)]
struct Measured {
    at: Instant,
    took: Duration,
}

impl Known {
    fn is_due(&self, full: bool, every: Duration) -> bool {
        let Some(last) = self.last else { return true };
        let pause = match full {
            true if self.rough => return true,
            true => FULL_EVERY.max(last.took * FULL_SHARE),
            false => every.max(last.took * SHARE),
        };
        last.at.elapsed() >= pause
    }
}

impl Figure {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stored(&self) -> Stored {
        self.known().stored
    }

    fn add(&self, added: Stored) {
        let mut known = self.known();
        known.stored = known.stored.and(added);
        if known.under_way.is_some() {
            known.since = known.since.and(added);
        }
    }

    /// A store that did not answer leaves the figure as it is: it won't take the write either.
    fn measured(&self, stored: Option<Stored>, took: Duration) {
        let mut known = self.known();
        known.under_way = None;
        let since = std::mem::take(&mut known.since);
        if let Some(stored) = stored {
            known.stored = stored.and(since);
            known.rough = since != Stored::default();
        }
        known.last = Some(Measured { at: Instant::now(), took });
    }
}

impl Storage {
    /// Has one kind of things measured where that is due. Where the tenant is `full`, the caller
    /// waits for it.
    async fn refresh<M>(
        self: &Arc<Self>,
        kind: Kind,
        full: bool,
        spawn: Spawn,
        measure: impl Fn() -> M,
    ) where
        M: Future<Output = Option<Stored>> + Send + 'static,
    {
        // What was under way already may have missed what was removed; one that began later has not.
        for _ in 0..2 {
            let Some(under_way) = self.measurement(kind, full, spawn, &measure) else { return };
            if !full {
                return;
            }
            under_way.await;
        }
    }

    /// The measurement under way, begun if one is due.
    fn measurement<M>(
        self: &Arc<Self>,
        (figure, every): Kind,
        full: bool,
        spawn: Spawn,
        measure: impl Fn() -> M,
    ) -> Option<Shared<Task>>
    where
        M: Future<Output = Option<Stored>> + Send + 'static,
    {
        let mut known = figure(self).known();
        if let Some(under_way) = &known.under_way {
            return Some(under_way.clone());
        }
        if !known.is_due(full, every) {
            return None;
        }
        let (storage, measure) = (Arc::clone(self), measure());
        let task: Task = Box::pin(async move {
            let began = Instant::now();
            let stored = measure.await;
            figure(&storage).measured(stored, began.elapsed());
        });
        let task = task.shared();
        known.under_way = Some(task.clone());
        spawn(Box::pin(task.clone()));
        Some(task)
    }
}

/// Which figure, and how often it is measured.
type Kind = (fn(&Storage) -> &Figure, Duration);
const DOCUMENTS: Kind = (|storage| &storage.documents, DOCUMENTS_EVERY);
const BLOBS: Kind = (|storage| &storage.blobs, BLOBS_EVERY);

/// Documents within a tenant's bounds: commits that add something are refused beyond them.
pub struct BoundedDocuments {
    inner: Arc<dyn Documents>,
    volume: Arc<dyn Volume>,
    storage: Arc<Storage>,
    spawn: Spawn,
}

impl BoundedDocuments {
    /// Puts a tenant's account in front of its documents.
    #[must_use]
    pub fn new(
        inner: Arc<dyn Documents>,
        volume: Arc<dyn Volume>,
        storage: Arc<Storage>,
        spawn: Spawn,
    ) -> Self {
        Self { inner, volume, storage, spawn }
    }

    async fn refresh(&self, full: bool) {
        let measure = || {
            let volume = Arc::clone(&self.volume);
            async move { volume.stored().await.ok() }
        };
        self.storage.refresh(DOCUMENTS, full, self.spawn, measure).await;
    }
}

#[async_trait]
impl Documents for BoundedDocuments {
    async fn find_one(
        &self,
        database: &str,
        collection: &str,
        query: Query,
        deadline: Instant,
    ) -> Result<Option<Document>, DocumentError> {
        self.inner.find_one(database, collection, query, deadline).await
    }

    async fn find(
        &self,
        database: &str,
        collection: &str,
        query: Query,
        deadline: Instant,
    ) -> Result<Vec<Document>, DocumentError> {
        self.inner.find(database, collection, query, deadline).await
    }

    async fn count(
        &self,
        database: &str,
        collection: &str,
        filter: Filter,
        limit: u32,
        deadline: Instant,
    ) -> Result<u32, DocumentError> {
        self.inner.count(database, collection, filter, limit, deadline).await
    }

    async fn commit(
        &self,
        transaction: Transaction,
        deadline: Instant,
    ) -> Result<Vec<Outcome>, DocumentError> {
        if !self.storage.bounded() {
            return self.inner.commit(transaction, deadline).await;
        }
        let removes = |operation: &Operation| {
            matches!(operation, Operation::Delete(_) | Operation::DeleteAll(_))
        };
        if !transaction.writes.iter().all(|write| removes(&write.operation)) {
            self.refresh(false).await;
            if self.storage.full() {
                self.refresh(true).await;
            }
            if self.storage.full() {
                return Err(DocumentError::QuotaExceeded);
            }
        }
        let outcomes = self.inner.commit(transaction, deadline).await?;
        for outcome in &outcomes {
            if let Outcome::Inserted(document) = outcome {
                let bytes = document.len() as u64;
                self.storage.documents.add(Stored { documents: 1, bytes });
            }
        }
        Ok(outcomes)
    }
}

/// Blobs within a tenant's bounds: beyond them nothing more is stored.
pub struct BoundedBlobs {
    inner: Arc<dyn Blobs>,
    storage: Arc<Storage>,
    spawn: Spawn,
}

impl BoundedBlobs {
    /// Puts a tenant's account in front of its blobs.
    #[must_use]
    pub fn new(inner: Arc<dyn Blobs>, storage: Arc<Storage>, spawn: Spawn) -> Self {
        Self { inner, storage, spawn }
    }

    async fn refresh(&self, full: bool) {
        let measure = || {
            let blobs = Arc::clone(&self.inner);
            async move {
                let bytes = blobs.stored_bytes().await.ok()??;
                Some(Stored { documents: 0, bytes })
            }
        };
        self.storage.refresh(BLOBS, full, self.spawn, measure).await;
    }
}

#[async_trait]
impl Blobs for BoundedBlobs {
    async fn put(
        &self,
        container: &str,
        name: &str,
        content: Body,
        bounds: Bounds,
    ) -> Result<BlobInfo, BlobError> {
        if !self.storage.bounded() {
            return self.inner.put(container, name, content, bounds).await;
        }
        self.refresh(false).await;
        if self.storage.full() {
            self.refresh(true).await;
        }
        if self.storage.full() {
            return Err(BlobError::QuotaExceeded);
        }
        let stored = self.inner.put(container, name, content, bounds).await?;
        self.storage.blobs.add(Stored { documents: 0, bytes: stored.size });
        Ok(stored)
    }

    async fn get(&self, container: &str, name: &str) -> Result<(BlobInfo, Body), BlobError> {
        self.inner.get(container, name).await
    }

    async fn head(&self, container: &str, name: &str) -> Result<BlobInfo, BlobError> {
        self.inner.head(container, name).await
    }

    async fn delete(&self, container: &str, name: &str) -> Result<(), BlobError> {
        self.inner.delete(container, name).await
    }

    async fn stored_bytes(&self) -> Result<Option<u64>, BlobError> {
        self.inner.stored_bytes().await
    }
}
