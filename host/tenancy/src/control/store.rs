//! The store itself: its collections, its revision, and how a change is committed.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use pingtalk_capabilities::documents::{
    Change, Collection, DocumentError, Documents, Filter, Index, Operation, Outcome, Query,
    Transaction, Value, Write,
};

use super::{codec, error::ControlError};

/// The one database.
pub(super) const DATABASE: &str = "control";
/// How long one call may take.
const CALL_TIME: Duration = Duration::from_secs(10);
/// How often an ambiguous answer is asked for again.
const ATTEMPTS: u32 = 3;

/// Tenants, releases and their history.
#[derive(Clone)]
pub struct ControlStore {
    documents: Arc<dyn Documents>,
}

/// What the store needs of its documents backend.
#[must_use]
pub fn collections() -> Vec<Collection> {
    let unique = |fields: &[&str]| Index {
        fields: fields.iter().map(|field| (*field).to_owned()).collect(),
        unique: true,
        sparse: false,
    };
    let collection = |name: &str, indexes: Vec<Index>| Collection {
        database: DATABASE.to_owned(),
        name: name.to_owned(),
        indexes,
    };
    vec![
        collection("state", vec![unique(&["name"])]),
        collection("tenants", vec![unique(&["name"])]),
        collection("hosts", vec![unique(&["host"])]),
        collection("releases", vec![unique(&["tenant", "id"])]),
        collection("deployments", vec![unique(&["tenant", "number"])]),
        collection("artifacts", vec![unique(&["digest"])]),
        collection("chunks", vec![unique(&["digest", "index"])]),
        collection("audit", vec![unique(&["log", "number"])]),
    ]
}

/// Now, in milliseconds since the epoch.
#[must_use]
pub fn now() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
}

/// A write into one of the store's collections.
pub(super) fn write(collection: &str, operation: Operation) -> Write {
    Write { database: DATABASE.to_owned(), collection: collection.to_owned(), operation }
}

impl ControlStore {
    /// A store in these documents, which were opened with [`collections`].
    #[must_use]
    pub fn new(documents: Arc<dyn Documents>) -> Self {
        Self { documents }
    }

    /// A number that every change raises.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn revision(&self) -> Result<i64, ControlError> {
        #[derive(serde::Deserialize)]
        struct State {
            value: i64,
        }
        let query = Query { filter: revision_filter(), limit: 1, ..Query::default() };
        match self.find_one("state", query).await? {
            Some(document) => Ok(codec::decode::<State>(&document)?.value),
            None => Ok(0),
        }
    }

    /// Commits a change that hosts must follow: the deciding write, what belongs to it, and the
    /// revision.
    pub(super) async fn change(
        &self,
        mut writes: Vec<Write>,
    ) -> Result<Vec<Outcome>, DocumentError> {
        writes.push(write(
            "state",
            Operation::Update {
                filter: revision_filter(),
                changes: vec![Change::Increment("value".to_owned(), 1)],
                upsert: true,
            },
        ));
        self.commit(writes).await
    }

    /// Commits; an answer that did not come is asked for again under the same id.
    pub(super) async fn commit(&self, writes: Vec<Write>) -> Result<Vec<Outcome>, DocumentError> {
        let transaction = Transaction { id: commit_id(), writes, events: Vec::new() };
        let mut attempt = 1;
        loop {
            match self.documents.commit(transaction.clone(), deadline()).await {
                Err(DocumentError::DeadlineExceeded | DocumentError::Unavailable(_))
                    if attempt < ATTEMPTS =>
                {
                    attempt += 1;
                }
                answer => return answer,
            }
        }
    }

    pub(super) async fn find_one(
        &self,
        collection: &str,
        query: Query,
    ) -> Result<Option<bytes::Bytes>, ControlError> {
        Ok(self.documents.find_one(DATABASE, collection, query, deadline()).await?)
    }

    pub(super) async fn find(
        &self,
        collection: &str,
        query: Query,
    ) -> Result<Vec<bytes::Bytes>, ControlError> {
        Ok(self.documents.find(DATABASE, collection, query, deadline()).await?)
    }
}

fn revision_filter() -> Filter {
    codec::texts(&[("name", "revision")])
}

fn deadline() -> Instant {
    Instant::now() + CALL_TIME
}

/// Commits of several hosts must not share an id.
fn commit_id() -> String {
    format!("control-{:032x}", rand::random::<u128>())
}

/// A text value.
pub(super) fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}
