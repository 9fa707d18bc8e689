//! The adapter for documents as a backend.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
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
use tempfile::TempDir;
use tokio::sync::Mutex;
use wasmtime::Store;

use crate::{
    Consumer,
    bindings::documents::Documents as Bindings,
    convert,
    instance::{Adapter, Given, State},
    manifest,
};

/// Instances of an application, which take turns: several write to one database, as with Spin.
const INSTANCES: usize = 2;

/// The adapter, an application for each tenant.
pub struct SpinDocuments {
    folder: TempDir,
    manifests: AtomicUsize,
    consumer: Arc<Consumer>,
}

impl SpinDocuments {
    /// A backend whose databases end with it.
    #[must_use]
    #[allow(clippy::new_ret_no_self)]
    pub fn new() -> Arc<dyn DocumentsBackend> {
        Self::with_consumer(Arc::default())
    }

    /// The same, with a component that consumes events.
    #[must_use]
    pub fn with_consumer(consumer: Arc<Consumer>) -> Arc<dyn DocumentsBackend> {
        let folder = tempfile::tempdir().unwrap();
        Arc::new(Self { folder, manifests: AtomicUsize::new(0), consumer })
    }
}

#[async_trait]
impl DocumentsBackend for SpinDocuments {
    async fn open(
        &self,
        tenant: &TenantId,
        collections: &[Collection],
    ) -> Result<DocumentStore, DocumentError> {
        let database = self.folder.path().join(tenant.as_str());
        let manifest = database.join(self.manifests.fetch_add(1, Relaxed).to_string());
        std::fs::create_dir_all(&manifest).unwrap();
        manifest::write(&manifest, collections);
        let mut instances = Vec::new();
        for _ in 0..INSTANCES {
            let given = Given {
                manifest: manifest.clone(),
                folder: database.clone(),
                consumer: Arc::clone(&self.consumer),
                ..Given::default()
            };
            instances.push(Mutex::new(Instance::start(given).await));
        }
        let handle = Arc::new(Handle { instances, next: AtomicUsize::new(0), database });
        if let Some(first) = collections.first() {
            // An application's first call declares; here it is this one.
            let soon = Instant::now() + Duration::from_secs(30);
            handle.count(&first.database, &first.name, Filter::default(), 0, soon).await?;
        }
        Ok(DocumentStore {
            documents: Arc::clone(&handle) as _,
            outbox: Arc::clone(&handle) as _,
            volume: handle,
        })
    }
}

struct Instance {
    store: Store<State>,
    bindings: Bindings,
}

impl Instance {
    async fn start(given: Given) -> Self {
        let bind = async |store: &mut Store<State>,
                          component: &wasmtime::component::Component,
                          linker: &wasmtime::component::Linker<State>| {
            Bindings::instantiate_async(store, component, linker).await
        };
        let adapter = Adapter::get("spin_documents");
        let (store, bindings) = adapter.start(given, bind).await;
        Self { store, bindings }
    }
}

/// One application.
struct Handle {
    instances: Vec<Mutex<Instance>>,
    next: AtomicUsize,
    database: PathBuf,
}

/// Calls an export of the next instance.
macro_rules! call {
    ($handle:expr, $deadline:expr, $function:ident($($argument:expr),*)) => {{
        if $deadline <= Instant::now() {
            // A component's call has a deadline with our host only; the adapter is not even asked.
            return Err(DocumentError::DeadlineExceeded);
        }
        let next = $handle.next.fetch_add(1, Relaxed) % INSTANCES;
        let mut instance = $handle.instances[next].lock().await;
        let Instance { store, bindings } = &mut *instance;
        let interface = bindings.pingtalk_documents_store();
        let called = store
            .run_concurrent(async |accessor| interface.$function(accessor, $($argument),*).await)
            .await;
        called.and_then(|result| result).expect("the adapter does not trap").map_err(convert::error)
    }};
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
        let (database, collection) = (database.to_owned(), collection.to_owned());
        let query = convert::query(query);
        let found = call!(self, deadline, call_find_one(database, collection, query))?;
        Ok(found.map(Document::from))
    }

    async fn find(
        &self,
        database: &str,
        collection: &str,
        query: Query,
        deadline: Instant,
    ) -> Result<Vec<Document>, DocumentError> {
        let (database, collection) = (database.to_owned(), collection.to_owned());
        let query = convert::query(query);
        let found = call!(self, deadline, call_find(database, collection, query))?;
        Ok(found.into_iter().map(Document::from).collect())
    }

    async fn count(
        &self,
        database: &str,
        collection: &str,
        filter: Filter,
        limit: u32,
        deadline: Instant,
    ) -> Result<u32, DocumentError> {
        let (database, collection) = (database.to_owned(), collection.to_owned());
        let filter = convert::filter(filter);
        call!(self, deadline, call_count(database, collection, filter, limit))
    }

    async fn commit(
        &self,
        transaction: Transaction,
        deadline: Instant,
    ) -> Result<Vec<Outcome>, DocumentError> {
        let transaction = convert::transaction(transaction);
        let outcomes = call!(self, deadline, call_commit(transaction))?;
        Ok(outcomes.into_iter().map(convert::outcome).collect())
    }
}

impl Handle {
    fn connect(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.database.join("spin.sqlite")).unwrap()
    }
}

/// What waits to be delivered: the adapter has no outbox of its own to show.
#[async_trait]
impl Outbox for Handle {
    async fn unpublished(&self, limit: usize) -> Result<Vec<Unpublished>, DocumentError> {
        let connection = self.connect();
        let mut statement = connection
            .prepare(
                "SELECT position, id, topic, payload, at FROM deliveries ORDER BY position LIMIT ?1",
            )
            .unwrap();
        let waiting = statement.query_map([i64::try_from(limit).unwrap()], |row| {
            let event = Event {
                id: row.get(1)?,
                topic: row.get(2)?,
                payload: row.get::<_, Vec<u8>>(3)?.into(),
                attempt: 0,
                published_at: row.get(4)?,
            };
            Ok(Unpublished { position: row.get::<_, i64>(0)?.to_string(), event })
        });
        Ok(waiting.unwrap().collect::<Result<_, _>>().unwrap())
    }

    async fn published(&self, positions: Vec<String>) -> Result<(), DocumentError> {
        let connection = self.connect();
        for position in positions {
            connection.execute("DELETE FROM deliveries WHERE position = ?1", [position]).unwrap();
        }
        Ok(())
    }

    async fn changed(&self) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[async_trait]
impl Volume for Handle {
    async fn stored(&self) -> Result<Stored, DocumentError> {
        panic!("Spin bounds what its databases hold; the adapter counts nothing");
    }
}
