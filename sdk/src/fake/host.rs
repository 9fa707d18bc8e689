//! The fake host, as a test sees it: what it sets up and looks at, and which calls fail.

use std::{
    cell::{Ref, RefCell, RefMut},
    rc::Rc,
    time::Duration,
};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use super::{
    documents::Published,
    store::{Emission, SocketCall, Store},
};
use crate::{
    Platform,
    blobs::BlobError,
    cache::CacheError,
    documents::{Collection, Date, DocumentError, Filter, Id, Query, Transaction},
    outbound::{OutboundError, OutboundRequest, OutboundResponse},
    session,
    sockets::SocketError,
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

    pub(super) fn read(&self) -> Ref<'_, Store> {
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

    pub(super) fn fails<E>(&self, hit: impl Fn(&Failure) -> Option<E>) -> Result<(), E> {
        let mut store = self.store();
        if let Some(error) = store.outages.iter().find_map(&hit) {
            return Err(error);
        }
        let at = store.failures.iter().position(|failure| hit(failure).is_some());
        let failure = at.and_then(|at| store.failures.remove(at));
        failure.and_then(|failure| hit(&failure)).map_or(Ok(()), Err)
    }

    pub(super) fn documents_fail(&self) -> Result<(), DocumentError> {
        self.fails(|failure| match failure {
            Failure::Documents(error) => Some(error.clone()),
            _ => None,
        })
    }

    pub(super) fn cache_fails(&self) -> Result<(), CacheError> {
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

    pub(super) fn sockets_call(&self, call: SocketCall) -> Result<(), SocketError> {
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
