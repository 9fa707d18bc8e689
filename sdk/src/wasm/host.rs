//! The host a component runs on.

use async_trait::async_trait;
use bytes::Bytes;

use super::{
    bindings::{
        blobs::pingtalk::blobs::store as blobs,
        capabilities::{
            pingtalk::{
                cache::store as cache, documents::store as documents, sockets::server as sockets,
            },
            wasi::config::store as config,
        },
    },
    clock, conv, documents as convert, outbound, random,
};
use crate::{
    Body, Host, VariableError,
    blobs::{BlobError, BlobInfo, Bounds},
    cache::{CacheError, Counter},
    documents::{Commit, Date, Document, DocumentError, Filter, Outcome, Query},
    outbound::{OutboundError, OutboundRequest, OutboundResponse},
    sockets::{Message, SocketError, Target},
};

/// The WIT imports as a [`Host`].
pub(crate) struct WasmHost;

#[async_trait(?Send)]
impl Host for WasmHost {
    async fn find_one(
        &self,
        database: &str,
        collection: &str,
        query: Query,
    ) -> Result<Option<Document>, DocumentError> {
        documents::find_one(database.to_owned(), collection.to_owned(), convert::query(query))
            .await
            .map_err(convert::error)
    }

    async fn find(
        &self,
        database: &str,
        collection: &str,
        query: Query,
    ) -> Result<Vec<Document>, DocumentError> {
        documents::find(database.to_owned(), collection.to_owned(), convert::query(query))
            .await
            .map_err(convert::error)
    }

    async fn count(
        &self,
        database: &str,
        collection: &str,
        filter: Filter,
        limit: u32,
    ) -> Result<u32, DocumentError> {
        let filter = convert::filter(filter);
        documents::count(database.to_owned(), collection.to_owned(), filter, limit)
            .await
            .map_err(convert::error)
    }

    async fn commit(&self, commit: Commit) -> Result<Vec<Outcome>, DocumentError> {
        let outcomes = documents::commit(convert::transaction(commit)).await;
        let outcomes = outcomes.map_err(convert::error)?;
        Ok(outcomes.into_iter().map(convert::outcome).collect())
    }

    async fn cache_get(&self, key: &str) -> Result<Option<Bytes>, CacheError> {
        let value = cache::get(key.to_owned()).await.map_err(conv::cache_error)?;
        Ok(value.map(Bytes::from))
    }

    async fn cache_set(
        &self,
        key: &str,
        value: Bytes,
        ttl_ms: u64,
        only_if_absent: bool,
    ) -> Result<bool, CacheError> {
        cache::set(key.to_owned(), value.into(), ttl_ms, only_if_absent)
            .await
            .map_err(conv::cache_error)
    }

    async fn cache_delete(&self, keys: Vec<String>) -> Result<(), CacheError> {
        cache::delete(keys).await.map_err(conv::cache_error)
    }

    async fn cache_increment(
        &self,
        key: &str,
        by: i64,
        ttl_ms: u64,
    ) -> Result<Counter, CacheError> {
        let counter = cache::increment(key.to_owned(), by, ttl_ms).await;
        counter.map(conv::counter).map_err(conv::cache_error)
    }

    async fn blob_put(
        &self,
        container: &str,
        name: &str,
        content: Body,
        bounds: Bounds,
    ) -> Result<BlobInfo, BlobError> {
        super::blobs::put(container, name, content, bounds).await
    }

    async fn blob_get(&self, container: &str, name: &str) -> Result<(BlobInfo, Body), BlobError> {
        super::blobs::get(container, name).await
    }

    async fn blob_head(&self, container: &str, name: &str) -> Result<BlobInfo, BlobError> {
        let info = blobs::head(container.to_owned(), name.to_owned()).await;
        info.map(conv::blob_info).map_err(conv::blob_error)
    }

    async fn blob_delete(&self, container: &str, name: &str) -> Result<(), BlobError> {
        blobs::delete(container.to_owned(), name.to_owned()).await.map_err(conv::blob_error)
    }

    async fn emit(
        &self,
        target: Target,
        message: Message,
        sequence: Option<u64>,
        except: Option<String>,
    ) -> Result<(), SocketError> {
        sockets::emit(conv::target(target), conv::message(message), sequence, except)
            .await
            .map_err(conv::socket_error)
    }

    async fn join(&self, target: Target, room: &str, hold: bool) -> Result<(), SocketError> {
        sockets::join(conv::target(target), room.to_owned(), hold).await.map_err(conv::socket_error)
    }

    async fn release(&self, target: Target, room: &str, after: u64) -> Result<(), SocketError> {
        sockets::release(conv::target(target), room.to_owned(), after)
            .await
            .map_err(conv::socket_error)
    }

    async fn leave(&self, target: Target, room: &str) -> Result<(), SocketError> {
        sockets::leave(conv::target(target), room.to_owned()).await.map_err(conv::socket_error)
    }

    async fn disconnect(&self, target: Target, except: Option<String>) -> Result<(), SocketError> {
        sockets::disconnect(conv::target(target), except).await.map_err(conv::socket_error)
    }

    async fn send(&self, request: OutboundRequest) -> Result<OutboundResponse, OutboundError> {
        outbound::send(request).await
    }

    fn variable(&self, name: &str) -> Result<Option<String>, VariableError> {
        config::get(name).map_err(|error| {
            VariableError::Failed(match error {
                config::Error::Upstream(reason) | config::Error::Io(reason) => reason,
            })
        })
    }

    fn now(&self) -> Date {
        clock::now()
    }

    fn random(&self, length: usize) -> Vec<u8> {
        random::bytes(length)
    }
}
