//! The capability's traits over an open database.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use pingtalk_capabilities::{
    TenantId,
    documents::{
        Collection, Document, DocumentError, DocumentStore, Documents, DocumentsBackend, Filter,
        Outbox, Outcome, Query, Transaction, Unpublished, Volume,
    },
    events::Event,
    storage::Stored,
};
use pingtalk_documents::{Count, Find, Waiting};
use pingtalk_sqlite_thread::Registry;

use crate::{
    Config,
    error::Error,
    store::{Store, undeclared},
};

/// How long counting all documents may take.
const COUNT_DEADLINE: Duration = Duration::from_secs(30);
/// How long the relay's own calls may take.
const RELAY_DEADLINE: Duration = Duration::from_secs(30);

/// Documents in one SQLite file per tenant.
pub struct SqliteDocuments {
    config: Config,
    open: Registry<TenantId, Store>,
}

impl SqliteDocuments {
    /// A backend with these settings. Files are made when tenants are opened.
    #[must_use]
    #[allow(clippy::new_ret_no_self)]
    pub fn new(config: Config) -> Arc<dyn DocumentsBackend> {
        Arc::new(Self { config, open: Registry::default() })
    }
}

#[async_trait]
impl DocumentsBackend for SqliteDocuments {
    async fn open(
        &self,
        tenant: &TenantId,
        collections: &[Collection],
    ) -> Result<DocumentStore, DocumentError> {
        let folder = self.config.data_dir.join("tenants").join(tenant.as_str());
        let open = async { Store::open(&folder, &self.config).await.map(Arc::new) };
        let store = self.open.get_or_open(tenant, open).await?;
        store.declare(collections).await?;
        let declared = collections
            .iter()
            .map(|collection| (collection.database.clone(), collection.name.clone()))
            .collect();
        let handle = Arc::new(Handle { store, declared });
        Ok(DocumentStore {
            documents: Arc::clone(&handle) as _,
            outbox: Arc::clone(&handle) as _,
            volume: handle,
        })
    }
}

/// A tenant's store as one release declared it. Releases overlap while one drains.
struct Handle {
    store: Arc<Store>,
    declared: HashSet<(String, String)>,
}

impl Handle {
    fn check(&self, database: &str, collection: &str) -> Result<(String, String), DocumentError> {
        let name = (database.to_owned(), collection.to_owned());
        if self.declared.contains(&name) { Ok(name) } else { Err(undeclared(database, collection)) }
    }

    async fn find(
        &self,
        (database, collection): (String, String),
        find: Find,
        deadline: Instant,
    ) -> Result<Vec<Document>, Error> {
        self.store
            .read(deadline, move |connection, schema| {
                Ok(find.run(connection, schema, (&database, &collection), deadline)?)
            })
            .await
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
        let name = self.check(database, collection)?;
        Ok(self.find(name, Find::one(&query)?, deadline).await?.pop())
    }

    async fn find(
        &self,
        database: &str,
        collection: &str,
        query: Query,
        deadline: Instant,
    ) -> Result<Vec<Document>, DocumentError> {
        let name = self.check(database, collection)?;
        Ok(self.find(name, Find::many(&query)?, deadline).await?)
    }

    async fn count(
        &self,
        database: &str,
        collection: &str,
        filter: Filter,
        limit: u32,
        deadline: Instant,
    ) -> Result<u32, DocumentError> {
        let (database, collection) = self.check(database, collection)?;
        let count = Count::new(&filter, limit)?;
        Ok(self
            .store
            .read(deadline, move |connection, schema| {
                Ok(count.run(connection, schema, (&database, &collection), deadline)?)
            })
            .await?)
    }

    async fn commit(
        &self,
        transaction: Transaction,
        deadline: Instant,
    ) -> Result<Vec<Outcome>, DocumentError> {
        for write in &transaction.writes {
            self.check(&write.database, &write.collection)?;
        }
        Ok(self.store.commit(transaction, deadline).await?)
    }
}

fn unpublished(waiting: Waiting) -> Unpublished {
    let event = Event {
        id: waiting.id,
        topic: waiting.topic,
        payload: waiting.payload,
        attempt: 0,
        published_at: waiting.at,
    };
    Unpublished { position: waiting.position.to_string(), event }
}

#[async_trait]
impl Outbox for Handle {
    async fn unpublished(&self, limit: usize) -> Result<Vec<Unpublished>, DocumentError> {
        let deadline = Instant::now() + RELAY_DEADLINE;
        let oldest = self.store.read(deadline, move |connection, _| {
            // Positions count from 1.
            Ok(pingtalk_documents::oldest(connection, 0, limit)?)
        });
        Ok(oldest.await?.into_iter().map(unpublished).collect())
    }

    async fn published(&self, positions: Vec<String>) -> Result<(), DocumentError> {
        let deadline = Instant::now() + RELAY_DEADLINE;
        let forget = move |connection: &rusqlite::Connection| -> Result<(), Error> {
            let positions = positions.iter().map(String::as_str);
            Ok(pingtalk_documents::forget(connection, positions)?)
        };
        Ok(self.store.writer.run(0, deadline, forget).await?)
    }

    async fn changed(&self) {
        self.store.events.notified().await;
    }
}

#[async_trait]
impl Volume for Handle {
    async fn stored(&self) -> Result<Stored, DocumentError> {
        let deadline = Instant::now() + COUNT_DEADLINE;
        let stored = self.store.read(deadline, |connection, schema| {
            Ok(pingtalk_documents::stored(connection, schema)?)
        });
        let stored = stored.await?;
        Ok(Stored { documents: stored.documents, bytes: stored.bytes })
    }
}
