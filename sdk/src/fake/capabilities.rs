//! The fake host, as a service sees it.

use std::time::Duration;

use async_trait::async_trait;
use bson::oid::ObjectId;
use bytes::Bytes;

use super::{
    Failure, Host,
    store::{Cached, Emission, SocketCall},
};
use crate::{
    Body, VariableError,
    blobs::{BlobError, BlobInfo, Bounds},
    cache::{CacheError, Counter},
    documents::{Commit, Date, Document, DocumentError, Filter, Outcome, Query},
    outbound::{OutboundError, OutboundRequest, OutboundResponse},
    sockets::{Message, SocketError, Target},
};

#[async_trait(?Send)]
impl crate::Host for Host {
    async fn find_one(
        &self,
        database: &str,
        collection: &str,
        query: Query,
    ) -> Result<Option<Document>, DocumentError> {
        Ok(self.find(database, collection, query.limit(1)).await?.into_iter().next())
    }

    async fn find(
        &self,
        database: &str,
        collection: &str,
        query: Query,
    ) -> Result<Vec<Document>, DocumentError> {
        self.documents_fail()?;
        self.read().documents.find(&(database.to_owned(), collection.to_owned()), &query)
    }

    async fn count(
        &self,
        database: &str,
        collection: &str,
        filter: Filter,
        limit: u32,
    ) -> Result<u32, DocumentError> {
        self.documents_fail()?;
        let name = (database.to_owned(), collection.to_owned());
        Ok(self.read().documents.count(&name, &filter, limit))
    }

    async fn commit(&self, commit: Commit) -> Result<Vec<Outcome>, DocumentError> {
        self.documents_fail()?;
        self.fails(|failure| match failure {
            Failure::Commit(error) => Some(error.clone()),
            _ => None,
        })?;
        let race = self.store().before_commit.pop_front();
        if let Some(race) = race {
            race(self);
        }
        let outcomes = {
            let mut store = self.store();
            let store = &mut *store;
            let seconds = u32::try_from(store.now.unix_seconds()).unwrap_or_default();
            let random = &mut store.random;
            store.documents.commit(commit, || {
                *random += 1;
                let [_, _, _, _, _, counter @ ..] = random.to_be_bytes();
                ObjectId::from_parts(seconds, *b"store", counter)
            })?
        };
        let lost = self.fails(|failure| (*failure == Failure::LostOutcome).then_some(()));
        lost.map_err(|()| DocumentError::DeadlineExceeded)?;
        Ok(outcomes)
    }

    async fn cache_get(&self, key: &str) -> Result<Option<Bytes>, CacheError> {
        self.cache_fails()?;
        let store = self.read();
        let cached = store.cache.get(key).filter(|cached| cached.expires > store.now);
        Ok(cached.map(|cached| cached.value.clone()))
    }

    async fn cache_set(
        &self,
        key: &str,
        value: Bytes,
        ttl_ms: u64,
        only_if_absent: bool,
    ) -> Result<bool, CacheError> {
        self.cache_fails()?;
        if ttl_ms == 0 || key.len() > 512 || value.len() > 1024 * 1024 {
            return Err(CacheError::Invalid("out of bounds".to_owned()));
        }
        let mut store = self.store();
        let now = store.now;
        let there = store.cache.get(key).is_some_and(|cached| cached.expires > now);
        if there && only_if_absent {
            return Ok(false);
        }
        let expires = now.after(Duration::from_millis(ttl_ms));
        store.cache.insert(key.to_owned(), Cached { value, expires });
        Ok(true)
    }

    async fn cache_delete(&self, keys: Vec<String>) -> Result<(), CacheError> {
        self.cache_fails()?;
        let mut store = self.store();
        for key in keys {
            store.cache.remove(&key);
        }
        Ok(())
    }

    async fn cache_increment(
        &self,
        key: &str,
        by: i64,
        ttl_ms: u64,
    ) -> Result<Counter, CacheError> {
        self.cache_fails()?;
        let mut store = self.store();
        let now = store.now;
        let there = store.cache.get(key).filter(|cached| cached.expires > now);
        let (value, expires) = match there {
            None => (0, now.after(Duration::from_millis(ttl_ms))),
            Some(cached) => {
                let value = std::str::from_utf8(&cached.value).ok().and_then(|t| t.parse().ok());
                let odd = || CacheError::Invalid("not a counter".to_owned());
                (value.ok_or_else(odd)?, cached.expires)
            }
        };
        let value: i64 = value + by;
        let bytes = Bytes::from(value.to_string());
        store.cache.insert(key.to_owned(), Cached { value: bytes, expires });
        let expires_in_ms = u64::try_from(expires.millis() - now.millis()).unwrap_or_default();
        Ok(Counter { value, expires_in_ms })
    }

    async fn blob_put(
        &self,
        container: &str,
        name: &str,
        content: Body,
        bounds: Bounds,
    ) -> Result<BlobInfo, BlobError> {
        self.put_blob(container, name, content, bounds).await
    }

    async fn blob_get(&self, container: &str, name: &str) -> Result<(BlobInfo, Body), BlobError> {
        let (info, bytes) = self.find_blob(container, name)?;
        Ok((info, bytes.into()))
    }

    async fn blob_head(&self, container: &str, name: &str) -> Result<BlobInfo, BlobError> {
        self.find_blob(container, name).map(|(info, _)| info)
    }

    async fn blob_delete(&self, container: &str, name: &str) -> Result<(), BlobError> {
        self.blobs_fail()?;
        self.store().blobs.remove(&(container.to_owned(), name.to_owned()));
        Ok(())
    }

    async fn emit(
        &self,
        target: Target,
        message: Message,
        sequence: Option<u64>,
        except: Option<String>,
    ) -> Result<(), SocketError> {
        self.sockets_call(SocketCall::Emit(Emission { target, message, sequence, except }))
    }

    async fn join(&self, target: Target, room: &str, hold: bool) -> Result<(), SocketError> {
        self.sockets_call(SocketCall::Join(target, room.to_owned(), hold))
    }

    async fn release(&self, target: Target, room: &str, after: u64) -> Result<(), SocketError> {
        self.sockets_call(SocketCall::Release(target, room.to_owned(), after))
    }

    async fn leave(&self, target: Target, room: &str) -> Result<(), SocketError> {
        self.sockets_call(SocketCall::Leave(target, room.to_owned()))
    }

    async fn disconnect(&self, target: Target, except: Option<String>) -> Result<(), SocketError> {
        self.sockets_call(SocketCall::Disconnect(target, except))
    }

    async fn send(&self, request: OutboundRequest) -> Result<OutboundResponse, OutboundError> {
        let mut store = self.store();
        let limit = request.limits.max_bytes;
        store.requests.push(request);
        let unscripted = || Err(OutboundError::Failed("no response was scripted".to_owned()));
        let response = store.responses.pop_front().unwrap_or_else(unscripted)?;
        if response.body.len() > limit {
            return Err(OutboundError::TooLarge { limit });
        }
        Ok(response)
    }

    fn variable(&self, name: &str) -> Result<Option<String>, VariableError> {
        Ok(self.read().variables.get(name).cloned())
    }

    fn now(&self) -> Date {
        self.read().now
    }

    fn random(&self, length: usize) -> Vec<u8> {
        self.store().random(length)
    }
}
