//! What a component can ask of its host, as one trait: the seam between a service and where it
//! runs. Services use the friendlier [`Platform`](crate::Platform) on top of it.

use async_trait::async_trait;
use bytes::Bytes;

use crate::{
    Body,
    blobs::{BlobError, BlobInfo, Bounds},
    cache::{CacheError, Counter},
    documents::{Commit, Date, Document, DocumentError, Filter, Outcome, Query},
    outbound::{OutboundError, OutboundRequest, OutboundResponse},
    sockets::{Message, SocketError, Target},
};

/// A variable that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VariableError {
    /// Neither the manifest nor the operator set it.
    #[error("variable `{0}` is not set")]
    Missing(String),
    /// The provider failed; the text is its reason.
    #[error("variable could not be read: {0}")]
    Failed(String),
}

/// One host. The meaning of each call is told in `wit/`.
#[async_trait(?Send)]
pub trait Host {
    /// The first match in the query's order.
    async fn find_one(
        &self,
        database: &str,
        collection: &str,
        query: Query,
    ) -> Result<Option<Document>, DocumentError>;

    /// All matches within the query's limit.
    async fn find(
        &self,
        database: &str,
        collection: &str,
        query: Query,
    ) -> Result<Vec<Document>, DocumentError>;

    /// How many match, counting to `limit`.
    async fn count(
        &self,
        database: &str,
        collection: &str,
        filter: Filter,
        limit: u32,
    ) -> Result<u32, DocumentError>;

    /// All writes and events or none; the first write decides.
    async fn commit(&self, commit: Commit) -> Result<Vec<Outcome>, DocumentError>;

    /// A cached value.
    async fn cache_get(&self, key: &str) -> Result<Option<Bytes>, CacheError>;

    /// Caches a value for `ttl_ms`; true when it was stored.
    async fn cache_set(
        &self,
        key: &str,
        value: Bytes,
        ttl_ms: u64,
        only_if_absent: bool,
    ) -> Result<bool, CacheError>;

    /// Removes keys.
    async fn cache_delete(&self, keys: Vec<String>) -> Result<(), CacheError>;

    /// Adds to a counter that expires `ttl_ms` after its first increment.
    async fn cache_increment(&self, key: &str, by: i64, ttl_ms: u64)
    -> Result<Counter, CacheError>;

    /// Stores a blob once its content is complete.
    async fn blob_put(
        &self,
        container: &str,
        name: &str,
        content: Body,
        bounds: Bounds,
    ) -> Result<BlobInfo, BlobError>;

    /// A blob with its content.
    async fn blob_get(&self, container: &str, name: &str) -> Result<(BlobInfo, Body), BlobError>;

    /// A blob without its content.
    async fn blob_head(&self, container: &str, name: &str) -> Result<BlobInfo, BlobError>;

    /// Removes a blob; an absent one is no error.
    async fn blob_delete(&self, container: &str, name: &str) -> Result<(), BlobError>;

    /// Sends an event to sockets.
    async fn emit(
        &self,
        target: Target,
        message: Message,
        sequence: Option<u64>,
        except: Option<String>,
    ) -> Result<(), SocketError>;

    /// Adds sockets to a room, with `hold` keeping back its events.
    async fn join(&self, target: Target, room: &str, hold: bool) -> Result<(), SocketError>;

    /// Ends a hold.
    async fn release(&self, target: Target, room: &str, after: u64) -> Result<(), SocketError>;

    /// Removes sockets from a room.
    async fn leave(&self, target: Target, room: &str) -> Result<(), SocketError>;

    /// Disconnects sockets, but none that are in the room `except`.
    async fn disconnect(&self, target: Target, except: Option<String>) -> Result<(), SocketError>;

    /// One request to another server, within its bounds.
    async fn send(&self, request: OutboundRequest) -> Result<OutboundResponse, OutboundError>;

    /// A variable or secret.
    fn variable(&self, name: &str) -> Result<Option<String>, VariableError>;

    /// The time.
    fn now(&self) -> Date;

    /// Random bytes, fit for secrets.
    fn random(&self, length: usize) -> Vec<u8>;
}
