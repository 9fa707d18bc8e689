//! The instance's connection, and the transactions on it.

use std::time::Instant;

use pingtalk_documents::{
    Collection, DocumentError, Error, Index, Outcome, Schema, Sql, Transaction,
};
use pingtalk_spin_platform::{Database, Kept, Served, now_millis};

use crate::queue;

/// An open database whose collections are as the manifest declares them.
struct Store {
    database: Database,
    schema: Schema,
}

thread_local! {
    static STORE: Kept<Store> = const { Kept::new() };
}

/// Reads from one snapshot.
pub(crate) fn read<T>(
    work: impl FnOnce(&dyn Sql, &Schema) -> Result<T, Error>,
) -> Result<T, DocumentError> {
    with(|Store { database, schema }| {
        database.snapshot(|| {
            schema.refresh(database)?;
            work(database, schema)
        })
    })
}

/// Writes alone, all or nothing.
pub(crate) fn write<T>(
    work: impl FnOnce(&dyn Sql, &Schema) -> Result<T, Error>,
) -> Result<T, DocumentError> {
    with(|Store { database, schema }| {
        database.transaction(|| {
            schema.refresh(database)?;
            work(database, schema)
        })
    })
}

/// Makes a commit, its events in the queues of their consumers.
pub(crate) fn commit(
    transaction: &Transaction,
    deadline: Instant,
) -> Result<Vec<Outcome>, DocumentError> {
    pingtalk_documents::check(transaction)?;
    let committed = write(|sql, schema| {
        let now = now_millis();
        let committed = pingtalk_documents::commit(sql, schema, transaction, now, deadline)?;
        queue::take_over(sql)?;
        Ok(committed)
    })?;
    Ok(committed.durable())
}

fn with<T>(work: impl FnOnce(&mut Store) -> Result<T, Error>) -> Result<T, DocumentError> {
    STORE.with(|kept| kept.with(open, work)).map_err(told)
}

/// What a caller is told: the store's own trouble may be over the next time.
fn told(error: Error) -> DocumentError {
    match error {
        Error::Document(error) => error,
        Error::Deadline => DocumentError::DeadlineExceeded,
        Error::Full => DocumentError::Unavailable("no space left".to_owned()),
        Error::Storage(why) => DocumentError::Unavailable(why),
    }
}

fn open() -> Result<Store, Error> {
    let unavailable = |why| Error::Document(DocumentError::Unavailable(why));
    let collections = Served::with(collections).map_err(unavailable)?;
    let database = Database::open()?;
    let prepare = || {
        pingtalk_documents::prepare(&database)?;
        queue::prepare(&database)?;
        pingtalk_documents::declare(&database, &collections, &Schema::default())
    };
    // Nearly always everything is there already and this only reads.
    let schema = database.rarely_writing(prepare)?;
    Ok(Store { database, schema })
}

fn collections(served: &Served) -> Vec<Collection> {
    let declared = &served.manifest.application.host.collections;
    let index = |index: &pingtalk_manifest::Index| Index {
        fields: index.fields.clone(),
        unique: index.unique,
        sparse: index.sparse,
    };
    declared
        .iter()
        .map(|collection| Collection {
            database: collection.database.clone(),
            name: collection.name.clone(),
            indexes: collection.indexes.iter().map(index).collect(),
        })
        .collect()
}
