//! Meets `pingtalk:documents/store` with Spin's SQLite, and delivers the events of commits.
//!
//! The engine is the one our own host uses on SQLite (`pingtalk-documents`); here every call is one
//! transaction on a connection that lives as long as the instance. A call never waits between two
//! statements, so those of concurrent calls don't mix.
#![cfg(target_family = "wasm")]

mod bindings;
mod deliver;
mod grants;
mod queue;
mod store;

use std::time::{Duration, Instant};

use bindings::exports::pingtalk::documents::store::{
    self as wit, Document, Error, Filter, Guest, Outcome, Query, Transaction,
};
use pingtalk_documents::{Count, DocumentError, Find};

pingtalk_documents::conversions!(wit);

/// How long one call may take. Spin tells a component no deadline of its own.
const DEADLINE: Duration = Duration::from_secs(30);

/// What is exported.
pub(crate) struct Documents;

impl Guest for Documents {
    async fn find_one(
        database: String,
        collection: String,
        query: Query,
    ) -> Result<Option<Document>, Error> {
        deliver::what_is_due().await;
        let found = find(&database, &collection, &query.into(), Find::one)?;
        Ok(found.into_iter().next())
    }

    async fn find(
        database: String,
        collection: String,
        query: Query,
    ) -> Result<Vec<Document>, Error> {
        deliver::what_is_due().await;
        find(&database, &collection, &query.into(), Find::many)
    }

    async fn count(
        database: String,
        collection: String,
        filter: Filter,
        limit: u32,
    ) -> Result<u32, Error> {
        deliver::what_is_due().await;
        grants::read(&database, &collection)?;
        let count = Count::new(&filter.into(), limit)?;
        Ok(store::read(|sql, schema| {
            count.run(sql, schema, (&database, &collection), Instant::now() + DEADLINE)
        })?)
    }

    async fn commit(transaction: Transaction) -> Result<Vec<Outcome>, Error> {
        let transaction: pingtalk_documents::Transaction = transaction.into();
        grants::commit(&transaction)?;
        let outcomes = store::commit(&transaction, Instant::now() + DEADLINE)?;
        if transaction.events.is_empty() {
            deliver::what_is_due().await;
        } else {
            deliver::at_once().await;
        }
        Ok(outcomes.into_iter().map(Into::into).collect())
    }
}

fn find(
    database: &str,
    collection: &str,
    query: &pingtalk_documents::Query,
    check: impl FnOnce(&pingtalk_documents::Query) -> Result<Find, DocumentError>,
) -> Result<Vec<Document>, Error> {
    grants::read(database, collection)?;
    let find = check(query)?;
    let found = store::read(|sql, schema| {
        find.run(sql, schema, (database, collection), Instant::now() + DEADLINE)
    })?;
    Ok(found.into_iter().map(Vec::from).collect())
}
