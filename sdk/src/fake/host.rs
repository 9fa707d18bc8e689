//! The fake host: what a test sets up and looks at, and the capabilities a service sees.

use std::{
    cell::{Ref, RefCell, RefMut},
    rc::Rc,
    time::Duration,
};

use async_trait::async_trait;
use bson::oid::ObjectId;
use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use super::{
    documents::Published,
    store::{Cached, Emission, SocketCall, Store},
};
use crate::{
    Body, Platform, VariableError,
    blobs::{BlobError, BlobInfo, Bounds},
    cache::{CacheError, Counter},
    documents::{
        Collection, Commit, Date, Document, DocumentError, Filter, Id, Outcome, Query, Transaction,
    },
    outbound::{OutboundError, OutboundRequest, OutboundResponse},
    session,
    sockets::{Message, SocketError, Target},
};

/// A failure to inject, by the capability it hits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Any document call.
    Documents(DocumentError),
    /// A commit alone; nothing happens.
    Commit(DocumentError),
    /// A commit that takes effect, and yet answers `DeadlineExceeded`.
    LostOutcome,
    /// Any cache call.
    Cache(CacheError),
    /// Any blob call.
    Blobs(BlobError),
    /// Any socket call.
    Sockets(SocketError),
}

/// A host in memory. Clones are the same host.
#[derive(Clone)]
pub struct Host {
    store: Rc<RefCell<Store>>,
    platform: Rc<RefCell<Option<Platform>>>,
}

impl Default for Host {
    fn default() -> Self {
        Self::new()
    }
}

impl Host {
    /// An empty host. Its clock stands at 2026-01-02T03:04:05.678Z; `jwt_secret` is set.
    #[must_use]
    pub fn new() -> Self {
        Self { store: Rc::new(RefCell::new(Store::new())), platform: Rc::default() }
    }

    pub(super) fn store(&self) -> RefMut<'_, Store> {
        self.store.borrow_mut()
    }

    fn read(&self) -> Ref<'_, Store> {
        self.store.borrow()
    }

    /// The handle to give to the code under test.
    #[must_use]
    pub fn platform(&self) -> Platform {
        let mut platform = self.platform.borrow_mut();
        // A handle of its own store, so that the two don't keep each other alive.
        let twin = Self { store: Rc::clone(&self.store), platform: Rc::default() };
        platform.get_or_insert_with(|| Platform::new(Box::new(twin))).clone()
    }

    /// Declares a unique index. Documents that lack a field count as having null there.
    pub fn unique(&self, database: &str, collection: &str, fields: &[&str]) {
        let name = (database.to_owned(), collection.to_owned());
        self.store().documents.declare_unique(name, fields, false);
    }

    /// Declares a unique index that leaves out documents which lack any of the fields.
    pub fn unique_sparse(&self, database: &str, collection: &str, fields: &[&str]) {
        let name = (database.to_owned(), collection.to_owned());
        self.store().documents.declare_unique(name, fields, true);
    }

    /// Stores a document as it is.
    ///
    /// # Panics
    /// When it can't be stored.
    #[allow(clippy::expect_used)] // A test's set-up fails loudly.
    pub fn insert<T: Serialize>(&self, collection: &Collection<T>, document: &T) {
        let transaction = Transaction::new().insert(collection, document).expect("a document");
        let platform = self.platform();
        super::block_on(platform.commit(transaction)).expect("a document that fits the indexes");
    }

    /// All documents of a collection, in the order they were inserted.
    ///
    /// # Panics
    /// When one has another shape.
    #[allow(clippy::expect_used)] // A test's assertion fails loudly.
    #[must_use]
    pub fn documents<T: DeserializeOwned>(&self, collection: &Collection<T>) -> Vec<T> {
        let name = (collection.database.to_owned(), collection.name.to_owned());
        let query = Query::from(Filter::everything());
        let found = self.read().documents.find(&name, &query).expect("a valid query");
        found.iter().map(|d| collection.decode(d).expect("the collection's type")).collect()
    }

    /// The events published so far.
    #[must_use]
    pub fn published(&self) -> Vec<Published> {
        self.read().documents.events.clone()
    }

    /// What was done to sockets so far.
    #[must_use]
    pub fn socket_calls(&self) -> Vec<SocketCall> {
        self.read().sockets.clone()
    }

    /// The events sent to sockets so far.
    #[must_use]
    pub fn emissions(&self) -> Vec<Emission> {
        let calls = self.socket_calls().into_iter();
        calls
            .filter_map(|call| match call {
                SocketCall::Emit(emission) => Some(emission),
                _ => None,
            })
            .collect()
    }

    /// Moves the clock on.
    pub fn advance(&self, by: Duration) {
        let mut store = self.store();
        store.now = store.now.after(by);
    }

    /// Sets the clock.
    pub fn set_now(&self, now: Date) {
        self.store().now = now;
    }

    /// Sets a variable.
    pub fn set_variable(&self, name: &str, value: &str) {
        self.store().variables.insert(name.to_owned(), value.to_owned());
    }

    /// Makes the next call of the failure's capability fail.
    pub fn fail_next(&self, failure: Failure) {
        self.store().failures.push_back(failure);
    }

    /// Makes all calls of the failure's capability fail until [`Host::recover`].
    pub fn fail_always(&self, failure: Failure) {
        self.store().outages.push(failure);
    }

    /// Ends all failures.
    pub fn recover(&self) {
        let mut store = self.store();
        store.failures.clear();
        store.outages.clear();
    }

    /// Runs this just before the next commit: what another request did in between.
    pub fn before_next_commit(&self, race: impl FnOnce(&Self) + 'static) {
        self.store().before_commit.push_back(Box::new(race));
    }

    /// Runs this just before the next call on sockets takes effect.
    pub fn before_next_socket_call(&self, race: impl FnOnce(&Self) + 'static) {
        self.store().before_socket_call.push_back(Box::new(race));
    }

    /// The raw value cached under a key, unless expired.
    #[must_use]
    pub fn cached(&self, key: &str) -> Option<serde_json::Value> {
        let store = self.read();
        let cached = store.cache.get(key).filter(|cached| cached.expires > store.now)?;
        serde_json::from_slice(&cached.value).ok()
    }

    /// The names of the blobs in a container.
    #[must_use]
    pub fn blob_names(&self, container: &str) -> Vec<String> {
        let store = self.read();
        let keys = store.blobs.keys().filter(|(of, _)| of == container);
        keys.map(|(_, name)| name.clone()).collect()
    }

    /// A blob's bytes.
    #[must_use]
    pub fn blob(&self, container: &str, name: &str) -> Option<Bytes> {
        let key = (container.to_owned(), name.to_owned());
        self.read().blobs.get(&key).map(|(_, bytes)| bytes.clone())
    }

    /// Scripts the answer to the next outbound request; they are used in order.
    pub fn respond(&self, response: Result<OutboundResponse, OutboundError>) {
        self.store().responses.push_back(response);
    }

    /// The outbound requests made so far.
    #[must_use]
    pub fn requests(&self) -> Vec<OutboundRequest> {
        self.read().requests.clone()
    }

    /// A new id.
    #[must_use]
    pub fn new_id(&self) -> Id {
        self.platform().new_id()
    }

    /// A user who exists in `authDB.auths` and has this id, and a valid token.
    ///
    /// # Panics
    /// When `jwt_secret` was unset.
    #[allow(clippy::expect_used)] // A test's set-up fails loudly.
    #[must_use]
    pub fn log_in(&self, user: Id) -> String {
        #[derive(Serialize)]
        struct Owner {
            _id: Id,
            #[serde(rename = "emailId")]
            email: String,
        }
        let owners: Collection<Owner> = Collection::new("authDB", "auths");
        let owner = Owner { _id: user, email: format!("{user}@example.com") };
        let transaction = Transaction::new().insert(&owners, &owner).expect("a document");
        let platform = self.platform();
        // The user may be there already.
        match super::block_on(platform.commit(transaction)) {
            Ok(_) | Err(DocumentError::Conflict(_)) => {}
            Err(error) => unreachable!("the fake refused a user: {error}"),
        }
        session::issue(&platform, user).expect("jwt_secret is set").token
    }

    fn fails<E>(&self, hit: impl Fn(&Failure) -> Option<E>) -> Result<(), E> {
        let mut store = self.store();
        if let Some(error) = store.outages.iter().find_map(&hit) {
            return Err(error);
        }
        let at = store.failures.iter().position(|failure| hit(failure).is_some());
        let failure = at.and_then(|at| store.failures.remove(at));
        failure.and_then(|failure| hit(&failure)).map_or(Ok(()), Err)
    }

    fn documents_fail(&self) -> Result<(), DocumentError> {
        self.fails(|failure| match failure {
            Failure::Documents(error) => Some(error.clone()),
            _ => None,
        })
    }

    fn cache_fails(&self) -> Result<(), CacheError> {
        self.fails(|failure| match failure {
            Failure::Cache(error) => Some(error.clone()),
            _ => None,
        })
    }

    pub(super) fn blobs_fail(&self) -> Result<(), BlobError> {
        self.fails(|failure| match failure {
            Failure::Blobs(error) => Some(error.clone()),
            _ => None,
        })
    }

    fn sockets_call(&self, call: SocketCall) -> Result<(), SocketError> {
        let race = self.store().before_socket_call.pop_front();
        if let Some(race) = race {
            race(self);
        }
        self.fails(|failure| match failure {
            Failure::Sockets(error) => Some(error.clone()),
            _ => None,
        })?;
        self.store().sockets.push(call);
        Ok(())
    }
}

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
