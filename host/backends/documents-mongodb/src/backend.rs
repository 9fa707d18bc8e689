//! The capability's traits over a tenant's open store.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use pingtalk_capabilities::{
    TenantId,
    documents::{
        Collection, Document, DocumentError, DocumentStore, Documents, DocumentsBackend, Filter,
        MAX_FIND_BYTES, MAX_FIND_DOCUMENTS, Outbox, Outcome, Query, Transaction, Unpublished,
        Volume,
    },
    storage::Stored,
};

use crate::{
    Config, Fault,
    clients::Clients,
    commit,
    database::Find,
    error::invalid,
    fault::Faults,
    index, outbox,
    plan::{Plan, undeclared},
    query::{Matcher, order, projection, visible},
    store::Store,
};

/// How long opening a store may take, with all its indexes.
const OPEN_DEADLINE: Duration = Duration::from_secs(60);
/// How long the relay's own calls may take.
const RELAY_DEADLINE: Duration = Duration::from_secs(30);

/// Documents on MongoDB.
pub struct MongoDocuments {
    clients: Clients,
    faults: Faults,
    stores: Mutex<HashMap<TenantId, Weak<Store>>>,
}

impl MongoDocuments {
    /// A backend with these settings. Nothing is connected until a tenant is opened, and opening
    /// may be tried again while the server is away.
    ///
    /// # Errors
    /// `Invalid` when a URI can't be read.
    #[allow(clippy::new_ret_no_self)]
    pub fn new(config: Config) -> Result<Arc<dyn DocumentsBackend>, DocumentError> {
        Self::build(config, Faults::default())
    }

    /// A backend that stops between the steps of its commits, for tests.
    ///
    /// # Errors
    /// As [`MongoDocuments::new`].
    #[doc(hidden)]
    pub fn with_faults(
        config: Config,
        fault: Fault,
    ) -> Result<Arc<dyn DocumentsBackend>, DocumentError> {
        Self::build(config, Faults(Some(fault)))
    }

    fn build(config: Config, faults: Faults) -> Result<Arc<dyn DocumentsBackend>, DocumentError> {
        let clients = Clients::new(config)?;
        Ok(Arc::new(Self { clients, faults, stores: Mutex::default() }))
    }

    /// A tenant's store. Releases of a tenant overlap while one drains; they share it.
    fn store(&self, tenant: &TenantId) -> Arc<Store> {
        let mut stores = self.stores.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = stores.get(tenant).and_then(Weak::upgrade) {
            return store;
        }
        stores.retain(|_, store| store.strong_count() > 0);
        let store = Store::new(self.clients.config().pace, self.faults.clone());
        stores.insert(tenant.clone(), Arc::downgrade(&store));
        store
    }
}

#[async_trait]
impl DocumentsBackend for MongoDocuments {
    async fn open(
        &self,
        tenant: &TenantId,
        collections: &[Collection],
    ) -> Result<DocumentStore, DocumentError> {
        let deadline = Instant::now() + OPEN_DEADLINE;
        let store = self.store(tenant);
        for collection in collections {
            let twice = |other: &&Collection| {
                other.database == collection.database && other.name == collection.name
            };
            if collections.iter().filter(twice).count() > 1 {
                let Collection { database, name, .. } = collection;
                return Err(invalid(format!("the collection {database}.{name} is declared twice")));
            }
            let name = &collection.database;
            let database = self.clients.database(tenant, name, deadline).await?;
            let database = store.add(name, database, deadline).await?;
            index::declare(&database, collection, deadline).await?;
        }
        // What an earlier process left is seen by the slow look; what this one knows, at once.
        store.events.notify_one();
        let handle = Arc::new(Handle { store, declared: collections.to_vec() });
        Ok(DocumentStore {
            documents: Arc::clone(&handle) as _,
            outbox: Arc::clone(&handle) as _,
            volume: handle,
        })
    }
}

/// A tenant's store as one release declared it.
struct Handle {
    store: Arc<Store>,
    declared: Vec<Collection>,
}

impl Handle {
    fn check(&self, database: &str, collection: &str) -> Result<(), DocumentError> {
        let known = |it: &Collection| it.database == database && it.name == collection;
        if self.declared.iter().any(known) { Ok(()) } else { Err(undeclared(database, collection)) }
    }

    async fn read(
        &self,
        database: &str,
        collection: &str,
        query: &Query,
        limit: u32,
        max_bytes: usize,
        deadline: Instant,
    ) -> Result<Vec<Document>, DocumentError> {
        self.check(database, collection)?;
        let find = Find {
            filter: visible(Matcher::new(&query.filter)?.0),
            sort: order(&query.sort)?,
            projection: projection(query)?,
            limit,
        };
        self.store.database(database)?.find(collection, find, max_bytes, deadline).await
    }
}

#[async_trait]
impl Documents for Handle {
    async fn find_one(
        &self,
        database: &str,
        collection: &str,
        query: Query,
        deadline: Instant,
    ) -> Result<Option<Document>, DocumentError> {
        Ok(self.read(database, collection, &query, 1, usize::MAX, deadline).await?.pop())
    }

    async fn find(
        &self,
        database: &str,
        collection: &str,
        query: Query,
        deadline: Instant,
    ) -> Result<Vec<Document>, DocumentError> {
        if query.limit == 0 || query.limit > MAX_FIND_DOCUMENTS {
            return Err(invalid("a query's limit is 1 to 1,000"));
        }
        self.read(database, collection, &query, query.limit, MAX_FIND_BYTES, deadline).await
    }

    async fn count(
        &self,
        database: &str,
        collection: &str,
        filter: Filter,
        limit: u32,
        deadline: Instant,
    ) -> Result<u32, DocumentError> {
        self.check(database, collection)?;
        let filter = visible(Matcher::new(&filter)?.0);
        if limit == 0 {
            return Ok(0);
        }
        let database = self.store.database(database)?;
        let count = database.count(collection, filter, limit, deadline).await?;
        Ok(u32::try_from(count).unwrap_or(u32::MAX).min(limit))
    }

    async fn commit(
        &self,
        transaction: Transaction,
        deadline: Instant,
    ) -> Result<Vec<Outcome>, DocumentError> {
        let plan = Plan::new(transaction, &self.declared)?;
        commit::commit(&self.store, plan, deadline).await
    }
}

#[async_trait]
impl Outbox for Handle {
    async fn unpublished(&self, limit: usize) -> Result<Vec<Unpublished>, DocumentError> {
        outbox::oldest(&self.store, limit, Instant::now() + RELAY_DEADLINE).await
    }

    async fn published(&self, positions: Vec<String>) -> Result<(), DocumentError> {
        outbox::forget(&self.store, &positions, Instant::now() + RELAY_DEADLINE).await
    }

    async fn changed(&self) {
        self.store.events.notified().await;
    }
}

#[async_trait]
impl Volume for Handle {
    async fn stored(&self) -> Result<Stored, DocumentError> {
        let deadline = Instant::now() + RELAY_DEADLINE;
        let mut stored = Stored::default();
        for (_, database) in self.store.databases() {
            let own = database.stored(deadline).await?;
            stored.documents += own.documents;
            stored.bytes += own.bytes;
        }
        Ok(stored)
    }
}
