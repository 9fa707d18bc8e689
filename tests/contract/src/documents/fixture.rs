//! Short ways to say what the tests do.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bson::{Bson, Document};
use bytes::Bytes;
use pingtalk_capabilities::documents::{
    Change, Collection, Condition, Direction, DocumentError, DocumentStore, DocumentsBackend,
    Filter, Index, NewEvent, Operation, Outcome, Query, SortKey, Test, Transaction, Value, Write,
};

use crate::tenant;

pub(super) const DATABASE: &str = "testDB";
/// A collection without indexes.
pub(super) const PLAIN: &str = "plain";
/// A collection with all kinds of indexes.
pub(super) const INDEXED: &str = "indexed";

/// A tenant's store.
#[derive(Clone)]
pub(super) struct Fixture(pub(super) DocumentStore);

pub(super) fn index(fields: &[&str], unique: bool, sparse: bool) -> Index {
    Index { fields: fields.iter().map(|field| (*field).to_owned()).collect(), unique, sparse }
}

pub(super) fn collection(name: &str, indexes: Vec<Index>) -> Collection {
    Collection { database: DATABASE.to_owned(), name: name.to_owned(), indexes }
}

pub(super) fn collections() -> Vec<Collection> {
    let indexes = vec![
        index(&["n"], false, false),
        index(&["s", "n"], false, false),
        index(&["l", "n"], false, false),
        index(&["d.x"], false, false),
        index(&["o"], false, true),
        index(&["u"], true, true),
        index(&["group", "seq"], true, true),
    ];
    vec![collection(PLAIN, vec![]), collection(INDEXED, indexes)]
}

pub(super) async fn open(backend: &Arc<dyn DocumentsBackend>) -> Fixture {
    Fixture(backend.open(&tenant(), &collections()).await.unwrap())
}

pub(super) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

pub(super) fn bytes(document: &Document) -> Bytes {
    document.to_vec().unwrap().into()
}

pub(super) fn parse(document: &Bytes) -> Document {
    Document::from_reader(&document[..]).unwrap()
}

/// A value as a query or a change has it.
pub(super) fn value(from: impl Into<Bson>) -> Value {
    match from.into() {
        Bson::Null => Value::Null,
        Bson::Boolean(it) => Value::Boolean(it),
        Bson::Int32(it) => Value::Int32(it),
        Bson::Int64(it) => Value::Int64(it),
        Bson::Double(it) => Value::Double(it),
        Bson::String(it) => Value::Text(it),
        Bson::ObjectId(it) => Value::Id(pingtalk_capabilities::documents::ObjectId(it.bytes())),
        Bson::DateTime(it) => Value::Date(it.timestamp_millis()),
        Bson::Document(it) => Value::Document(bytes(&it)),
        Bson::Array(it) => {
            let fields = it.into_iter().enumerate().map(|(at, it)| (at.to_string(), it));
            Value::Array(bytes(&fields.collect()))
        }
        other => panic!("no value: {other:?}"),
    }
}

pub(super) fn is(path: &str, test: Test) -> Condition {
    Condition { path: path.to_owned(), test }
}

pub(super) fn eq(path: &str, to: impl Into<Bson>) -> Condition {
    is(path, Test::Eq(value(to)))
}

pub(super) fn all(conditions: Vec<Condition>) -> Filter {
    Filter { any_of: vec![conditions] }
}

pub(super) fn by_id(id: impl Into<Bson>) -> Filter {
    all(vec![eq("_id", id)])
}

pub(super) fn sort(path: &str, direction: Direction) -> SortKey {
    SortKey { path: path.to_owned(), direction }
}

pub(super) fn set(path: &str, to: impl Into<Bson>) -> Change {
    Change::Set(path.to_owned(), value(to))
}

pub(super) fn insert(collection: &str, document: &Document) -> Write {
    write(collection, Operation::Insert { document: bytes(document), sequence: None })
}

pub(super) fn update(collection: &str, filter: Filter, changes: Vec<Change>) -> Write {
    write(collection, Operation::Update { filter, changes, upsert: false })
}

pub(super) fn upsert(collection: &str, filter: Filter, changes: Vec<Change>) -> Write {
    write(collection, Operation::Update { filter, changes, upsert: true })
}

pub(super) fn write(collection: &str, operation: Operation) -> Write {
    Write { database: DATABASE.to_owned(), collection: collection.to_owned(), operation }
}

pub(super) fn event(topic: &str, payload: &str) -> NewEvent {
    NewEvent { topic: topic.to_owned(), payload: Bytes::copy_from_slice(payload.as_bytes()) }
}

/// A commit id that no other commit has.
pub(super) fn commit_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{}-{}", tenant(), NEXT.fetch_add(1, Ordering::Relaxed))
}

pub(super) fn transaction(writes: Vec<Write>, events: Vec<NewEvent>) -> Transaction {
    Transaction { id: commit_id(), writes, events }
}

impl Fixture {
    pub(super) async fn commit(&self, writes: Vec<Write>) -> Result<Vec<Outcome>, DocumentError> {
        self.0.documents.commit(transaction(writes, vec![]), soon()).await
    }

    /// Commits one update and returns the document after it.
    pub(super) async fn change(&self, id: i32, changes: Vec<Change>) -> Document {
        let outcomes = self.commit(vec![update(PLAIN, by_id(id), changes)]).await.unwrap();
        let Outcome::Updated(document) = &outcomes[0] else { panic!("{outcomes:?}") };
        let document = parse(document);
        assert_eq!(self.get(PLAIN, id).await.as_ref(), Some(&document));
        document
    }

    pub(super) async fn insert(&self, collection: &str, documents: &[Document]) {
        for chunk in documents.chunks(50) {
            let writes = chunk.iter().map(|document| insert(collection, document)).collect();
            let outcomes = self.commit(writes).await.unwrap();
            assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Inserted(_))));
        }
    }

    pub(super) async fn find(
        &self,
        collection: &str,
        query: Query,
    ) -> Result<Vec<Document>, DocumentError> {
        let found = self.0.documents.find(DATABASE, collection, query, soon()).await?;
        Ok(found.iter().map(parse).collect())
    }

    pub(super) async fn get(&self, collection: &str, id: impl Into<Bson>) -> Option<Document> {
        let query = Query { filter: by_id(id), ..Query::default() };
        let found = self.0.documents.find_one(DATABASE, collection, query, soon()).await.unwrap();
        found.as_ref().map(parse)
    }

    /// The `_id`s of what matches, ascending.
    pub(super) async fn ids(&self, collection: &str, filter: Filter) -> Vec<i32> {
        let query = Query { filter, limit: 1_000, ..Query::default() };
        let found = self.find(collection, query).await.unwrap();
        let mut ids: Vec<_> =
            found.iter().map(|document| document.get_i32("_id").unwrap()).collect();
        ids.sort_unstable();
        ids
    }

    /// The `_id`s of all documents in an order.
    pub(super) async fn sorted(&self, collection: &str, sort: Vec<SortKey>) -> Vec<i32> {
        let query = Query { filter: all(vec![]), sort, limit: 1_000, ..Query::default() };
        let found = self.find(collection, query).await.unwrap();
        found.iter().map(|document| document.get_i32("_id").unwrap()).collect()
    }
}
