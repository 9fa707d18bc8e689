//! `pingtalk:documents/store`.

use std::sync::Arc;

use pingtalk_capabilities::documents::{DocumentError, Documents};
use wasmtime::component::Accessor;

use super::MISSING;
use crate::{
    bindings::pingtalk::documents::store::{
        self, Document, Error, Filter, Outcome, Query, Transaction,
    },
    conv::list,
    state::{Host, Import, State, import},
};

fn documents(import: &Import) -> Result<&Arc<dyn Documents>, Error> {
    import.capabilities().documents.as_ref().ok_or_else(|| Error::Denied(MISSING.to_owned()))
}

impl store::Host for &mut State {}

impl store::HostWithStore<State> for Host {
    async fn find_one(
        accessor: &Accessor<State, Self>,
        database: String,
        collection: String,
        query: Query,
    ) -> wasmtime::Result<Result<Option<Document>, Error>> {
        let import = import(accessor, "documents.find_one")?;
        let store = match documents(&import) {
            Ok(store) => store,
            Err(error) => return Ok(Err(error)),
        };
        let answer = store.find_one(&database, &collection, query.into(), import.deadline);
        let found = import.within(|| DocumentError::DeadlineExceeded, answer).await;
        Ok(found.map(|found| found.map(list)).map_err(Into::into))
    }

    async fn find(
        accessor: &Accessor<State, Self>,
        database: String,
        collection: String,
        query: Query,
    ) -> wasmtime::Result<Result<Vec<Document>, Error>> {
        let import = import(accessor, "documents.find")?;
        let store = match documents(&import) {
            Ok(store) => store,
            Err(error) => return Ok(Err(error)),
        };
        let answer = store.find(&database, &collection, query.into(), import.deadline);
        let found = import.within(|| DocumentError::DeadlineExceeded, answer).await;
        Ok(found.map(|found| found.into_iter().map(list).collect()).map_err(Into::into))
    }

    async fn count(
        accessor: &Accessor<State, Self>,
        database: String,
        collection: String,
        filter: Filter,
        limit: u32,
    ) -> wasmtime::Result<Result<u32, Error>> {
        let import = import(accessor, "documents.count")?;
        let store = match documents(&import) {
            Ok(store) => store,
            Err(error) => return Ok(Err(error)),
        };
        let answer = store.count(&database, &collection, filter.into(), limit, import.deadline);
        Ok(import.within(|| DocumentError::DeadlineExceeded, answer).await.map_err(Into::into))
    }

    async fn commit(
        accessor: &Accessor<State, Self>,
        transaction: Transaction,
    ) -> wasmtime::Result<Result<Vec<Outcome>, Error>> {
        let mut import = import(accessor, "documents.commit")?;
        import.publishes(transaction.events.len());
        let store = match documents(&import) {
            Ok(store) => store,
            Err(error) => return Ok(Err(error)),
        };
        let answer = store.commit(transaction.into(), import.deadline);
        let outcomes = import.within(|| DocumentError::DeadlineExceeded, answer).await;
        Ok(outcomes.map(|all| all.into_iter().map(Into::into).collect()).map_err(Into::into))
    }
}
