//! What a tenant has stored, and how much it may.
//!
//! Stores tell how much they hold when they are asked, which costs them something; in between, what
//! is written is added up here. So a tenant may go over its bounds by what it writes in a moment,
//! and not by more.

use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;

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
/// Measuring takes at most one part in so many of a store's time.
const SHARE: u32 = 50;

/// How much is stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stored {
    /// Documents, over all collections.
    pub documents: u64,
    /// Bytes of documents with their indexes.
    pub bytes: u64,
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

    /// What is known to be stored, blobs included; 0 for a tenant without bounds, which nobody
    /// measures.
    #[must_use]
    pub fn stored(&self) -> Stored {
        Stored {
            documents: self.documents.count.load(Relaxed),
            bytes: self.documents.bytes.load(Relaxed) + self.blobs.bytes.load(Relaxed),
        }
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
struct Figure {
    count: AtomicU64,
    bytes: AtomicU64,
    /// When it was measured last and when it is to be measured again, in milliseconds of
    /// [`millis`]; 0: never yet.
    measured: AtomicU64,
    due: AtomicU64,
    measuring: AtomicBool,
}

impl Figure {
    fn add(&self, count: u64, bytes: u64) {
        self.count.fetch_add(count, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
    }

    /// Measures unless that was done lately or is being done. A store that does not answer leaves
    /// the figure as it is: it won't take the write either.
    async fn refresh<E>(
        &self,
        full: bool,
        every: Duration,
        measure: impl Future<Output = Result<Option<Stored>, E>>,
    ) {
        let now = millis();
        let hurry = full && now >= self.measured.load(Relaxed) + whole_millis(FULL_EVERY);
        if (now < self.due.load(Relaxed) && !hurry) || self.measuring.swap(true, Relaxed) {
            return;
        }
        // However this ends, a cancelled call included, somebody else can measure.
        let _done = Done(&self.measuring);
        let began = Instant::now();
        if let Ok(Some(stored)) = measure.await {
            self.count.store(stored.documents, Relaxed);
            self.bytes.store(stored.bytes, Relaxed);
        }
        let pause = every.max(began.elapsed() * SHARE);
        self.measured.store(millis(), Relaxed);
        self.due.store(millis() + whole_millis(pause), Relaxed);
    }
}

struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(false, Relaxed);
    }
}

/// Milliseconds since this process first asked, and one.
fn millis() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    whole_millis(START.elapsed()) + 1
}

fn whole_millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Documents within a tenant's bounds: commits that add something are refused beyond them.
pub struct BoundedDocuments {
    inner: Arc<dyn Documents>,
    volume: Arc<dyn Volume>,
    storage: Arc<Storage>,
}

impl BoundedDocuments {
    /// Puts a tenant's account in front of its documents.
    #[must_use]
    pub fn new(inner: Arc<dyn Documents>, volume: Arc<dyn Volume>, storage: Arc<Storage>) -> Self {
        Self { inner, volume, storage }
    }

    async fn refresh(&self, full: bool) {
        let measure = async { self.volume.stored().await.map(Some) };
        self.storage.documents.refresh(full, DOCUMENTS_EVERY, measure).await;
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
                self.storage.documents.add(1, document.len() as u64);
            }
        }
        Ok(outcomes)
    }
}

/// Blobs within a tenant's bounds: beyond them nothing more is stored.
pub struct BoundedBlobs {
    inner: Arc<dyn Blobs>,
    storage: Arc<Storage>,
}

impl BoundedBlobs {
    /// Puts a tenant's account in front of its blobs.
    #[must_use]
    pub fn new(inner: Arc<dyn Blobs>, storage: Arc<Storage>) -> Self {
        Self { inner, storage }
    }

    async fn refresh(&self, full: bool) {
        let measure = async {
            let bytes = self.inner.stored_bytes().await?;
            Ok::<_, BlobError>(bytes.map(|bytes| Stored { documents: 0, bytes }))
        };
        self.storage.blobs.refresh(full, BLOBS_EVERY, measure).await;
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
        self.storage.blobs.add(0, stored.size);
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
