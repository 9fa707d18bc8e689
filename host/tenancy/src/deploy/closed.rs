//! Capabilities for a component that is only started to see whether it does: everything it was
//! granted is there, and answers that it is away.

use std::{sync::Arc, time::Duration, time::Instant};

use async_trait::async_trait;
use bytes::Bytes;
use pingtalk_capabilities::{
    blobs::{BlobError, BlobInfo, Blobs, Bounds},
    cache::{Cache, CacheError, Counter},
    calls::Body,
    documents::{Document, DocumentError, Documents, Filter, Outcome, Query, Transaction},
    sockets::{Message, SocketError, Sockets, Target},
};

use crate::assemble::Backends;

const AWAY: &str = "the release is only being tried";

struct Closed;

/// Backends that are all away.
pub(super) fn backends() -> Backends {
    Backends {
        documents: Arc::new(Closed),
        cache: Arc::new(Closed),
        blobs: Arc::new(Closed),
        sockets: Arc::new(Closed),
    }
}

fn documents<T>() -> Result<T, DocumentError> {
    Err(DocumentError::Unavailable(AWAY.to_owned()))
}

fn cache<T>() -> Result<T, CacheError> {
    Err(CacheError::Unavailable(AWAY.to_owned()))
}

fn blobs<T>() -> Result<T, BlobError> {
    Err(BlobError::Unavailable(AWAY.to_owned()))
}

fn sockets<T>() -> Result<T, SocketError> {
    Err(SocketError::Unavailable(AWAY.to_owned()))
}

#[async_trait]
impl Documents for Closed {
    async fn find_one(
        &self,
        _: &str,
        _: &str,
        _: Query,
        _: Instant,
    ) -> Result<Option<Document>, DocumentError> {
        documents()
    }

    async fn find(
        &self,
        _: &str,
        _: &str,
        _: Query,
        _: Instant,
    ) -> Result<Vec<Document>, DocumentError> {
        documents()
    }

    async fn count(
        &self,
        _: &str,
        _: &str,
        _: Filter,
        _: u32,
        _: Instant,
    ) -> Result<u32, DocumentError> {
        documents()
    }

    async fn commit(&self, _: Transaction, _: Instant) -> Result<Vec<Outcome>, DocumentError> {
        documents()
    }
}

#[async_trait]
impl Cache for Closed {
    async fn get(&self, _: &str) -> Result<Option<Bytes>, CacheError> {
        cache()
    }

    async fn set(&self, _: &str, _: Bytes, _: Duration, _: bool) -> Result<bool, CacheError> {
        cache()
    }

    async fn delete(&self, _: &[String]) -> Result<(), CacheError> {
        cache()
    }

    async fn increment(&self, _: &str, _: i64, _: Duration) -> Result<Counter, CacheError> {
        cache()
    }
}

#[async_trait]
impl Blobs for Closed {
    async fn put(&self, _: &str, _: &str, _: Body, _: Bounds) -> Result<BlobInfo, BlobError> {
        blobs()
    }

    async fn get(&self, _: &str, _: &str) -> Result<(BlobInfo, Body), BlobError> {
        blobs()
    }

    async fn head(&self, _: &str, _: &str) -> Result<BlobInfo, BlobError> {
        blobs()
    }

    async fn delete(&self, _: &str, _: &str) -> Result<(), BlobError> {
        blobs()
    }

    async fn stored_bytes(&self) -> Result<Option<u64>, BlobError> {
        blobs()
    }
}

#[async_trait]
impl Sockets for Closed {
    async fn emit(
        &self,
        _: Target,
        _: Message,
        _: Option<u64>,
        _: Option<String>,
    ) -> Result<(), SocketError> {
        sockets()
    }

    async fn join(&self, _: Target, _: &str, _: bool) -> Result<(), SocketError> {
        sockets()
    }

    async fn release(&self, _: Target, _: &str, _: u64) -> Result<(), SocketError> {
        sockets()
    }

    async fn leave(&self, _: Target, _: &str) -> Result<(), SocketError> {
        sockets()
    }

    async fn disconnect(&self, _: Target, _: Option<String>) -> Result<(), SocketError> {
        sockets()
    }
}
