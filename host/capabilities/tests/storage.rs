//! What adds to a tenant's store beyond its bounds is refused, what removes from it is not, and a
//! store is not asked more often than it must be.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use pingtalk_capabilities::{
    blobs::{BlobError, BlobInfo, Blobs, Bounds},
    calls::Body,
    documents::{
        Document, DocumentError, Documents, Filter, Operation, Outcome, Query, Transaction, Volume,
        Write,
    },
    storage::{BoundedBlobs, BoundedDocuments, Spawn, Storage, StorageLimits, Stored},
};
use tokio::sync::Semaphore;

const SPAWN: Spawn = |task| {
    tokio::spawn(task);
};

/// A store that counts, and counts how often it is asked.
#[derive(Default)]
struct Behind {
    documents: AtomicU64,
    bytes: AtomicU64,
    asked: AtomicU64,
    /// Counting waits for one of these where there is a queue for them.
    counts: Option<Semaphore>,
}

#[async_trait]
impl Documents for Behind {
    async fn find_one(
        &self,
        _: &str,
        _: &str,
        _: Query,
        _: Instant,
    ) -> Result<Option<Document>, DocumentError> {
        Ok(None)
    }

    async fn find(
        &self,
        _: &str,
        _: &str,
        _: Query,
        _: Instant,
    ) -> Result<Vec<Document>, DocumentError> {
        Ok(Vec::new())
    }

    async fn count(
        &self,
        _: &str,
        _: &str,
        _: Filter,
        _: u32,
        _: Instant,
    ) -> Result<u32, DocumentError> {
        Ok(0)
    }

    async fn commit(
        &self,
        transaction: Transaction,
        _: Instant,
    ) -> Result<Vec<Outcome>, DocumentError> {
        let outcome = |write: Write| match write.operation {
            Operation::Insert { document, .. } => {
                self.documents.fetch_add(1, SeqCst);
                self.bytes.fetch_add(document.len() as u64, SeqCst);
                Outcome::Inserted(document)
            }
            _ => {
                self.documents.store(0, SeqCst);
                self.bytes.store(0, SeqCst);
                Outcome::Deleted(1)
            }
        };
        Ok(transaction.writes.into_iter().map(outcome).collect())
    }
}

#[async_trait]
impl Volume for Behind {
    async fn stored(&self) -> Result<Stored, DocumentError> {
        self.asked.fetch_add(1, SeqCst);
        let (documents, bytes) = (self.documents.load(SeqCst), self.bytes.load(SeqCst));
        if let Some(counts) = &self.counts {
            counts.acquire().await.unwrap().forget();
        }
        Ok(Stored { documents, bytes })
    }
}

#[async_trait]
impl Blobs for Behind {
    async fn put(&self, _: &str, _: &str, body: Body, _: Bounds) -> Result<BlobInfo, BlobError> {
        let size = body.collect().await.unwrap().to_bytes().len() as u64;
        self.bytes.fetch_add(size, SeqCst);
        Ok(BlobInfo { size, content_type: String::new(), url: String::new() })
    }

    async fn get(&self, _: &str, _: &str) -> Result<(BlobInfo, Body), BlobError> {
        Err(BlobError::NotFound)
    }

    async fn head(&self, _: &str, _: &str) -> Result<BlobInfo, BlobError> {
        Err(BlobError::NotFound)
    }

    async fn delete(&self, _: &str, _: &str) -> Result<(), BlobError> {
        self.bytes.store(0, SeqCst);
        Ok(())
    }

    async fn stored_bytes(&self) -> Result<Option<u64>, BlobError> {
        self.asked.fetch_add(1, SeqCst);
        Ok(Some(self.bytes.load(SeqCst)))
    }
}

fn transaction(operation: Operation) -> Transaction {
    let write = Write { database: "d".to_owned(), collection: "c".to_owned(), operation };
    Transaction { id: "id".to_owned(), writes: vec![write], events: Vec::new() }
}

fn insert(size: usize) -> Transaction {
    let document = Bytes::from(vec![0; size]);
    transaction(Operation::Insert { document, sequence: None })
}

fn bounded(limits: &StorageLimits) -> (Arc<Behind>, Arc<Storage>, BoundedDocuments) {
    over(Behind::default(), limits)
}

fn over(behind: Behind, limits: &StorageLimits) -> (Arc<Behind>, Arc<Storage>, BoundedDocuments) {
    let (behind, storage) = (Arc::new(behind), Arc::new(Storage::new(limits)));
    let documents = BoundedDocuments::new(
        Arc::clone(&behind) as _,
        Arc::clone(&behind) as _,
        Arc::clone(&storage),
        SPAWN,
    );
    (behind, storage, documents)
}

/// Lets tasks go as far as they get.
async fn settle() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

#[tokio::test]
async fn a_full_store_takes_nothing_more_until_something_is_removed() {
    let limits = StorageLimits { documents: Some(3), bytes: None };
    let (behind, storage, documents) = bounded(&limits);
    for _ in 0..3 {
        documents.commit(insert(10), soon()).await.unwrap();
        settle().await;
    }
    let refused = documents.commit(insert(10), soon()).await;
    assert_eq!(refused, Err(DocumentError::QuotaExceeded));
    assert_eq!(behind.documents.load(SeqCst), 3);
    assert_eq!(storage.stored(), Stored { documents: 3, bytes: 30 });
    // The first commit had it measured, which may have counted that commit twice: so it was asked
    // again before one was refused.
    assert_eq!(behind.asked.load(SeqCst), 2);
    assert_eq!(documents.commit(insert(10), soon()).await, Err(DocumentError::QuotaExceeded));
    assert_eq!(behind.asked.load(SeqCst), 2, "too soon to ask again");

    let remove = Operation::DeleteAll(Filter::default());
    documents.commit(transaction(remove), soon()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_050)).await;
    documents.commit(insert(10), soon()).await.unwrap();
    assert_eq!(storage.stored(), Stored { documents: 1, bytes: 10 });
    assert_eq!(behind.asked.load(SeqCst), 3);
}

#[tokio::test]
async fn bytes_are_those_of_documents_and_blobs_together() {
    let limits = StorageLimits { documents: None, bytes: Some(1_000) };
    let (_, storage, documents) = bounded(&limits);
    let behind = Arc::new(Behind::default());
    let blobs = BoundedBlobs::new(Arc::clone(&behind) as _, Arc::clone(&storage), SPAWN);
    let put = |size: usize| {
        let content = Full::new(Bytes::from(vec![0; size]));
        let content = content.map_err(|never: Infallible| match never {}).boxed_unsync();
        blobs.put("c", "n", content, Bounds { max_size: 10_000, accept: Vec::new() })
    };
    put(600).await.unwrap();
    documents.commit(insert(500), soon()).await.unwrap();
    assert_eq!(storage.stored().bytes, 1_100);
    assert_eq!(put(1).await, Err(BlobError::QuotaExceeded));
    assert_eq!(documents.commit(insert(1), soon()).await, Err(DocumentError::QuotaExceeded));
    storage.set(&StorageLimits { documents: None, bytes: Some(2_000) });
    put(1).await.unwrap();
    documents.commit(insert(1), soon()).await.unwrap();
}

#[tokio::test]
async fn without_bounds_nobody_measures() {
    let (behind, storage, documents) = bounded(&StorageLimits::default());
    for _ in 0..10 {
        documents.commit(insert(1_000), soon()).await.unwrap();
    }
    assert_eq!(behind.asked.load(SeqCst), 0);
    assert_eq!(storage.stored(), Stored::default());
}

#[tokio::test]
async fn a_slow_count_holds_up_nobody_but_who_would_be_refused() {
    let limits = StorageLimits { documents: Some(5), bytes: None };
    let behind = Behind { counts: Some(Semaphore::new(0)), ..Behind::default() };
    let (behind, storage, documents) = over(behind, &limits);
    let documents = Arc::new(documents);
    for _ in 0..4 {
        documents.commit(insert(10), soon()).await.unwrap();
        settle().await;
    }
    assert_eq!(behind.asked.load(SeqCst), 1, "one measurement at a time");
    // It saw the first document, and three were added meanwhile.
    behind.counts.as_ref().unwrap().add_permits(1);
    settle().await;
    assert_eq!(storage.stored().documents, 5, "never less than there is");
    let waiting = tokio::spawn({
        let documents = Arc::clone(&documents);
        async move { documents.commit(insert(10), soon()).await }
    });
    settle().await;
    assert!(!waiting.is_finished(), "it is counted again before it is refused");
    // Whoever waits may go away: the count goes on.
    waiting.abort();
    behind.counts.as_ref().unwrap().add_permits(1);
    settle().await;
    assert_eq!(storage.stored().documents, 4);
    documents.commit(insert(10), soon()).await.unwrap();
    assert_eq!(documents.commit(insert(10), soon()).await, Err(DocumentError::QuotaExceeded));
    assert_eq!(behind.documents.load(SeqCst), 5);
}
