//! One tenant's open database: its threads and what is declared.

use std::{
    path::Path,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use pingtalk_capabilities::documents::{Collection, DocumentError, Outcome, Transaction};
use pingtalk_documents::{Committed, Schema};
use pingtalk_sqlite_thread::{
    Failure, FileLock, Readers, Settings, Writer, open_reader, open_writer,
};
use rusqlite::Connection;
use tokio::sync::Notify;

use crate::{Config, error::Error};

/// How long a query waits for a declaration's commit to become visible to the readers.
const SCHEMA_LAG: Duration = Duration::from_millis(5);

pub(crate) struct Store {
    pub(crate) writer: Writer,
    readers: Readers,
    schemas: Arc<Schemas>,
    /// Wakes the relay.
    pub(crate) events: Arc<Notify>,
}

/// What is declared, for the two sides of a commit: the writer follows a new declaration at once,
/// within the transaction that makes it, the readers once that is committed.
#[derive(Default)]
struct Schemas {
    writing: RwLock<Arc<Schema>>,
    reading: RwLock<Arc<Schema>>,
}

fn load(schema: &RwLock<Arc<Schema>>) -> Arc<Schema> {
    Arc::clone(&schema.read().unwrap_or_else(PoisonError::into_inner))
}

fn replace(schema: &RwLock<Arc<Schema>>, new: Arc<Schema>) {
    *schema.write().unwrap_or_else(PoisonError::into_inner) = new;
}

impl Store {
    /// Opens a database file with its threads.
    pub(crate) async fn open(folder: &Path, config: &Config) -> Result<Self, Error> {
        let settings = Settings { max_bytes: config.max_bytes, cache_kib: config.cache_kib };
        let file = folder.join("documents.sqlite");
        let lock = folder.join("documents.lock");
        let count = config.readers.max(1);
        let (hand_over, connections) = tokio::sync::oneshot::channel();
        let writer = Writer::start("documents-write", config.max_waiting, move || {
            let lock = FileLock::acquire(&lock)?;
            let connection = open_writer(&file, settings)?;
            let preparing = connection.unchecked_transaction()?;
            pingtalk_documents::prepare(&*preparing)?;
            preparing.commit()?;
            let readers =
                (0..count).map(|_| open_reader(&file, settings)).collect::<Result<Vec<_>, _>>()?;
            // The caller waits for these; if it has gone, nobody needs them.
            drop(hand_over.send(readers));
            Ok::<_, Error>((connection, lock))
        })
        .await?;
        let connections = connections.await.map_err(|_| Failure::Stopped)?;
        let readers = Readers::start("documents-read", config.max_waiting, connections)?;
        let events = Arc::new(Notify::new());
        // What an earlier process left in the outbox.
        events.notify_one();
        Ok(Self { writer, readers, schemas: Arc::default(), events })
    }

    /// Brings the database in line with a declaration.
    pub(crate) async fn declare(&self, collections: &[Collection]) -> Result<(), Error> {
        let collections = collections.to_vec();
        let (answer, declared) = tokio::sync::oneshot::channel();
        let schemas = Arc::clone(&self.schemas);
        let run = {
            let schemas = Arc::clone(&schemas);
            move |connection: &Connection| {
                let old = load(&schemas.writing);
                let new = Arc::new(pingtalk_documents::declare(connection, &collections, &old)?);
                replace(&schemas.writing, Arc::clone(&new));
                Ok::<_, Error>(new)
            }
        };
        let done = move |result: Result<Arc<Schema>, Error>| {
            match &result {
                Ok(new) => replace(&schemas.reading, Arc::clone(new)),
                Err(_) => replace(&schemas.writing, load(&schemas.reading)),
            }
            drop(answer.send(result.map(drop)));
        };
        self.writer.submit(0, run, done)?;
        declared.await.unwrap_or_else(|_| Err(Failure::Stopped.into()))
    }

    /// Makes a commit durable.
    pub(crate) async fn commit(
        &self,
        transaction: Transaction,
        deadline: Instant,
    ) -> Result<Vec<Outcome>, Error> {
        let weight = pingtalk_documents::check(&transaction)?;
        let schemas = Arc::clone(&self.schemas);
        let events = Arc::clone(&self.events);
        let notify = !transaction.events.is_empty();
        let (answer, result) = tokio::sync::oneshot::channel();
        let run = move |connection: &Connection| {
            if Instant::now() >= deadline {
                return Err(Failure::Deadline.into());
            }
            let schema = load(&schemas.writing);
            let committed =
                pingtalk_documents::commit(connection, &schema, &transaction, now(), deadline);
            Ok(committed?)
        };
        let done = move |result: Result<Committed, Error>| {
            let result = result.map(|committed| {
                if notify {
                    // Everyone who waits now, and whoever comes next: nobody misses it.
                    events.notify_waiters();
                    events.notify_one();
                }
                committed.durable()
            });
            drop(answer.send(result));
        };
        self.writer.submit(weight, run, done)?;
        match tokio::time::timeout_at(deadline.into(), result).await {
            Ok(Ok(outcomes)) => outcomes,
            Ok(Err(_)) => Err(Failure::Stopped.into()),
            Err(_) => Err(Failure::Deadline.into()),
        }
    }

    /// Runs a query on a reader thread.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        deadline: Instant,
        query: impl Fn(&Connection, &Schema) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let schemas = Arc::clone(&self.schemas);
        self.readers
            .run(deadline, move |connection| {
                let schema = load(&schemas.reading);
                match query(connection, &schema) {
                    Err(Error::Failure(Failure::Storage(text))) => {
                        // An index may have been dropped since; its commit comes before the new
                        // declaration reaches us.
                        std::thread::sleep(SCHEMA_LAG);
                        let newer = load(&schemas.reading);
                        if Arc::ptr_eq(&schema, &newer) {
                            return Err(Failure::Storage(text).into());
                        }
                        query(connection, &newer)
                    }
                    result => result,
                }
            })
            .await
    }
}

/// Milliseconds since the epoch.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// The error of a table that a handle was not opened with.
pub(crate) fn undeclared(database: &str, collection: &str) -> DocumentError {
    DocumentError::Invalid(format!("the collection {database}.{collection} is not declared"))
}
